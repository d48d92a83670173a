"""JobContext.once_each and recorded: many effects in turn, each as `once` would have it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from portaria.jobs import (
    FAIL,
    REPEAT,
    SKIP,
    Effect,
    HoldLost,
    JobCancelled,
    JobContext,
    Once,
    OutcomeUnknown,
    SoftTimeout,
)
from portaria.jobs.effects import Recorded
from unit.jobs.ledger import InMemoryHold, Ledger


class Told(InMemoryHold):
    """Notes what the ledger and the steps were told, in order."""

    def __init__(self, ledger: Ledger, attempt: int = 1) -> None:
        super().__init__(ledger, attempt)
        self.story: list[str] = []

    def exchange_effects(
        self, ended: tuple[str, str] | None, key: str, *, again: bool
    ) -> Callable[[], tuple[Recorded, str]]:
        self.story.append(f"{ended[0] if ended else '-'} ended, {key} begins")
        answer = super().exchange_effects(ended, key, again=again)

        def told() -> tuple[Recorded, str]:
            self.story.append("answered")
            return answer()

        return told


class Busy(Exception):
    pass


def steps(story: list[str], **endings: Any) -> list[Once[Any]]:
    """A step a name, which returns or raises its ending."""

    def ended(name: str, ending: object) -> Any:
        story.append(f"{name} done")
        if isinstance(ending, BaseException):
            raise ending
        return ending

    def step(name: str, ending: object) -> Once[Any]:
        return Once(name, lambda: ended(name, ending), lambda: story.append(f"{name} prepared"))

    return [step(name, ending) for name, ending in endings.items()]


@pytest.fixture
def ledger() -> Ledger:
    """An empty one."""
    return Ledger()


def words(ledger: Ledger) -> dict[str, str]:
    """What stands in the ledger of each key."""
    return {key: word for key, (word, _) in ledger.entries.items()}


def test_an_end_and_the_next_intent_are_one_message(ledger: Ledger) -> None:
    """The next is prepared meanwhile, and done when its intent is on record."""
    hold = Told(ledger)

    found = list(JobContext(hold).once_each(steps(hold.story, a=1, b=2)))

    assert found == [Effect(1, done=True), Effect(2, done=True)]
    assert hold.story == [
        "- ended, a begins", "a prepared", "answered", "a done",
        "a ended, b begins", "b prepared", "answered", "b done",
    ]  # fmt: skip
    assert ledger.entries == {"a": ("done", "1"), "b": ("done", "2")}


def test_an_effect_is_given_when_its_end_is_on_record(ledger: Ledger) -> None:
    """So that a report of it is never too early."""
    hold = Told(ledger)
    effects = JobContext(hold).once_each(steps(hold.story, a=1, b=2))

    next(effects)

    assert words(ledger) == {"a": "done", "b": "begun"}
    assert "b done" not in hold.story


def test_who_stops_in_between_leaves_no_doubt(ledger: Ledger) -> None:
    """The next one's intent is cleared: it was prepared at most."""
    hold = Told(ledger)
    effects = JobContext(hold).once_each(steps(hold.story, a=1, b=2))
    next(effects)

    effects.close()  # type: ignore[attr-defined]

    assert words(ledger) == {"a": "done"}


def test_a_further_run_goes_on_where_the_last_one_died(ledger: Ledger) -> None:
    """What was done is answered, what was begun is in doubt, the rest is done."""
    first = JobContext(InMemoryHold(ledger, 1)).once_each(steps([], a=1, b=2, c=3))
    next(first)
    again = InMemoryHold(ledger, 2)
    story: list[str] = []

    found = list(JobContext(again).once_each(steps(story, a=1, b=2, c=3), on_unknown=SKIP))

    assert found == [
        Effect(1, done=True, repeated=True),
        Effect(None, done=False, unknown=True),
        Effect(3, done=True),
    ]
    assert [each for each in story if each.endswith("done")] == ["c done"]


def test_doubt_fails_where_nothing_else_is_said(ledger: Ledger) -> None:
    """As in `once`; what was done before is on record."""
    ledger.entries["b"] = ("doubt", "")

    with pytest.raises(OutcomeUnknown):
        list(JobContext(InMemoryHold(ledger)).once_each(steps([], a=1, b=2), on_unknown=FAIL))

    assert words(ledger) == {"a": "done", "b": "doubt"}


def test_what_is_to_be_repeated_is(ledger: Ledger) -> None:
    """Under the same key."""
    ledger.entries["b"] = ("doubt", "")

    found = list(JobContext(InMemoryHold(ledger)).once_each(steps([], b=2), on_unknown=REPEAT))

    assert found == [Effect(2, done=True)]


