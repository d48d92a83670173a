"""A child of the worker: claims, runs, finishes, until it is told to stop or was used enough."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import random
import select
import signal
import socket
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum

import hiredis

from portaria.core.errors import StoreUnavailable
from portaria.core.seal import KeyRing
from portaria.jobs import Handler
from portaria.logs import logger
from portaria.runtime.door import Door
from portaria.runtime.executor import Executor
from portaria.runtime.hand import Hand, Report
from portaria.runtime.lease import Lease
from portaria.runtime.pace import Pace
from portaria.runtime.relief import Relief
from portaria.runtime.slot import CANCEL, LOST, Slot
from portaria.runtime.turns import Turns
from portaria.store import Claim, Turn, keys
from portaria.store.calls import Began
from portaria.store.wire import Target, Wire

WAKE_TIMEOUT = 3
"""Seconds after which an idle child looks for jobs, though nothing woke it."""

_PR_SET_PDEATHSIG = 1


class Exit(IntEnum):
    """Why a child ended; any other status is a crash."""

    STOPPED = 10
    IDLE = 11
    """Burst, and its queues are empty; or idle for longer than it may."""
    USED_UP = 12
    """It ran as many jobs as it may; a fresh one takes over."""
    LIMIT = 13
    """It ran as many jobs as the whole worker may."""
    GONE = 14
    """Its incarnation was closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChildPlan:
    """What a child is to do."""

    worker: str
    incarnation: str
    queues: Sequence[str]
    """Names, in the order in which to claim."""
    target: Target
    door: Door
    burst: bool
    most_jobs: int
    """Jobs until USED_UP."""
    limit: int | None
    """Jobs until LIMIT."""
    max_idle: float | None
    prefetch: int
    """The most jobs to claim at once."""
    slowest: float | None
    """Of its predecessor's last jobs, in seconds, where that is known."""


