"""A process that we own: its output in a file, its whole group stoppable, never left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from portaria.up.tether import tethered

_POLL = 0.01


class OwnedProcess:
    """One command. It can be started again after it ended; output is appended to `log`.

    Dies with the process that started it, even by SIGKILL, and `stop` leaves nothing of its group.
    Until then an ended process stays a zombie, so that its pid names nobody else.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        log: Path,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.command = [str(word) for word in command]
        self.log = log
        self._env = None if env is None else dict(env)
        self._cwd = cwd
        self._popen: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it. Raises RuntimeError where it runs already."""
        if self.running:
            raise RuntimeError(f"{self.name} runs already")
        self.stop()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as output:
            self._popen = subprocess.Popen(  # noqa: S603 - a list, no shell
                tethered(self.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._env,
                cwd=self._cwd,
                process_group=0,
            )

    @property
    def pid(self) -> int:
        """Its process id, and that of its group. Raises RuntimeError before the first start."""
        if self._popen is None:
            raise RuntimeError(f"{self.name} was not started")
        return self._popen.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs or before it was started; negative: the signal that ended it."""
        if self._popen is None or self._popen.returncode is not None:
            return None if self._popen is None else self._popen.returncode
        ended = os.waitid(os.P_PID, self._popen.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG)
        if ended is None:
            return None
        return ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status

    @property
    def running(self) -> bool:
        """Whether it was started and has not ended."""
        return self._popen is not None and self.exit_code is None

    def wait(self, within: float) -> int:
        """Its exit code, once it ended. Raises TimeoutError after `within` seconds."""
        until = time.monotonic() + within
        while (code := self.exit_code) is None:
            if time.monotonic() > until:
                raise TimeoutError(f"{self.name} still runs after {within:g} s")
            time.sleep(_POLL)
        return code

    def send(self, number: signal.Signals, *, group: bool = False) -> None:
        """Signals it, or its whole group; nothing happens where it is gone."""
        if self._popen is None or self._popen.returncode is not None:
            return
        with suppress(ProcessLookupError):
            if group:
                os.killpg(self._popen.pid, number)
            else:
                os.kill(self._popen.pid, number)

    def pause(self, *, group: bool = False) -> None:
        """Freezes it."""
        self.send(signal.SIGSTOP, group=group)

    def resume(self, *, group: bool = False) -> None:
        """Lets it go on."""
        self.send(signal.SIGCONT, group=group)

    def kill(self, *, group: bool = False) -> None:
        """Kills it, without a word to it, and waits for its end."""
        self.send(signal.SIGKILL, group=group)
        if self._popen is not None:
            self.wait(10)

    def stop(self, grace: float = 10.0) -> int | None:
        """Asks it to end, waits `grace` seconds, then kills what is left of its group."""
        if self._popen is None:
            return None
        if self.running:
            self.send(signal.SIGTERM)
            self.resume(group=True)
            with suppress(TimeoutError):
                self.wait(grace)
        self.send(signal.SIGKILL, group=True)
        return self._popen.wait()

    def output(self) -> str:
        """All that it wrote so far, over all starts."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    def tail(self, lines: int = 20) -> str:
        """The last lines that it wrote."""
        return "\n".join(self.output().splitlines()[-lines:])
