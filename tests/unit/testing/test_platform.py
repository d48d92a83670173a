"""Jobs that run when the test says so, by a clock that the test shifts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Charge, Echo, EchoResult, Fail, Noop, Steps
from portaria.client import AlreadyExists, NotFound, RequestIdReused
from portaria.client.requests import duration
from portaria.core.ids import new_job_id
from portaria.core.states import State
from portaria.jobs import JobContext, JobError, RetryLater
from portaria.testing import EagerPlatform
from portaria.v1.job_pb2 import Failure, RetryPolicy, SubmitOptions

SECOND = timedelta(seconds=1)


def test_a_job_waits_until_it_is_run(portaria: EagerPlatform) -> None:
    """Nothing runs by itself; a run leaves what a worker would leave."""
    job = portaria.submit(Steps(count=2), labels={"team": "a"})
    before = job.state
    ran = portaria.run_due()

    assert (before, job.state) == (State.PENDING, State.SUCCEEDED)
    assert [each.id for each in ran] == [job.id]
    assert [report.current for report in job.progress] == [1, 2]
    assert job.history == [State.PENDING, State.RUNNING, State.SUCCEEDED]
    assert job.labels == {"team": "a"}


def test_due_jobs_run_by_priority_then_by_age(portaria: EagerPlatform) -> None:
    """Also those that a handler hands in meanwhile."""
    portaria.answer(Fail, lambda _, ctx: portaria.submit(Echo(), priority="high") and None)
    low, first = portaria.submit(Noop(), priority="low"), portaria.submit(Fail())
    second, critical = portaria.submit(Noop()), portaria.submit(Noop(), priority="critical")

    ran = portaria.run_due()

    submitted = portaria.jobs(Echo)[0]
    order = [critical, first, submitted, second, low]
    assert [each.id for each in ran] == [each.id for each in order]


def test_a_delayed_job_becomes_due_when_time_is_shifted(portaria: EagerPlatform) -> None:
    """Not a millisecond sooner, and it does not run before it is told to."""
    job = portaria.submit(Noop(), delay=timedelta(minutes=5))
    portaria.advance(minutes=4, seconds=59, milliseconds=999)
    early = portaria.run_due()
    portaria.advance(milliseconds=1)
    due = job.state
    portaria.run_due()

    assert early == []
    assert (due, job.state) == (State.PENDING, State.SUCCEEDED)


def test_retries_come_at_their_exact_instants(portaria: EagerPlatform) -> None:
    """While a worker works: 10 s, doubled each time, at most 25 s; without jitter."""
    retry = RetryPolicy(
        max_attempts=5,
        initial_backoff=duration(10 * SECOND),
        max_backoff=duration(25 * SECOND),
    )
    start = portaria.now
    job = portaria.submit(Fail(times=9), options=SubmitOptions(retry=retry))

    portaria.run_for(minutes=5)

    began = [(each.started_at - start).total_seconds() for each in job.attempts]
    assert began == [0, 10, 30, 55, 80]
    assert job.attempts[0].next_at == job.attempts[1].started_at
    assert job.attempts[-1].next_at is None
    assert (job.state, job.failures) == (State.FAILED, 5)
    assert portaria.now - start == timedelta(minutes=5)


def test_jitter_can_be_seeded(portaria: EagerPlatform) -> None:
    """The same seed gives the same instants, and others than none."""
    waits = []
    for seed in (7, 7, None):
        portaria.no_jitter() if seed is None else portaria.seed(seed)
        retry = RetryPolicy(jitter=0.5, initial_backoff=duration(10 * SECOND))
        job = portaria.submit(Fail(times=1), options=SubmitOptions(retry=retry))
        portaria.run_due()
        assert job.next_at is not None
        waits.append(job.next_at - portaria.now)
        portaria.run_all()

    assert waits[0] == waits[1] != waits[2] == 10 * SECOND


def test_a_job_that_asks_for_later_comes_then(portaria: EagerPlatform) -> None:
    """It burns no attempt."""

    def later_twice(_: Noop, ctx: JobContext) -> None:
        if ctx.attempt < 3:
            raise RetryLater(timedelta(hours=1))

    portaria.answer(Noop, later_twice)
    job, start = portaria.submit(Noop()), portaria.now

    portaria.run_all()

    assert (job.state, job.attempt, job.failures) == (State.SUCCEEDED, 3, 0)
    assert portaria.now - start == timedelta(hours=2)


def test_what_may_not_run_twice_does_not(portaria: EagerPlatform) -> None:
    """Neither after a failure, nor put off, nor after the death of its process."""
    for answer, reason in (
        (JobError("CARD_REFUSED"), "CARD_REFUSED"),
        (RetryLater(SECOND), "RETRY_LATER"),
        (lambda *_: portaria.crash(), "OUTCOME_UNKNOWN"),
    ):
        portaria.answer(Charge, answer)
        job = portaria.submit(Charge(gate="/", log="/"))
        portaria.run_all()

        assert (job.state, job.attempt) == (State.FAILED, 1)
        assert job.failure is not None
        assert job.failure.reason == reason


def test_a_job_that_is_not_begun_in_time_expires(portaria: EagerPlatform) -> None:
    """At its very limit, though nobody looked."""
    options = SubmitOptions()
    options.start_before_time.FromDatetime(portaria.now + SECOND)
    job, start = portaria.submit(Noop(), options=options), portaria.now

    portaria.advance(minutes=1)

    assert portaria.run_due() == []
    assert job.state is State.EXPIRED
    assert job.job.end_time.ToDatetime(UTC) == start + SECOND


def test_a_request_id_stands_for_its_content_until_an_hour_after(portaria: EagerPlatform) -> None:
    """Then it is free again."""
    job = portaria.submit(Noop(), request_id="r1")
    portaria.advance(hours=2)
    same = portaria.submit(Noop(), request_id="r1")
    with pytest.raises(RequestIdReused) as reused:
        portaria.submit(Fail(), request_id="r1")
    portaria.run_due()
    portaria.advance(minutes=59)
    kept = portaria.submit(Noop(), request_id="r1")
    portaria.advance(minutes=1)
    new = portaria.submit(Noop(), request_id="r1")

    assert (same.id, kept.id, same.deduplicated) == (job.id, job.id, True)
    assert reused.value.metadata == {"job_id": job.id}
    assert (new.id == job.id, new.deduplicated) == (False, False)


def test_a_unique_key_is_free_once_its_job_is_done(portaria: EagerPlatform) -> None:
    """However it ended."""
    options = SubmitOptions(unique_key="ana")
    job = portaria.submit(Noop(), options=options)
    with pytest.raises(AlreadyExists) as held:
        portaria.submit(Noop(), options=options)
    job.cancel()

    assert held.value.metadata == {"job_id": job.id}
    assert portaria.submit(Noop(), options=options).id != job.id


def test_a_cancelled_job_never_runs(portaria: EagerPlatform) -> None:
    """And stays as it is."""
    job = portaria.submit(Noop())
    job.cancel("not needed")
    portaria.run_due()
    job.cancel("again")

    assert (job.state, job.attempt) == (State.CANCELLED, 0)
    assert job.job.cancel_reason == "not needed"


def test_code_cancels_by_a_clients_handle_or_by_ids(portaria: EagerPlatform) -> None:
    """Those that this changed count; ids of none do not."""
    jobs = [portaria.submit(Noop()) for _ in range(3)]
    portaria.client.handle(jobs[0].id).cancel("no more")

    assert portaria.client.cancel(*(each.id for each in jobs), new_job_id()) == 2
    assert [each.state for each in jobs] == [State.CANCELLED] * 3
    with pytest.raises(NotImplementedError, match="by id only"):
        portaria.client.cancel(labels={"a": "1"})


def test_time_begins_where_a_test_says(portaria: EagerPlatform) -> None:
    """And never goes back."""
    start = datetime(2026, 12, 31, 23, 59, tzinfo=UTC)
    with EagerPlatform(start=start) as platform:
        platform.advance(timedelta(minutes=1))

        assert platform.now == datetime(2027, 1, 1, tzinfo=UTC)
        assert platform.clock.monotonic() == 60
        with pytest.raises(ValueError, match="back"):
            platform.advance(seconds=-1)


def test_an_unknown_job_is_not_found(portaria: EagerPlatform) -> None:
    """By id, or by the handle of another platform."""
    with EagerPlatform() as other, pytest.raises(NotFound):
        portaria.job(other.submit(Noop()))


def test_what_was_tried_can_be_looked_at(portaria: EagerPlatform) -> None:
    """Log lines, warnings, reports and the traceback of each attempt."""

    def talk(_: Echo, ctx: JobContext) -> EchoResult:
        ctx.log.info("begun", number=ctx.attempt)
        ctx.progress(ctx.attempt, 2)
        ctx.warn("odd")
        if ctx.attempt == 1:
            raise ConnectionResetError("gone")
        return EchoResult(text=ctx.headers["tenant"])

    portaria.answer(Echo, talk)
    job = portaria.submit(Echo(), options=SubmitOptions(headers={"tenant": "ana"}))
    portaria.run_all()

    first, second = job.attempts
    assert first.failure is not None
    assert (first.failure.kind, first.failure.reason) == (
        Failure.KIND_ERROR,
        "CONNECTION_RESET_ERROR",
    )
    assert "in talk" in first.failure.traceback
    assert second.logs == (("info", "begun", {"number": 2}),)
    assert (second.failure, job.warnings) == (None, ["odd"])
    assert job.result() == EchoResult(text="ana")
