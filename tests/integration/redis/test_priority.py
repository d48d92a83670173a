"""Strict priority on each version of Redis, through a real worker."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Noop, Wait
from portaria.core.states import PRIORITIES
from portaria.store import keys
from stack import Stack, eventually
from stack.lab import Lab
from stack.versions import both_versions

EACH = 40


@pytest.fixture
def lab(stack: Stack) -> Lab:
    """Hands in jobs without a door."""
    return Lab(stack)


@both_versions
def test_four_full_queues_are_emptied_in_strict_order(stack: Stack, lab: Lab, redis: Redis) -> None:
    """Handed in from the lowest up, taken from the highest down; in each queue in order."""
    handed_in = {
        priority: [lab.submit(Noop(), priority=priority) for _ in range(EACH)]
        for priority in reversed(PRIORITIES)
    }

    stack.worker("lab")

    eventually(lambda: len(_done(redis)) == EACH * len(PRIORITIES), 20)
    assert _done(redis) == [job_id for priority in PRIORITIES for job_id in handed_in[priority]]
    lab.close()


@both_versions
def test_a_critical_job_goes_before_all_that_wait(stack: Stack, lab: Lab, redis: Redis) -> None:
    """Also where it comes last, while the worker is at the low ones."""
    gate, log = stack.folder / "gate", stack.folder / "log"
    first = lab.submit(Wait(gate=str(gate), log=str(log)), priority="low")
    low = [lab.submit(Noop(), priority="low") for _ in range(EACH)]
    stack.worker("lab", PORTARIA_PREFETCH="1")
    eventually(log.exists, 10)

    critical = lab.submit(Noop(), priority="critical")
    gate.touch()

    eventually(lambda: len(_done(redis)) == EACH + 2, 20)
    assert _done(redis) == [first, critical, *low]
    lab.close()


def _done(redis: Redis) -> list[str]:
    """The jobs that ended, in that order."""
    entries: Any = redis.xrange(keys.EVENTS)
    events = [fields[b"e"].decode().split(" ") for _, fields in entries]
    return [words[0] for words in events if words[1] == "SUCCEEDED"]
