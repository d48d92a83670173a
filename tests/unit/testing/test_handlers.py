"""What runs a job, and what its end is made of."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from datetime import timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Charge, Deliver, Echo, EchoResult, Noop, Wait
from portaria.client.requests import duration
from portaria.core.errors import ConfigurationError
from portaria.core.states import State
from portaria.jobs import REPEAT, SKIP, HoldLost, JobContext, SoftTimeout, job
from portaria.testing import EagerHandle, EagerPlatform
from portaria.v1.job_pb2 import Failure, RetryPolicy, SubmitOptions

MINUTE = timedelta(minutes=1)


def reason(done: EagerHandle) -> str:
    """Why it failed last."""
    return done.failure.reason if done.failure else ""


def once(timeout: timedelta = MINUTE) -> SubmitOptions:
    """One attempt."""
    return SubmitOptions(timeout=duration(timeout), retry=RetryPolicy(max_attempts=1))


@job
def shout(payload: Echo, ctx: JobContext) -> EchoResult:
    """In the place of the handler that a worker would find."""
    return EchoResult(text=payload.text.upper())


def test_handlers_are_found_as_a_worker_finds_them(portaria: EagerPlatform) -> None:
    """Without a word of the test; an async one, too."""
    done = portaria.submit(Echo(text="ola"))
    portaria.run_due()

    assert done.result() == EchoResult(text="ola", attempt=1)


def test_a_test_names_another_handler(portaria: EagerPlatform) -> None:
    """Only @job functions."""
    portaria.use(shout)

    assert portaria.submit(Echo(text="ola")).result() == EchoResult(text="OLA")
    with pytest.raises(ConfigurationError, match="not marked"):
        portaria.use(reason)


def test_an_answer_stands_in_for_a_handler(portaria: EagerPlatform) -> None:
    """A result, an error, or nothing for a type without a result."""
    portaria.answer(Noop)
    portaria.answer(Echo, EchoResult(text="x"))
    portaria.answer(Charge, KeyError("card"))

    assert portaria.submit(Echo()).result() == EchoResult(text="x")
    assert portaria.submit(Charge(gate="/", log="/")).wait().last_failure.reason == "KEY_ERROR"
    assert portaria.submit(Noop()).wait().done
    with pytest.raises(ConfigurationError, match="not a job type"):
        portaria.answer(EchoResult)


def test_a_type_that_nobody_serves_is_named(
    portaria: EagerPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others run before; who waits for it learns why that is in vain."""
    monkeypatch.setattr("portaria.testing.handlers.find_handler", lambda _: None)
    portaria.use(shout)
    orphan, other = portaria.submit(Noop(), priority="high"), portaria.submit(Echo())

    with pytest.raises(ConfigurationError, match=r"no handler for acme_jobs\.lab\.v1\.Noop"):
        portaria.run_due()
    with pytest.raises(ConfigurationError, match="no handler"):
        orphan.wait()
    assert (orphan.state, other.state) == (State.PENDING, State.SUCCEEDED)


@pytest.mark.parametrize("answer", [None, Noop(), "text"])
def test_a_result_of_another_type_is_a_permanent_failure(
    portaria: EagerPlatform, answer: object
) -> None:
    """As in a worker."""
    portaria.answer(Echo, lambda *_: answer)
    done = portaria.submit(Echo())
    portaria.run_due()

    assert (done.state, reason(done), done.attempt) == (State.FAILED, "INVALID_RESULT", 1)


def test_a_result_that_is_too_large_is_a_permanent_failure(portaria: EagerPlatform) -> None:
    """By the worker's own limit."""
    portaria.answer(Echo, EchoResult(text="x" * 270_000))
    done = portaria.submit(Echo())
    portaria.run_due()

    assert (done.state, reason(done)) == (State.FAILED, "RESULT_TOO_LARGE")


