"""Real processes of the system, stopped with the test, their output shown when it fails."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import psutil

from portaria.up.process import OwnedProcess
from stack.eventually import eventually

FIXTURES = Path(__file__).parents[1] / "fixtures"
_ROOT = FIXTURES.parents[1]
# The code beside these tests, whatever is installed.
_SOURCES = (FIXTURES, _ROOT / "services", _ROOT / "workers")


class Process(OwnedProcess):
    """A process under test. Its output goes into a file; see `output` and `tail`."""

    address = ""
    """Where it listens, if it is a door."""

    def wait_for(self, what: str | Callable[[str], object], within: float = 15.0) -> str:
        """Waits until a line of its output matches a regular expression or a predicate.

        Answers the line. Fails at once, with the output's end, where the process ended.
        """
        matches = re.compile(what).search if isinstance(what, str) else what

        def line() -> str | None:
            ended = not self.running
            found = next((each for each in self.output().splitlines() if matches(each)), None)
            if found is None and ended:
                raise RuntimeError(f"{self.name} ended ({self.exit_code}):\n{self.tail()}")
            return found

        found = eventually(line, within, because=f"{self.name} never said {what!r}")
        assert found is not None
        return found

    def wait_until(self, predicate: Callable[[], object], within: float = 15.0) -> None:
        """Waits for something that this process should bring about, and no longer than it lives."""

        def held() -> bool:
            ended = not self.running
            if predicate():
                return True
            if ended:
                raise RuntimeError(f"{self.name} ended ({self.exit_code}):\n{self.tail()}")
            return False

        eventually(held, within, because=f"{self.name} runs, but not so within {within:g} s")

    def terminate(self) -> None:
        """Asks it to end (SIGTERM), and does not wait; see `wait`."""
        self.send(signal.SIGTERM)

    def descendants(self) -> list[psutil.Process]:
        """Its children and theirs, now."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []


class Processes:
    """Starts processes, and stops them in reverse order."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = dict(env)
        self.started: list[Process] = []

    def start(self, name: str, *command: str | Path, **env: str) -> Process:
        """Starts a command with the settings of the stack; `env` adds to them or replaces them."""
        number = 1 + sum(each.name.rpartition("-")[0] == name for each in self.started)
        process = Process(
            f"{name}-{number}",
            command,
            log=self.folder / f"{name}-{number}.log",
            env={**self.env, **env},
            cwd=self.folder,
        )
        self.started.append(process)
        process.start()
        return process

    def python(self, name: str, *arguments: str | Path, **env: str) -> Process:
        """Starts this Python: `processes.python("door", "-m", "portaria.cli.main", "serve")`."""
        return self.start(name, sys.executable, *arguments, **env)

    def portaria(self, name: str, *arguments: str | Path, **env: str) -> Process:
        """Starts a command of portaria: `processes.portaria("door", "serve")`."""
        return self.python(name, "-m", "portaria.cli.main", *arguments, **env)

    def stop(self) -> None:
        """Stops all, the last first, and leaves nothing of them."""
        for process in reversed(self.started):
            process.stop(grace=3)

    def tails(self) -> list[tuple[str, str]]:
        """What each wrote last."""
        return [(f"{each.name}, exit {each.exit_code}", each.tail(60)) for each in self.started]


def base_env(**settings: str) -> dict[str, str]:
    """The environment of processes under test: the fixtures, and none of the caller's settings."""
    inherited = {name: value for name, value in os.environ.items() if _passes(name)}
    return {
        **inherited,
        "PYTHONPATH": os.pathsep.join(map(str, _SOURCES)),
        "PYTHONUNBUFFERED": "1",
        "PATH": f"{Path(sys.executable).parent}:{os.environ.get('PATH', os.defpath)}",
        "PORTARIA_LOG_FORMAT": "json",
        **settings,
    }


def _passes(name: str) -> bool:
    return not name.startswith(
        ("PORTARIA_", "RQ_", "PYTEST_", "COV_", "PYTHON", "COLUMNS", "LINES")
    )