@pytest.mark.parametrize(
    ("error", "raised", "left"),
    [
        (ValueError("no"), ValueError, {"a": "done"}),
        (OutcomeUnknown(), OutcomeUnknown, {"a": "done", "b": "doubt"}),
        (SoftTimeout(), SoftTimeout, {"a": "done", "b": "doubt"}),
    ],
)
def test_what_a_function_raises_ends_the_series(
    ledger: Ledger, error: BaseException, raised: type[BaseException], left: dict[str, str]
) -> None:
    """And is recorded as `once` would."""
    with pytest.raises(raised):
        list(JobContext(InMemoryHold(ledger)).once_each(steps([], a=1, b=error, c=3)))

    assert words(ledger) == left


@pytest.mark.parametrize("where", ["prepare", "fn"])
def test_some_errors_are_passed_over(ledger: Ledger, where: str) -> None:
    """It did not happen, the others do, and a further run tries it again."""
    error, other = Busy(), Once("a", lambda: 1)
    failing: Once[int] = Once("b", lambda: 2)

    def fail() -> int:
        raise error

    failing = Once("b", fail) if where == "fn" else Once("b", lambda: 2, fail)

    found = list(
        JobContext(InMemoryHold(ledger)).once_each(
            [other, failing, Once("c", lambda: 3)], passing=(Busy,)
        )
    )

    assert found == [
        Effect(1, done=True),
        Effect(None, done=False, error=error),
        Effect(3, done=True),
    ]
    assert words(ledger) == {"a": "done", "c": "done"}


@pytest.mark.parametrize("error", [ValueError("no"), SoftTimeout()])
def test_what_prepare_raises_leaves_no_doubt(ledger: Ledger, error: BaseException) -> None:
    """Nothing had an effect yet; what ended before is on record."""

    def fail() -> None:
        raise error

    with pytest.raises(type(error)):
        list(
            JobContext(InMemoryHold(ledger)).once_each(
                [Once("a", lambda: 1), Once("b", lambda: 2, fail)]
            )
        )

    assert words(ledger) == {"a": "done"}


def test_what_the_steps_raise_leaves_the_end_on_record(ledger: Ledger) -> None:
    """The one that was done before."""

    def broken() -> Any:
        yield Once("a", lambda: 1)
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        list(JobContext(InMemoryHold(ledger)).once_each(broken()))

    assert words(ledger) == {"a": "done"}


@pytest.mark.parametrize(("name", "raised"), [("lost", HoldLost), ("cancelled", JobCancelled)])
def test_a_run_that_may_do_no_more_begins_nothing(
    ledger: Ledger, name: str, raised: type[BaseException]
) -> None:
    """What it did is on record all the same."""
    hold = Told(ledger)
    series = steps(hold.story, a=1, b=2)
    stop = Once("a", lambda: setattr(hold, name, True))

    with pytest.raises(raised):
        list(JobContext(hold).once_each([stop, series[1]]))

    assert words(ledger) == {"a": "done"}
    assert "b done" not in hold.story


def test_a_value_that_cannot_be_kept_is_in_doubt(ledger: Ledger) -> None:
    """It happened."""
    with pytest.raises(ValueError, match="JSON"):
        list(JobContext(InMemoryHold(ledger)).once_each(steps([], a=object())))

    assert words(ledger) == {"a": "doubt"}


def test_an_effect_that_is_under_way_is_refused(ledger: Ledger) -> None:
    """By the same run, whichever way; it may be asked for again afterwards."""
    ctx = JobContext(InMemoryHold(ledger))

    def meanwhile() -> object:
        with pytest.raises(RuntimeError, match="under way"):
            ctx.once("a", lambda: 2)
        return 1

    found = list(ctx.once_each([Once("a", meanwhile), Once("a", lambda: 3)]))

    assert found == [Effect(1, done=True), Effect(1, done=True, repeated=True)]
    assert ctx.once("a", lambda: 4).value == 1


def test_what_is_known_to_have_happened_is_told_at_once(ledger: Ledger) -> None:
    """Of any number of keys; what is begun, in doubt or unheard of is not."""
    ctx = JobContext(InMemoryHold(ledger, 2))
    names = [f"k{number}" for number in range(450)]
    ledger.entries |= {"k0": ("done", '"é"'), "k449": ("done", "null"), "k7": ("doubt", "")}
    ledger.entries["k8"] = ("begun", "1")

    found = ctx.recorded(names)

    assert len(found) == 450
    assert {name: effect for name, effect in zip(names, found, strict=True) if effect} == {
        "k0": Effect("é", done=True, repeated=True),
        "k449": Effect(None, done=True, repeated=True),
    }


def test_who_lost_the_job_is_told_nothing(ledger: Ledger) -> None:
    """That run must end."""
    hold = InMemoryHold(ledger)
    hold.lost = True

    with pytest.raises(HoldLost):
        JobContext(hold).recorded(["a"])
