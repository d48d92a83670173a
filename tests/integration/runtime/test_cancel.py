"""Cancelling and stopping what runs: the right job, each time, and nobody else's."""

from __future__ import annotations

import heapq
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from rq.command import send_stop_job_command
from rq.exceptions import InvalidJobOperation

from acme_jobs.lab.v1.lab_pb2 import Echo, Noop, Wait
from portaria.core.states import State
from portaria.store import calls
from portaria.store.calls import Cancelled
from portaria.store.record import attempts
from portaria.v1.job_pb2 import Failure
from stack import Stack
from stack.lab import Lab

CANCELS, STOPS, CHILDREN = 500, 500, 10
ENDLESS = 10
"""Of so many jobs that are hit, one would not end by itself."""


def _cancel(lab: Lab, job_id: str, *, force: bool = False) -> Cancelled:
    (word,) = lab.store.run(calls.cancel("default", [job_id], reason="a test", force=force))
    return word


def test_a_job_that_waits_is_cancelled_at_once(stack: Stack, lab: Lab) -> None:
    """No worker is needed for it, and none runs it later."""
    job_id, delayed = lab.submit(Noop()), lab.submit(Noop(), delay=timedelta(hours=1))

    words = [_cancel(lab, each) for each in (job_id, delayed)]
    stack.worker("lab", arguments=("--burst",)).wait(10)

    assert words == [Cancelled.NOW, Cancelled.NOW]
    assert lab.events(job_id) == ["PENDING", "CANCELLED"]
    assert lab.events(delayed) == ["SCHEDULED", "CANCELLED"]


def test_a_running_job_hears_of_it_within_a_moment(stack: Stack, lab: Lab) -> None:
    """Through the hint, not with the next renewal after two seconds; at its next progress()."""
    stack.worker("lab")
    job_id = lab.submit(Wait(gate=str(stack.folder / "gate")))
    lab.wait(job_id, State.RUNNING)
    asked = time.monotonic()

    word = _cancel(lab, job_id)
    done = lab.wait(job_id)

    assert word is Cancelled.ASKED
    assert time.monotonic() - asked < 1.5
    assert (done.state, done.attempt) == (State.CANCELLED, 1)
    assert lab.events(job_id) == ["PENDING", "RUNNING", "CANCELLING", "CANCELLED"]


def test_a_job_that_ends_well_all_the_same_has_succeeded(stack: Stack, lab: Lab) -> None:
    """It asks nobody on its way, so it never hears of the wish."""
    stack.worker("lab")
    job_id = lab.submit(Echo(text="x", pause={"seconds": 1}))
    lab.wait(job_id, State.RUNNING)

    _cancel(lab, job_id)
    done = lab.wait(job_id)

    assert done.state is State.SUCCEEDED
    assert lab.events(job_id) == ["PENDING", "RUNNING", "CANCELLING", "SUCCEEDED"]


def test_force_kills_what_does_not_listen(stack: Stack, lab: Lab) -> None:
    """And only that: its worker goes on with the next job."""
    stack.worker("lab")
    stubborn = Wait(gate=str(stack.folder / "gate"), swallow=True, stubborn=True)
    job_id, following = lab.submit(stubborn), lab.submit(Noop())
    lab.wait(job_id, State.RUNNING)

    _cancel(lab, job_id, force=True)

    done = lab.wait(job_id, within=5)
    assert done.state is State.CANCELLED
    (attempt,) = attempts(done.past)
    failure = Failure.FromString(attempt.failure)
    assert (attempt.number, failure.reason) == (1, "CANCELLED")
    assert failure.message == "killed: it was cancelled with force"
    assert lab.wait(following).state is State.SUCCEEDED


def test_five_hundred_random_cancels_hit_the_right_job(stack: Stack, lab: Lab) -> None:
    """Jobs of 1 ms to 1 s, each killed at a random moment of its run or left alone."""
    hit = partial(_cancel, lab, force=True)

    _hit_at_random(stack, lab, CANCELS, hit, State.CANCELLED)


def test_five_hundred_random_stop_commands_hit_the_right_job(stack: Stack, lab: Lab) -> None:
    """RQ's own stop-job, as `rq` and dashboards send it."""

    def hit(job_id: str) -> None:
        with suppress(InvalidJobOperation):  # it has ended by now
            send_stop_job_command(lab.redis, job_id)

    _hit_at_random(stack, lab, STOPS, hit, State.FAILED)


def _hit_at_random(
    stack: Stack, lab: Lab, hits: int, hit: Callable[[str], object], end: State
) -> None:
    """Runs twice as many jobs as hits. Who is not hit succeeds at its first start, untouched; who
    is hit comes to `end`, unless it was done by itself before: an endless one never is, so that
    no hit at one is without effect.
    """
    rng = random.Random(20261121)
    stack.worker("lab", concurrency=CHILDREN)
    seconds: dict[str, float] = {}
    others: list[str] = []
    endless: list[str] = []
    for number in range(hits):
        pause = 10 ** rng.uniform(-3, 0)
        is_endless = number % ENDLESS == 0
        job_id = _pausing(lab, 600 if is_endless else pause)
        seconds[job_id] = pause
        endless += [job_id] * is_endless
        others.append(_pausing(lab, 10 ** rng.uniform(-3, 0)))

    due: list[tuple[float, str]] = []
    after, left = "0-0", set(seconds)
    while left or due:
        entries: Any = lab.redis.xread({"portaria:events": after}, block=5)
        for entry_id, fields in entries[0][1] if entries else ():
            after = entry_id
            job_id, state, *_ = fields[b"e"].decode().split(" ")
            if job_id in left:
                if state == "RUNNING":
                    moment = time.monotonic() + rng.uniform(0, seconds[job_id])
                    heapq.heappush(due, (moment, job_id))
                if state in ("RUNNING", "SUCCEEDED"):
                    left.discard(job_id)
        while due and due[0][0] <= time.monotonic():
            hit(heapq.heappop(due)[1])

    untouched = {(each.state, each.attempt) for each in lab.wait_all(others)}
    assert untouched == {(State.SUCCEEDED, 1)}
    assert {each.state for each in lab.wait_all(endless)} == {end}
    ends = [each.state for each in lab.wait_all(seconds)]
    assert set(ends) == {State.SUCCEEDED, end}
    assert sum(state is end for state in ends) > hits // 5


def _pausing(lab: Lab, seconds: float) -> str:
    return lab.submit(Echo(text="x", pause=timedelta(seconds=seconds)))