def test_a_handler_gets_a_message_of_its_own(portaria: EagerPlatform) -> None:
    """What it does to it is not seen by its next attempt, nor by the test."""
    seen: list[str] = []

    def spoil(payload: Noop | Echo, ctx: JobContext) -> EchoResult:
        assert isinstance(payload, Echo)
        seen.append(payload.text)
        payload.text = "spoilt"
        raise ValueError

    portaria.answer(Echo, spoil)
    given = Echo(text="a")
    portaria.submit(given)
    portaria.run_all()

    assert seen == ["a", "a", "a"]
    assert portaria.submitted() == [given]
    assert given.text == "a"


def test_time_that_passes_in_a_handler_is_its_own(portaria: EagerPlatform) -> None:
    """Its timeout strikes at its moment, and `except Exception` does not swallow it."""
    struck = []

    def slow(_: Noop, ctx: JobContext) -> None:
        assert ctx.deadline == portaria.now + MINUTE
        portaria.advance(seconds=59)
        try:
            portaria.advance(minutes=10)
        except Exception:
            struck.append("swallowed")
        finally:
            portaria.advance(seconds=2)
            struck.append("cleaned up")

    portaria.answer(Noop, slow)
    done, start = portaria.submit(Noop(), options=once()), portaria.now
    portaria.run_due()

    assert done.failure is not None
    assert (done.failure.kind, reason(done)) == (Failure.KIND_TIMEOUT, "TIMEOUT")
    assert struck == ["cleaned up"]
    assert portaria.now - start == MINUTE + timedelta(seconds=2)


def test_a_deadline_strikes_before_the_timeout(portaria: EagerPlatform) -> None:
    """And ends the job, whatever its policy."""
    options = SubmitOptions(timeout=duration(MINUTE))
    options.deadline.FromDatetime(portaria.now + MINUTE / 2)
    portaria.answer(Noop, lambda *_: portaria.advance(seconds=31))
    done = portaria.submit(Noop(), options=options)
    portaria.run_due()

    assert (done.state, reason(done), done.attempt) == (State.FAILED, "DEADLINE", 1)


def test_a_timeout_before_the_deadline_is_a_timeout(portaria: EagerPlatform) -> None:
    """And is retried as such."""
    options = SubmitOptions(timeout=duration(MINUTE))
    options.deadline.FromDatetime(portaria.now + 10 * MINUTE)
    portaria.answer(Noop, lambda *_: portaria.advance(minutes=2))
    done = portaria.submit(Noop(), options=options)
    portaria.run_due()

    assert (done.state, reason(done)) == (State.RETRYING, "TIMEOUT")


def test_an_async_handler_is_bounded_by_both_clocks(portaria: EagerPlatform) -> None:
    """By the shifted one, and by the machine's, so that a test ends."""

    @job
    async def shifts(_: Noop, ctx: JobContext) -> None:
        portaria.advance(minutes=2)

    @job
    async def hangs(_: Wait, ctx: JobContext) -> None:
        await asyncio.Event().wait()

    portaria.use(shifts, hangs)
    second = timedelta(seconds=1)
    first, hung = portaria.submit(Noop(), options=once()), Wait(gate="/")
    other, start = portaria.submit(hung, options=once(second)), portaria.now
    portaria.run_due()

    assert (reason(first), reason(other)) == ("TIMEOUT", "TIMEOUT")
    assert portaria.now - start == MINUTE + second


def test_an_effect_happens_once_over_attempts(portaria: EagerPlatform) -> None:
    """Recorded at the first, known at the next."""
    sent: list[str] = []

    def deliver(_: Deliver, ctx: JobContext) -> None:
        effect = ctx.once("mail", lambda: sent.append(ctx.effect_id("mail")))
        if not effect.repeated:
            raise ValueError

    portaria.answer(Deliver, deliver)
    done = portaria.submit(Deliver(receiver="a:1"))
    portaria.run_all()

    assert (done.state, done.attempt, len(sent)) == (State.SUCCEEDED, 2, 1)


