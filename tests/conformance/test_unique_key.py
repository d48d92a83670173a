"""Unique keys: at most one open job of a type has one."""

from __future__ import annotations

import pytest

from conformance.kernel import Kernel, ended
from portaria.core.states import State
from portaria.store import Verdict, keys


def _key(kernel: Kernel) -> list[str]:
    names = kernel.redis.keys(keys.unique("*", "*", "*"))
    return [name.decode() for name in names]


def test_a_second_open_job_is_refused_and_nothing_is_written(kernel: Kernel) -> None:
    """The answer names the one that holds the key."""
    kernel.submit("j1", unique_key="invoice 7")
    before = kernel.snapshot()

    second = kernel.submit("j2", unique_key="invoice 7")

    assert (second.job_id, second.held, second.deduplicated) == ("j1", True, False)
    assert kernel.snapshot() == before


def test_the_open_job_is_answered_where_that_was_asked(kernel: Kernel) -> None:
    """And a repeat of that request has the same answer after the job has ended."""
    kernel.submit("j1", unique_key="k")

    second = kernel.submit("j2", unique_key="k", use_existing=True)
    kernel.turn("ana", ended(kernel.claim()), want=0)
    repeat = kernel.submit("j2", unique_key="k", use_existing=True)

    for answer in (second, repeat):
        assert (answer.job_id, answer.deduplicated, answer.held) == ("j1", True, False)


@pytest.mark.parametrize("verdict", [Verdict.SUCCEEDED, Verdict.FAILED])
def test_the_end_of_a_job_releases_its_key(kernel: Kernel, verdict: Verdict) -> None:
    """In the same moment."""
    kernel.submit("j1", unique_key="k")
    kernel.turn("ana", ended(kernel.claim(), verdict), want=0)
    released = _key(kernel)

    second = kernel.submit("j2", unique_key="k")

    assert released == []
    assert (second.job_id, second.held) == ("j2", False)


def test_a_job_that_waits_for_its_retry_holds_its_key(kernel: Kernel) -> None:
    """It is open."""
    kernel.submit("j1", unique_key="k")
    kernel.turn("ana", ended(kernel.claim(), Verdict.RETRY, wait_ms=60_000), want=0)

    assert kernel.submit("j2", unique_key="k").held


def test_keys_of_other_types_and_namespaces_are_others(kernel: Kernel) -> None:
    """The same word may mean something else there."""
    kernel.submit("j1", unique_key="k", type="a.A")
    kernel.submit("j2", unique_key="k", type="a.B")
    kernel.submit("j3", unique_key="k", type="a.A", namespace="other")

    assert {kernel.state(f"j{number}") for number in (1, 2, 3)} == {State.PENDING}


def test_a_key_whose_job_is_gone_is_free(kernel: Kernel) -> None:
    """Somebody deleted the job by hand: its key does not lock for ever."""
    kernel.submit("j1", unique_key="k")
    kernel.redis.delete(keys.job("j1"))

    assert not kernel.submit("j2", unique_key="k").held


def test_only_its_own_key_is_released(kernel: Kernel) -> None:
    """A job that ends late does not free the key of the one that took it over."""
    kernel.submit("j1", unique_key="k")
    claim = kernel.claim()
    (name,) = _key(kernel)
    kernel.redis.set(name, "somebody else")

    kernel.turn("ana", ended(claim), want=0)

    assert kernel.redis.get(name) == b"somebody else"