class Child:
    """The loop of a child process."""

    def __init__(
        self,
        plan: ChildPlan,
        *,
        handlers: Mapping[str, Handler],
        ring: KeyRing,
        slot: Slot,
        control: socket.socket,
    ) -> None:
        self._plan = plan
        self._slot = slot
        self._control = control
        wire = Wire(plan.target)
        self._bell = Wire(plan.target)
        self._ran = 0
        self._asked_at = 0.0
        self._idle_since: float | None = None
        self._hand = Hand()
        self._turns = Turns(
            wire,
            worker=plan.worker,
            incarnation=plan.incarnation,
            queues=plan.queues,
            served=f" {' '.join(sorted(handlers))} ",
        )
        self._executor = Executor(
            handlers=handlers,
            ring=ring,
            slot=slot,
            wire=wire,
            target=plan.target,
            pace=Pace(plan.prefetch, plan.slowest),
            bell=self._bell,
            control=control,
            door=plan.door,
            begin=self._begin,
        )
        self._relief = Relief(self._hand, self._turns, self._executor.lost)

    def run(self) -> Exit:
        """Works until there is a reason to end."""
        try:
            while True:
                ending = self._ending()
                turn = self._turn(0 if ending or self._slot.paused else self._want())
                if turn.word == "gone":
                    return Exit.GONE
                if turn.claims:
                    self._idle_since = None
                    self._work(turn.claims)
                elif ending:
                    self._executor.close()
                    return ending
                elif turn.word != "full":
                    if self._is_idle_enough():
                        return Exit.IDLE
                    self._wait()
        except StoreUnavailable:
            return Exit.STOPPED

    def slowest(self) -> float | None:
        """Of its last jobs, in seconds, for the child that follows."""
        return self._executor.pace.slowest()

    def _want(self) -> int:
        left = self._plan.most_jobs - self._ran
        if self._plan.limit is not None:
            left = min(left, self._plan.limit - self._ran)
        return min(left, self._executor.pace.want())

    def _turn(self, want: int) -> Turn:
        """Between two jobs: tells what was done, and asks for more."""
        self._asked_at = time.monotonic()
        report = self._hand.report()
        turn = self._turns.take(
            report,
            want=want,
            # With a finished job in hand it is worth waiting for Redis, until the grace is over.
            give_up=lambda: self._slot.stop and not report.finished,
        )
        self._executor.settle(self._turns.answered())
        return turn

    def _work(self, claims: Sequence[Claim]) -> None:
        """Runs what was claimed, and what of it the relief has not given back by then."""
        if len(claims) > 1:
            self._relief.start()
        self._hand.deal(claims)
        while (claim := self._hand.next()) is not None:
            lease = Lease(claim, self._asked_at, self._slot)
            word = CANCEL if self._slot.stop and not claim.begun else lease.wait()
            if not word and claim.at_most_once and not claim.begun:
                word = self._begin(claim)
            if not word:
                self._ran += 1
                self._hand.end(self._executor.execute(claim, lease))
            elif word == CANCEL:
                # To its queue, or to its end where it was cancelled, as the store knows best.
                self._hand.put_back(claim)

    def _begin(self, claim: Claim) -> int:
        """Says so before it runs, or submits others: one that must not run twice is never begun in
        silence, and the door takes children only of what has begun."""
        hold = (claim.job_id, claim.token)
        turn = self._turns.take(Report(begun=hold), want=0, give_up=lambda: self._slot.stop)
        return {Began.YES: 0, Began.CANCELLED: CANCEL, Began.LOST: LOST, None: LOST}[turn.began]

    def _ending(self) -> Exit | None:
        plan = self._plan
        if self._slot.stop:
            return Exit.STOPPED
        if self._slot.retire:
            return Exit.USED_UP
        if plan.limit is not None and self._ran >= plan.limit:
            return Exit.LIMIT
        if self._ran >= plan.most_jobs:
            return Exit.USED_UP
        return None

    def _is_idle_enough(self) -> bool:
        if self._slot.paused:
            return False
        if self._plan.burst:
            return True
        now = time.monotonic()
        self._idle_since = self._idle_since or now
        longest = self._plan.max_idle
        return longest is not None and now - self._idle_since >= longest

    def _wait(self) -> None:
        """Until a job may be there, the parent has a word, or WAKE_TIMEOUT passed.

        The wake token is a hint: what counts is the claim that follows. A paused child waits for
        the parent only.
        """
        if self._slot.paused:
            self._heed(select.select([self._control], [], [], WAKE_TIMEOUT)[0])
            return
        try:
            names = [keys.wake(queue) for queue in self._plan.queues]
            sources: list[Wire | socket.socket] = [self._bell, self._control]
            self._bell.send("BLPOP", *names, WAKE_TIMEOUT)
            ready, _, _ = select.select(sources, [], [], WAKE_TIMEOUT + 1)
            if self._bell in ready:
                self._bell.receive()
            else:
                # Whatever the bell still says must not be taken for the answer to the next one.
                self._bell.close()
            self._heed(ready)
        except (OSError, hiredis.HiredisError, hiredis.ReplyError):
            self._bell.close()
            self._heed(select.select([self._control], [], [], 0.2)[0])

    def _heed(self, ready: Sequence[object]) -> None:
        if self._control in ready and not self._control.recv(64):
            self._slot.leave(Exit.STOPPED)
            os._exit(Exit.STOPPED)  # the parent is gone; its death signal is on the way


def run_child(
    plan: ChildPlan,
    *,
    handlers: Mapping[str, Handler],
    ring: KeyRing,
    slot: Slot,
    control: socket.socket,
    parent: int,
) -> None:
    """The whole life of a forked child. Does not return."""
    status = 1
    try:
        # Dies with its parent: an orphan would go on with a job that others run by then.
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(Exit.STOPPED)
        # Ctrl-C reaches the whole process group; only the parent decides what follows. Not SIG_IGN:
        # the programs that a handler starts would inherit it, and could not be terminated.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: None)
        signal.set_wakeup_fd(-1)
        random.seed()
        faulthandler.enable(2)
        child = Child(plan, handlers=handlers, ring=ring, slot=slot, control=control)
        status = child.run()
        slot.leave(status, child.slowest())
    except BaseException:
        logger(worker=plan.worker).exception("the worker's child failed")
    finally:
        # Not sys.exit: handlers of the parent's exit are the parent's.
        os._exit(status)