@pytest.mark.parametrize(("policy", "times"), [(SKIP, 1), (REPEAT, 2)])
def test_a_process_that_dies_in_an_effect_leaves_a_doubt(
    portaria: EagerPlatform, policy: object, times: int
) -> None:
    """Nothing of what it still does is recorded; `on_unknown` decides."""
    sent: list[int] = []

    def deliver(_: Deliver, ctx: JobContext) -> None:
        def effect() -> None:
            sent.append(ctx.attempt)
            if ctx.attempt == 1:
                portaria.crash()

        ctx.once("mail", effect, on_unknown=policy)  # type: ignore[arg-type]

    portaria.answer(Deliver, deliver)
    done = portaria.submit(Deliver(receiver="a:1"))
    portaria.run_due()

    assert (done.state, done.attempt, done.failures) == (State.SUCCEEDED, 2, 0)
    assert len(sent) == times
    assert done.attempts[0].failure is None


def test_a_dead_process_records_nothing_more(portaria: EagerPlatform) -> None:
    """Whatever its handler swallows; its job runs again before others of its priority."""
    seen: list[object] = []

    def survives(_: Noop, ctx: JobContext) -> None:
        if ctx.attempt == 1:
            with suppress(BaseException):
                portaria.crash()
            with pytest.raises(HoldLost):
                ctx.once("mail", lambda: seen.append("sent"))
            with pytest.raises(HoldLost):
                ctx.progress(1)
        seen.append(ctx.attempt)

    portaria.answer(Noop, survives)
    portaria.answer(Charge, lambda *_: seen.append("other"))
    done, _ = portaria.submit(Noop()), portaria.submit(Charge(gate="/", log="/"))
    portaria.run_due()

    assert seen == [1, 2, "other"]
    assert done.history.count(State.RUNNING) == 2


def test_progress_is_that_of_the_last_attempt(portaria: EagerPlatform) -> None:
    """One that reports nothing leaves none."""

    def reports(_: Noop, ctx: JobContext) -> None:
        if ctx.attempt == 1:
            ctx.progress(1, 2)
            raise ValueError

    portaria.answer(Noop, reports)
    done = portaria.submit(Noop())
    portaria.run_due()
    first = done.job.progress.percent
    portaria.run_all()

    assert first == 50
    assert not done.job.HasField("progress")


def test_a_running_job_hears_that_it_is_cancelled(portaria: EagerPlatform) -> None:
    """It may look, or let progress() raise; success still wins."""
    seen: list[object] = []

    def heeds(_: Noop, ctx: JobContext) -> None:
        portaria.jobs(Noop)[0].cancel("enough")
        seen.append(ctx.cancelled)
        ctx.progress(1)
        seen.append("went on")

    def goes_on(_: Charge, ctx: JobContext) -> None:
        portaria.jobs(Charge)[0].cancel()

    portaria.answer(Noop, heeds)
    portaria.answer(Charge, goes_on)
    heeded, other = portaria.submit(Noop()), portaria.submit(Charge(gate="/", log="/"))
    portaria.run_due()

    assert heeded.history[-2:] == [State.CANCELLING, State.CANCELLED]
    assert other.history[-2:] == [State.CANCELLING, State.SUCCEEDED]
    assert seen == [True]


@pytest.mark.parametrize(
    "end", [KeyboardInterrupt(), pytest.fail.Exception("the test failed")], ids=["ctrl-c", "fail"]
)
def test_what_ends_the_test_passes_through_a_handler(
    portaria: EagerPlatform, end: BaseException
) -> None:
    """Ctrl-C, and what pytest or its timeout raises, are no failures of a job."""
    portaria.answer(Noop, end)
    portaria.submit(Noop())

    with pytest.raises(type(end)):
        portaria.run_due()


def test_a_crash_is_for_handlers(portaria: EagerPlatform) -> None:
    """Outside of one there is no process that could die."""
    with pytest.raises(RuntimeError, match="call it there"):
        portaria.crash()


def test_a_timeout_raised_by_hand_is_one(portaria: EagerPlatform) -> None:
    """As the alarm of a worker raises it."""
    portaria.answer(Noop, SoftTimeout())
    done = portaria.submit(Noop(), options=once())
    portaria.run_due()

    assert reason(done) == "TIMEOUT"
