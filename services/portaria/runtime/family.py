"""Children as their parent sees them: forked, watched, frozen, killed, buried."""

from __future__ import annotations

import gc
import os
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from portaria.core.seal import KeyRing
from portaria.jobs import Handler
from portaria.runtime.child import ChildPlan, run_child
from portaria.runtime.slot import Counts, Running, Slot
from portaria.store.wire import Target

_FREEZE_TRIES = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a parent is to do."""

    workers: Sequence[str]
    """Names, one for each child."""
    queues: Sequence[str]
    burst: bool = False
    most_jobs_per_child: int = 1000
    limit: int | None = None
    """Jobs after which the worker ends."""
    max_idle: float | None = None


class Sentence(Enum):
    """Why a parent killed a child, and so what becomes of the job that it ran."""

    TIMEOUT = "timeout"
    STOPPED = "stopped"
    GIVE_BACK = "give back"
    CRASH = "crash"


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
        self.sentence: Sentence | None = None
        self._status: int | None = None

    def poll(self) -> int | None:
        """Its exit status once it ended (negative: killed by that signal), else None."""
        if self._status is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status

    def running(self) -> Running | None:
        """The job in hand. A hint while it lives, the truth once it is dead or frozen."""
        return self.slot.running()

    def counts(self) -> Counts:
        """What it did so far."""
        return self.slot.counts()

    def ask_to_stop(self) -> None:
        """It ends after the job in hand."""
        self.slot.set_stop()
        try:
            self.control.send(b"s")
        except OSError:
            return  # it is dead already

    def freeze(self) -> Running | None:
        """Stops it, and answers what it is running then; `thaw` or `kill` must follow.

        Looking first and killing then would now and then hit the next job.
        """
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

    def _is_stopped(self) -> bool:
        with open(f"/proc/{self.pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] in "tT"


def fork_child(
    plan: Plan,
    worker: str,
    incarnation: str,
    *,
    limit: int | None,
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
        burst=plan.burst,
        most_jobs=plan.most_jobs_per_child,
        limit=limit,
        max_idle=plan.max_idle,
    )
    # What exists now is never collected in the child, so its pages stay shared.
    gc.freeze()
    parent = os.getpid()
    pid = os.fork()
    if pid == 0:
        ours.close()
        # A sibling's socket held open here would hide the parent's death from that sibling.
        for sibling in siblings:
            sibling.control.close()
        run_child(
            child_plan, handlers=handlers, ring=ring, slot=slot, control=theirs, parent=parent
        )
    theirs.close()
    return ChildProcess(worker=worker, incarnation=incarnation, pid=pid, slot=slot, control=ours)
