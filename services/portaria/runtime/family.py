"""Children as their parent sees them: forked, watched, frozen, killed, buried."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from portaria.core.collector import freeze_memory
from portaria.core.seal import KeyRing
from portaria.jobs import Handler
from portaria.runtime import orphans
from portaria.runtime.child import ChildPlan, run_child
from portaria.runtime.door import Door
from portaria.runtime.slot import Counts, Running, Slot
from portaria.runtime.vitals import Pulse, Vitals
from portaria.store.wire import Target

_FREEZE_TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a parent is to do."""

    workers: Sequence[str]
    """Names, one for each child."""
    queues: Sequence[str]
    door: Door
    """Where jobs hand in others."""
    burst: bool = False
    most_jobs_per_child: int = 10_000
    prefetch: int = 16
    """The most jobs that a child claims at once."""
    limit: int | None = None
    """Jobs after which the worker ends."""
    max_idle: float | None = None


class Sentence(Enum):
    """Why a parent killed a child, and so what becomes of the job that it ran."""

    TIMEOUT = "timeout"
    STOPPED = "stopped"
    GIVE_BACK = "give back"
    CANCELLED = "cancelled"
    CRASH = "crash"
    MEMORY = "memory"


class ChildProcess:
    """One forked child."""

    def __init__(
        self, *, worker: str, incarnation: str, pid: int, slot: Slot, control: socket.socket
    ) -> None:
        self.worker = worker
        self.incarnation = incarnation
        self.pid = pid
        self.slot = slot
        self.control = control
        self.born = time.monotonic()
        self.started_at = datetime.now(UTC)
        self.sentence: Sentence | None = None
        self.is_retiring = False
        self.vitals: Vitals | None = None
        """The latest sample, None before the first."""
        self._pulse = Pulse(pid)
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status once it ended (negative: killed by that signal), else None."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def death(self) -> str:
        """How it ended, in words: `SIGSEGV`, `exit status 9`."""
        status = self._status or 0
        return signal.Signals(-status).name if status < 0 else f"exit status {status}"

    def running(self) -> Running | None:
        """The job in hand. A hint while it lives, the truth once it is dead or frozen."""
        return self.slot.running()

    def counts(self) -> Counts:
        """What it did so far."""
        return self.slot.counts()

    def ask_to_stop(self) -> None:
        """It ends after the job in hand."""
        self.slot.set_stop()
        self._nudge()

    def pause(self, paused: bool) -> None:
        """It claims nothing, or goes on."""
        if paused != self.slot.paused:
            self.slot.set_paused(paused)
            self._nudge()

    def ask_to_retire(self) -> None:
        """It ends after the job in hand, as one that was used enough: another takes over."""
        self.is_retiring = True
        self.slot.set_retire()
        self._nudge()

    def sample(self) -> None:
        """Takes its vitals."""
        self.vitals = self._pulse.take() or self.vitals

    def freeze(self) -> Running | None:
        """Stops it, and answers what it is running then; `thaw` or `kill` must follow.

        Looking first and killing then would now and then hit the next job.
        """
        if self._status is not None:
            return None  # it was buried since: the pid is nobody's, or another's
        os.kill(self.pid, signal.SIGSTOP)
        for _ in range(_FREEZE_TRIES):
            # Until the stop took effect, the page may still change.
            pid, status = os.waitpid(self.pid, os.WUNTRACED | os.WNOHANG)
            if pid and not os.WIFSTOPPED(status):
                self._status = os.waitstatus_to_exitcode(status)
                return None
            if pid or self._is_stopped():
                break
            time.sleep(0.001)
        if not self.slot.is_whole():
            self.thaw()
            return None
        return self.slot.running()

    def thaw(self) -> None:
        """Lets it go on."""
        if self._status is None:
            os.kill(self.pid, signal.SIGCONT)

    def kill(self, sentence: Sentence) -> None:
        """SIGKILL, once, for the first reason given."""
        if self._status is None and self.sentence is None:
            self.sentence = sentence
            os.kill(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Gives back what belongs to it, after its death."""
        self.control.close()
        self.slot.close()

    def _nudge(self) -> None:
        """It looks at its slot at once, should it be idle."""
        try:
            self.control.send(b"s")
        except OSError:
            return  # it is dead already

    def _is_stopped(self) -> bool:
        with open(f"/proc/{self.pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "tT"


def fork_child(
    plan: Plan,
    worker: str,
    incarnation: str,
    *,
    limit: int | None,
    slowest: float | None,
    target: Target,
    handlers: Mapping[str, Handler],
    ring: KeyRing,
    siblings: Sequence[ChildProcess],
) -> ChildProcess:
    """Starts a child; the handlers' modules, imported here, are shared with it."""
    slot = Slot()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    child_plan = ChildPlan(
        worker=worker,
        incarnation=incarnation,
        queues=plan.queues,
        target=target,
        door=plan.door,
        burst=plan.burst,
        most_jobs=plan.most_jobs_per_child,
        limit=limit,
        max_idle=plan.max_idle,
        prefetch=plan.prefetch,
        slowest=slowest,
    )
    freeze_memory()  # so that its pages stay shared
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        # A handler that asks people would wait for them, and take what is typed from its siblings.
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        orphans.adopt()
        # A sibling's socket held open here would hide the parent's death from that sibling.
        for sibling in siblings:
            sibling.control.close()
        run_child(
            child_plan, handlers=handlers, ring=ring, slot=slot, control=theirs, parent=parent
        )
    theirs.close()
    return ChildProcess(worker=worker, incarnation=incarnation, pid=pid, slot=slot, control=ours)
