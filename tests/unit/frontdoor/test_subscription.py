"""What waits for a watcher, and who is handed what."""

from __future__ import annotations

import asyncio

import pytest

from portaria.core.errors import ShuttingDown, SlowWatcher
from portaria.frontdoor.index import Index, interested
from portaria.frontdoor.selector import Selector
from portaria.frontdoor.subscription import Report, Subscription
from portaria.store.events import (
    ProgressEvent,
    StateEvent,
    Tag,
    encode_labels,
    groups_of,
    groups_of_progress,
)

TAG = Tag(
    queue="mail:high",
    type="a.B",
    namespace="default",
    workflow_id="w1",
    labels={"a b": "c&d", "customer": "7", "x": "y"},
)
_WORDS = f"mail:high a.B default w1 {encode_labels(TAG.labels.items())} later"
ENTRY = f"j PENDING 0 - - 0 {_WORDS}".encode()
REPORT = f"j 1 {_WORDS}".encode()


def _subscription(most: int = 10, **fields: object) -> Subscription:
    selector = Selector(namespace="default", **fields)  # type: ignore[arg-type]
    return Subscription(selector, progress=True, most_changes=most)


def _change(number: int = 1) -> StateEvent:
    return StateEvent(
        entry_id=f"{number}-0",
        job_id="j",
        state="PENDING",
        attempt=0,
        previous="",
        worker="",
        next_ms=0,
        tag=TAG,
    )


def _report(number: int) -> Report:
    return Report(number, ProgressEvent("j", 1, TAG, b"%d" % number))


def test_changes_are_kept_and_progress_is_replaced() -> None:
    """And the replaced ones counted."""
    subscription = _subscription()
    for number in range(3):
        subscription.offer_change(_change(number))
        subscription.offer_report(_report(number))

    assert [each.entry_id for each in subscription.take_changes()] == ["0-0", "1-0", "2-0"]
    assert subscription.take_reports() == {"j": _report(2)}
    assert subscription.take_coalesced() == 2
    assert (subscription.take_changes(), subscription.take_coalesced()) == ([], 0)


def test_a_full_slot_ends_the_watch() -> None:
    """And takes no more."""
    subscription = _subscription(most=2)
    for number in range(5):
        subscription.offer_change(_change(number))

    assert isinstance(subscription.error, SlowWatcher)
    assert len(subscription.changes) == 2


def test_after_a_gap_nothing_is_taken() -> None:
    """What is in the slot is without one, whatever ended the watch first."""
    subscription = _subscription(most=2)
    subscription.fail(ShuttingDown("drain"))
    subscription.offer_change(_change(1))
    assert not subscription.has_gap

    for number in (2, 3):
        subscription.offer_change(_change(number))
    subscription.take_changes()
    subscription.offer_change(_change(4))
    subscription.offer_report(_report(5))

    assert subscription.has_gap
    assert (subscription.changes, subscription.reports) == ([], {})
    assert isinstance(subscription.error, ShuttingDown)


async def test_a_write_that_does_not_get_through_ends_with_a_slow_watcher() -> None:
    """The slot fills up while the write waits; nobody else could end it."""
    subscription = _subscription(most=1)
    stuck = asyncio.Event()
    writing = asyncio.create_task(subscription.write(stuck.wait()))  # type: ignore[arg-type]
    await asyncio.sleep(0)

    subscription.offer_change(_change(1))
    subscription.offer_change(_change(2))

    with pytest.raises(SlowWatcher):
        await writing


async def test_a_write_that_nobody_takes_ends_the_watch() -> None:
    """However little waits behind it: nobody may ever come for it."""
    subscription = Subscription(
        Selector(namespace="default"), progress=True, most_changes=1, longest_write=0.001
    )

    with pytest.raises(SlowWatcher):
        await subscription.write(asyncio.Event().wait())  # type: ignore[arg-type]


async def test_cancellation_of_a_write_stays_a_cancellation() -> None:
    """Swallowing it would leak the call."""
    subscription = _subscription()
    writing = asyncio.create_task(subscription.write(asyncio.Event().wait()))  # type: ignore[arg-type]
    await asyncio.sleep(0)

    writing.cancel()

    with pytest.raises(asyncio.CancelledError):
        await writing


async def test_the_first_end_counts() -> None:
    """What ended a watch is told, not what came after it."""
    subscription = _subscription()
    subscription.fail(SlowWatcher("slow"))
    subscription.fail(ShuttingDown("late"))

    assert isinstance(subscription.error, SlowWatcher)


@pytest.mark.parametrize(
    ("fields", "matches"),
    [
        ({"job_ids": ("j",)}, True),
        ({"job_ids": ("other",)}, False),
        ({"workflow_id": "w1"}, True),
        ({"workflow_id": "w2"}, False),
        ({"labels": (("customer", "7"),)}, True),
        ({"labels": (("customer", "7"), ("x", "z"))}, False),
        ({"types": frozenset({"a.B"})}, True),
        ({"domains": frozenset({"mail"})}, True),
        ({"domains": frozenset({"lab"})}, False),
        ({"queues": frozenset({"mail:high"}), "types": frozenset({"a.C"})}, False),
        ({"job_ids": ("j",), "types": frozenset({"a.C"})}, False),
        ({}, True),
    ],
)
def test_an_event_reaches_those_who_selected_its_job(
    fields: dict[str, object], matches: bool
) -> None:
    """By whatever field; after removal nobody."""
    index, subscription = Index(), _subscription(**fields)
    index.add(subscription)

    assert _reached(index) == ([subscription] if matches else [])
    index.remove(subscription)
    assert not index.candidates(ENTRY, groups_of)
    index.remove(subscription)


def test_other_namespaces_see_nothing() -> None:
    """Not even by id."""
    index = Index()
    selector = Selector(namespace="other", job_ids=("j",))
    index.add(Subscription(selector, progress=True, most_changes=1))

    assert _reached(index) == []


@pytest.mark.parametrize(
    ("fields", "is_worth"),
    [
        ({"job_ids": ("other",)}, False),
        ({"workflow_id": "w2"}, False),
        ({"labels": (("customer", "70"),)}, False),
        ({"labels": (("a b", "c&d"),)}, True),
        ({"domains": frozenset({"lab"})}, True),
    ],
)
def test_what_nobody_watches_is_not_worth_decoding(
    fields: dict[str, object], is_worth: bool
) -> None:
    """Job, workflow and labels are looked at as they stand in the stream, changes and progress."""
    index = Index()
    index.add(_subscription(**fields))

    assert bool(index.candidates(ENTRY, groups_of)) is is_worth
    assert bool(index.candidates(REPORT, groups_of_progress)) is is_worth


def test_what_others_wrote_has_no_groups() -> None:
    """And breaks nothing."""
    index = Index()
    index.add(_subscription(workflow_id="w1"))

    for entry in (b"", b"j", b"j RUNNING 1 - -", b" " * 20):
        assert not index.candidates(entry, groups_of)
        assert not index.candidates(entry, groups_of_progress)


def _reached(index: Index) -> list[Subscription]:
    return list(interested(index.candidates(ENTRY, groups_of), TAG))
