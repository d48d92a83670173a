"""Hooks: jobs that are handed in with another one, and submitted by its end or its retry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from conformance.batches import HandIn
from conformance.kernel import CRASHED, QUEUE, Kernel, ended, recovery, submission
from portaria.core.ids import is_member, member_id, new_workflow_id
from portaria.core.states import State
from portaria.store import Claim, Submission, Verdict, keys

ON_SUCCESS, ON_FAILURE = "hook-s", "hook-f"
FAR_OFF = 4_000_000_000_000
"""Milliseconds of a moment that no test sees."""


def hook(job_id: str, queue: str = "lab:low", **given: Any) -> Submission:
    """A job that waits to be submitted."""
    return submission(job_id, queue, **{"request_id": "", **given})


def hooks(**given: Any) -> list[tuple[str, Submission]]:
    """On success and on failure."""
    return [
        ("on_success", hook(ON_SUCCESS, **given)),
        ("on_failure", hook(ON_FAILURE, **given)),
    ]


def fired(kernel: Kernel, *ids: str) -> list[str]:
    """Which hooks became jobs."""
    return [each for each in ids or (ON_SUCCESS, ON_FAILURE) if kernel.store.get(each)]


def end(kernel: Kernel, verdict: Verdict) -> Callable[[], None]:
    return lambda: kernel.turn("ana", ended(kernel.claim(), verdict), want=0) and None


def test_a_hook_is_no_job_before_its_moment(kernel: Kernel) -> None:
    """Nobody is told of it, and nothing of it is counted."""
    kernel.submit("j1", hooks=hooks())
    kernel.claim()

    assert fired(kernel) == []
    assert kernel.queued("lab:low") == []
    assert {event.job_id for event in kernel.all_events()} == {"j1"}


@pytest.mark.parametrize(
    ("verdict", "expected"), [(Verdict.SUCCEEDED, ON_SUCCESS), (Verdict.FAILED, ON_FAILURE)]
)
def test_an_end_submits_its_hook(kernel: Kernel, verdict: Verdict, expected: str) -> None:
    """Placed, told, indexed, counted: as any job, and right after the end is told."""
    kernel.submit("j1", hooks=hooks(labels=[("a", "1")], max_attempts=7, ttl_ms=60_000))
    claim = kernel.claim()

    kernel.turn("ana", ended(claim, verdict), want=0)

    assert fired(kernel) == [expected]
    record = kernel.record(expected)
    assert (record.state, record.max_attempts, record.ttl_ms) == (State.PENDING, 7, 60_000)
    assert (record.envelope, dict(record.tag.labels)) == (
        f"envelope of {expected}".encode(),
        {"a": "1"},
    )
    assert (kernel.queued("lab:low"), kernel.depth("lab:low")) == ([expected], 1)
    assert kernel.tokens("lab:low") == 1
    assert expected in kernel.members(keys.index("default", "label", "a=1"))
    (event,) = kernel.events(expected)
    assert (event.state, event.entry_id) == ("PENDING", record.cursor)
    assert kernel.all_events()[-2].job_id == "j1"
    assert kernel.claim("rui").job_id == expected


def test_a_job_that_ended_keeps_nothing_of_its_hooks(kernel: Kernel) -> None:
    """Their envelopes would be there twice."""
    kernel.submit("j1", hooks=hooks())

    kernel.turn("ana", ended(kernel.claim()), want=0)

    assert not [name for name in kernel.redis.hkeys(keys.job("j1")) if name.startswith(b"hook")]


def test_an_expired_job_has_failed(kernel: Kernel) -> None:
    """Whoever finds that its limit passed: here the claim."""
    kernel.submit("j1", before_ms=FAR_OFF, hooks=hooks())
    kernel.change("j1", before=1)

    assert kernel.turn().claims == [] or kernel.state("j1") is State.EXPIRED

    assert kernel.state("j1") is State.EXPIRED
    assert fired(kernel) == [ON_FAILURE]


def test_a_cancelled_job_submits_none(kernel: Kernel) -> None:
    """While it waits, and while it runs."""
    kernel.submit("j1", hooks=hooks())
    kernel.cancel("j1")
    kernel.submit("j2", hooks=hooks())
    claim = kernel.claim()
    kernel.cancel("j2")

    kernel.turn("ana", ended(claim, Verdict.FAILED), want=0)

    assert (kernel.state("j1"), kernel.state("j2")) == (State.CANCELLED, State.CANCELLED)
    assert fired(kernel) == []


def test_a_job_that_succeeds_though_it_was_cancelled_submits_its_hook(kernel: Kernel) -> None:
    """It succeeded."""
    kernel.submit("j1", hooks=hooks())
    claim = kernel.claim()
    kernel.cancel("j1")

    kernel.turn("ana", ended(claim), want=0)

    assert fired(kernel) == [ON_SUCCESS]


def test_a_used_up_budget_of_crashes_is_a_failure(kernel: Kernel) -> None:
    """The crashes before it are not: no hook, not even that of retries."""
    retried = new_workflow_id()
    kernel.submit("j1", hooks=[*hooks(), ("on_retry", hook(retried))])
    kernel.change("j1", crashes=1)
    kernel.claim()
    kernel.store.run(recovery("ana", begun="j1", crashed=True))
    assert (fired(kernel), kernel.state("j1")) == ([], State.PENDING)
    kernel.claim(incarnation="second")

    kernel.store.run(
        recovery("ana", incarnation="second", following="third", begun="j1", crashed=True)
    )

    assert kernel.record("j1").failure == CRASHED
    assert fired(kernel) == [ON_FAILURE]
    assert fired(kernel, *(member_id(retried, number) for number in range(5))) == []


def test_a_silent_worker_is_no_end(kernel: Kernel) -> None:
    """Its job runs again, and fires what its own end says."""
    kernel.submit("j1", hooks=hooks())
    first = kernel.claim()
    kernel.lapse(first)
    kernel.reap_now()
    assert fired(kernel) == []

    second = kernel.claim("rui")
    kernel.turn("rui", ended(second), want=0)
    late = kernel.turn("ana", ended(first, Verdict.FAILED), want=0)

    assert list(late.taken) == [False]
    assert fired(kernel) == [ON_SUCCESS]


def test_each_retry_submits_one_of_a_family(kernel: Kernel) -> None:
    """Numbered by the attempt that failed; what is put off has not failed."""
    family = new_workflow_id()
    kernel.submit("j1", hooks=[("on_retry", hook(family))])
    for verdict in (Verdict.RETRY, Verdict.LATER, Verdict.RETRY, Verdict.FAILED):
        kernel.turn("ana", ended(kernel.claim(), verdict), want=0)
        kernel.make_due("j1")
        kernel.promote()

    assert kernel.state("j1") is State.FAILED
    ids = [member_id(family, number) for number in range(6)]
    assert fired(kernel, *ids) == [ids[1], ids[3]]
    assert all(is_member(family, each) for each in ids)
    assert kernel.queued("lab:low") == [ids[1], ids[3]]


def test_a_hook_may_wait(kernel: Kernel) -> None:
    """A delay counts from its submission, and limits are its own."""
    kernel.submit("j1", hooks=hooks(delay_ms=60_000, before_ms=FAR_OFF, deadline_ms=FAR_OFF))

    kernel.turn("ana", ended(kernel.claim()), want=0)

    record = kernel.record(ON_SUCCESS)
    assert (record.state, record.due_ms - record.created_ms) == (State.SCHEDULED, 60_000)
    assert (record.before_ms, record.deadline_ms) == (FAR_OFF, FAR_OFF)
    assert kernel.members(keys.DUE) == [ON_SUCCESS]
    assert kernel.members(keys.EXPIRY) == [ON_SUCCESS]
    assert kernel.redis.xlen("portaria:alarm") == 1


def test_a_moment_that_passed_means_now(kernel: Kernel) -> None:
    """As at a submission."""
    kernel.submit("j1", hooks=hooks(run_at_ms=1, delay_ms=60_000))

    kernel.turn("ana", ended(kernel.claim()), want=0)

    assert kernel.queued("lab:low") == [ON_SUCCESS]


def test_an_end_that_is_told_twice_submits_once(kernel: Kernel) -> None:
    """The same turn again, also after the hook has come to its own end."""
    kernel.submit("j1", hooks=hooks())
    claim = kernel.claim()
    kernel.turn("ana", ended(claim), want=0, token="t")
    kernel.turn("rui", ended(kernel.claim("rui")), want=0)
    before = kernel.snapshot()

    kernel.turn("ana", ended(claim), want=0, token="t")

    assert kernel.snapshot() == before


@pytest.mark.parametrize("small", [True, False], ids=["one call", "slices"])
def test_jobs_of_a_batch_have_their_own(kernel: Kernel, small: bool) -> None:
    """Beside plain ones, before and after; and with times of their own."""
    own = {
        number: {"hooks": [("on_success", hook(f"hook-{number}"))], **more}
        for number, more in ((1, {}), (3, {"before_ms": FAR_OFF}))
    }
    batch = HandIn(kernel, 5, change=own)
    if small:
        batch.write(0, 5)
    else:
        batch.write(0, 2)
        batch.write(2, 5)
        batch.place()

    claims: list[Claim] = []
    while found := kernel.turn("ana", want=5, queues=[QUEUE]).claims:
        claims += found
        kernel.turn("ana", *(ended(each) for each in found), want=0)

    assert [each.job_id for each in claims] == batch.ids
    assert kernel.queued("lab:low") == ["hook-1", "hook-3"]


def test_what_others_wrote_there_stops_nobody(kernel: Kernel) -> None:
    """It is no hook; the job ends as it would without."""
    for job_id, packed in (("j1", "x"), ("j2", "a b c\nd"), ("j3", b"\xff\x00")):
        kernel.submit(job_id)
        kernel.change(job_id, hooks="sf?", hook_s=packed)
    kernel.submit("j4", hooks=hooks())
    kernel.redis.set(keys.job(ON_SUCCESS), "another kind of key")

    claims = kernel.turn("ana", want=4).claims
    kernel.turn("ana", *map(ended, claims), want=0)

    assert [kernel.state(f"j{number}") for number in range(1, 5)] == [State.SUCCEEDED] * 4
    assert len(kernel.redis.keys(keys.job("*"))) == 5
