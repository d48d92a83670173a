"""JobContext: progress that is checked, effects that happen once, or that nobody can know of."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Coroutine
from typing import Any, cast

import pytest

from portaria.jobs import (
    FAIL,
    REPEAT,
    SKIP,
    Effect,
    HoldLost,
    JobCancelled,
    JobContext,
    JobError,
    OutcomeUnknown,
    SoftTimeout,
)
from unit.jobs.ledger import InMemoryHold, Ledger


class Counted:
    """A function of `once` that counts its calls; raises or returns as told."""

    def __init__(self, ending: object = "value") -> None:
        self.calls = 0
        self.ending = ending

    def __call__(self) -> Any:
        self.calls += 1
        if isinstance(self.ending, BaseException):
            raise self.ending
        return self.ending


Once = Callable[..., Effect[Any]]


@pytest.fixture
def ledger() -> Ledger:
    """An empty one."""
    return Ledger()


@pytest.fixture(params=["sync", "async"])
def run(request: pytest.FixtureRequest, ledger: Ledger) -> Callable[[int], Once]:
    """`run(attempt)` is the `once` of that attempt; both ways must agree in everything."""

    def of(attempt: int) -> Once:
        ctx = JobContext(InMemoryHold(ledger, attempt))

        def awaited(key: str, fn: Callable[[], Any], **given: Any) -> Effect[Any]:
            async def coroutine() -> Any:
                return fn()

            return finished(ctx.once_async(key, coroutine, **given))

        return awaited if request.param == "async" else ctx.once

    return of


Run = Callable[[int], Once]


@pytest.mark.parametrize("value", [None, True, 0, 1.5, "é\n", [1, [2]], {"a": {"b": None}}])
def test_an_effect_happens_once_and_its_value_is_kept(run: Run, value: object) -> None:
    """The next run gets the value, and the function is not called."""
    fn = Counted(value)

    first = run(1)("k", fn)
    again = run(2)("k", fn)

    assert first == Effect(value, done=True, repeated=False, unknown=False)
    assert again == Effect(value, done=True, repeated=True, unknown=False)
    assert fn.calls == 1


def test_within_one_run_too(run: Run) -> None:
    """A handler that comes by the same key twice."""
    fn, once = Counted(), run(1)

    once("k", fn)
    assert once("k", fn).repeated
    assert once("other", fn).repeated is False
    assert fn.calls == 2


def test_a_function_that_raises_did_nothing(run: Run) -> None:
    """The exception passes; the next run tries again."""
    failing, working = Counted(ValueError("no")), Counted()

    with pytest.raises(ValueError, match="no"):
        run(1)("k", failing)

    assert run(1)("k", working).done
    assert (failing.calls, working.calls) == (1, 1)


def test_a_run_that_died_in_between_leaves_a_doubt(run: Run, ledger: Ledger) -> None:
    """FAIL raises, and the function is not called."""
    ledger.entries["k"] = ("begun", "1")
    fn = Counted()

    with pytest.raises(OutcomeUnknown):
        run(2)("k", fn)
    with pytest.raises(OutcomeUnknown):
        run(2)("k", fn, on_unknown=FAIL)

    assert fn.calls == 0


def test_skip_says_that_it_may_have_happened(run: Run, ledger: Ledger) -> None:
    """No value, not done, unknown; also in every later run."""
    ledger.entries["k"] = ("begun", "1")
    fn = Counted()

    for attempt in (2, 3):
        effect = run(attempt)("k", fn, on_unknown=SKIP)
        assert effect == Effect(None, done=False, repeated=False, unknown=True)

    assert fn.calls == 0


def test_repeat_does_it_again(run: Run, ledger: Ledger) -> None:
    """Right where the receiver honours the key; what is done stays done all the same."""
    ledger.entries["k"] = ("begun", "1")
    fn = Counted("sent")

    assert run(2)("k", fn, on_unknown=REPEAT) == Effect("sent", done=True)
    assert run(3)("k", fn, on_unknown=REPEAT).repeated
    assert fn.calls == 1


def test_a_function_that_does_not_know_leaves_a_doubt(run: Run) -> None:
    """OutcomeUnknown passes, and unlike other exceptions it clears nothing."""
    with pytest.raises(OutcomeUnknown):
        run(1)("k", Counted(OutcomeUnknown("the reply was cut")))

    with pytest.raises(OutcomeUnknown):
        run(1)("k", Counted())


def test_a_doubt_that_may_be_repeated_fails_the_attempt_only(run: Run) -> None:
    """With REPEAT the job is retried, and the next attempt calls the function again."""
    with pytest.raises(JobError) as raised:
        run(1)("k", Counted(OutcomeUnknown("the reply was cut")), on_unknown=REPEAT)

    assert raised.value.reason == "EFFECT_IN_DOUBT"
    assert run(2)("k", Counted("sent"), on_unknown=REPEAT) == Effect("sent", done=True)


def test_a_function_that_does_not_know_is_skipped_where_that_was_asked(run: Run) -> None:
    """The handler goes on with the next recipient."""
    effect = run(1)("k", Counted(OutcomeUnknown()), on_unknown=SKIP)

    assert effect == Effect(None, done=False, unknown=True)


@pytest.mark.parametrize(
    "interruption", [SoftTimeout(), JobCancelled(), HoldLost(), KeyboardInterrupt(), SystemExit()]
)
def test_an_interruption_leaves_a_doubt(run: Run, interruption: BaseException) -> None:
    """It may have struck before, during or after the effect. It always passes."""
    with pytest.raises(type(interruption)):
        run(1)("k", Counted(interruption), on_unknown=SKIP)

    assert run(2)("k", Counted(), on_unknown=SKIP).unknown


def test_an_effect_under_way_is_not_begun_again(run: Run, ledger: Ledger) -> None:
    """By whomever else in this run: it is refused before its function, and harms nothing."""
    once, second = run(1), Counted()

    def fn() -> str:
        with pytest.raises(RuntimeError, match='effect "k" is under way'):
            once("k", second)
        assert once("other", second).done
        return "first"

    assert once("k", fn) == Effect("first", done=True)
    assert once("k", second) == Effect("first", done=True, repeated=True)
    assert second.calls == 1


def test_two_coroutines_at_one_effect_run_it_once(ledger: Ledger) -> None:
    """The second is told; the first goes on."""
    ctx, calls = JobContext(InMemoryHold(ledger)), []

    async def send() -> None:
        calls.append("sent")
        await asyncio.sleep(0)

    async def both() -> list[Any]:
        twice = [ctx.once_async("k", send) for _ in range(2)]
        return await asyncio.gather(*twice, return_exceptions=True)

    first, second = asyncio.run(both())

    assert (first, type(second)) == (Effect(None, done=True), RuntimeError)
    assert calls == ["sent"]


@pytest.mark.parametrize("ending", [ValueError("no"), SoftTimeout()])
def test_an_effect_that_raised_is_no_longer_under_way(run: Run, ending: BaseException) -> None:
    """The same run may come by it again, whatever the ledger then says."""
    once = run(1)
    with pytest.raises(type(ending)):
        once("k", Counted(ending))

    assert once("k", Counted(), on_unknown=REPEAT).done


@pytest.mark.parametrize("value", ["x" * 4095, object(), {1, 2}, b"bytes"])
def test_a_value_that_cannot_be_kept_leaves_a_doubt(run: Run, value: object) -> None:
    """It did happen: neither this run nor the next one may do it again without a decision."""
    fn = Counted(value)

    with pytest.raises(ValueError, match="value of an effect"):
        run(1)("k", fn)
    with pytest.raises(OutcomeUnknown):
        run(1)("k", fn)

    assert run(2)("k", fn, on_unknown=SKIP).unknown
    assert fn.calls == 1


def test_the_largest_value_is_kept(run: Run) -> None:
    """4 KiB of JSON, quotes and escapes included."""
    assert run(1)("k", Counted("x" * 4094)).done
    with pytest.raises(ValueError, match="4096 bytes"):
        run(1)("other", Counted("é" * 700))


@pytest.mark.parametrize("key", ["", "x" * 257])
def test_a_key_has_a_length(run: Run, key: str) -> None:
    """1 to 256 characters; nothing is called."""
    fn = Counted()

    with pytest.raises(ValueError, match="1 to 256"):
        run(1)(key, fn)

    assert fn.calls == 0


@pytest.mark.parametrize(("word", "error"), [("lost", HoldLost), ("cancelled", JobCancelled)])
def test_nothing_begins_where_there_is_no_point_in_going_on(
    ledger: Ledger, word: str, error: type[BaseException]
) -> None:
    """The hold says so before the function is called."""
    hold, fn = InMemoryHold(ledger), Counted()
    setattr(hold, word, True)

    with pytest.raises(error):
        JobContext(hold).once("k", fn)

    assert (fn.calls, ledger.entries) == (0, {})


@pytest.mark.parametrize("numbers", [(0,), (0, 0), (5,), (3, 3), (0, 10, "go"), (7, 10, "x" * 512)])
def test_progress_is_passed_on(ledger: Ledger, numbers: tuple[Any, ...]) -> None:
    """An unknown total bounds nothing."""
    hold = InMemoryHold(ledger)

    JobContext(hold).progress(*numbers)

    assert hold.reports == [(*numbers, *(0, 0, "")[len(numbers) :])]


@pytest.mark.parametrize("numbers", [(-1,), (0, -1), (4, 3), (-2, -1), (0, 0, "x" * 513)])
def test_progress_that_makes_no_sense_is_refused(ledger: Ledger, numbers: tuple[Any, ...]) -> None:
    """At the line that reports it, not somewhere later."""
    hold = InMemoryHold(ledger)

    with pytest.raises(ValueError, match="progress"):
        JobContext(hold).progress(*numbers)

    assert hold.reports == []


def test_an_effect_id_is_stable_and_its_own(ledger: Ledger) -> None:
    """The same in every run of the job; another for another key or job; for ever this formula."""
    first, second = (JobContext(InMemoryHold(ledger, attempt)) for attempt in (1, 2))
    other = InMemoryHold(ledger)
    other.job_id = "0193"

    assert first.effect_id("ana@x") == second.effect_id("ana@x")
    assert first.effect_id("ana@x") == hashlib.sha256(b"0192/ana@x").hexdigest()[:32]
    assert len({first.effect_id("a"), first.effect_id("b"), JobContext(other).effect_id("a")}) == 3


def test_a_handler_sees_its_run(ledger: Ledger) -> None:
    """Id, attempt, headers, deadline, cancellation; and it may leave a remark."""
    hold = InMemoryHold(ledger, attempt=3)
    ctx = JobContext(hold)

    ctx.warn("no parts in this stage")
    hold.cancelled = True

    assert (ctx.job_id, ctx.attempt, ctx.cancelled) == ("0192", 3, True)
    assert (ctx.headers, ctx.deadline) == ({"tenant": "ana"}, InMemoryHold.deadline)
    assert hold.warnings == ["no parts in this stage"]


def finished(coroutine: Coroutine[Any, Any, Effect[Any]]) -> Effect[Any]:
    """Drives a coroutine that waits for nothing."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        return cast("Effect[Any]", end.value)
    raise AssertionError("it waits for something")
