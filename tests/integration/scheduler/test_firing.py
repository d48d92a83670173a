"""One round at a time, with others in between: what a frozen scheduler meets when it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest
from redis.exceptions import ResponseError

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.core.clock import to_milliseconds
from portaria.core.seal import load_key_ring
from portaria.scheduler import firing as module
from portaria.scheduler.firing import Firing
from portaria.store import Store, keys
from portaria.store.calls import Call
from portaria.store.schedules import Changed, create, remove, replace
from portaria.v1.schedules_service_pb2 import CATCH_UP_ALL, OVERLAP_POLICY_ALLOW
from stack import Stack
from stack.schedules import NAMESPACE, Planner

MINUTE = timedelta(minutes=1)


class Frozen(Store):
    """A store whose steps come late: others act between what was read and what is sent."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def run_each(self, many: Sequence[Call[Any]]) -> list[Any | ResponseError]:
        self.meanwhile()
        return super().run_each(many)


@pytest.fixture
def scheduler(stack: Stack, planner: Planner) -> Callable[..., Firing]:
    """Another scheduler; its store may be frozen."""

    def made(store: Store | None = None, namespace: str = NAMESPACE) -> Firing:
        return Firing(
            store or Store(planner.redis),
            planner.admission,
            planner.definitions,
            namespace=namespace,
        )

    return made


def due(planner: Planner, schedule_id: str = "nightly", ticks: int = 1, **given: Any) -> None:
    """A schedule of which so many ticks are due."""
    planner.create(
        schedule_id, Noop(), every=MINUTE, overlap=OVERLAP_POLICY_ALLOW, catch_up=CATCH_UP_ALL,
        **given,
    )  # fmt: skip
    first = planner.record(schedule_id).next_ms - 60_000 * ticks
    planner.redis.zadd(keys.ticks(NAMESPACE), {schedule_id: first})


def test_who_comes_late_fires_nothing_again(
    planner: Planner, scheduler: Callable[..., Firing]
) -> None:
    """Another one fired all that it had read, and more came due and was fired since."""
    due(planner, ticks=3)
    late = Frozen(planner.redis)
    late.meanwhile = scheduler().fire
    frozen = scheduler(late)

    frozen.fire()

    assert len(planner.ran("nightly")) == 3
    assert len(planner.jobs("nightly")) == 3
    found = planner.record("nightly")
    assert (found.fired, found.passed) == (3, 0)


def test_who_comes_late_removes_no_schedule_that_was_made_again(
    planner: Planner, scheduler: Callable[..., Firing], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It read the plan of one that was removed, and found no definition."""
    due(planner)
    store = Store(planner.redis)
    read = module.read_schedules

    def removed_and_made_again(*given: Any) -> Any:
        store.run(remove(NAMESPACE, "nightly"))
        found = read(*given)
        due(planner)
        return found

    with monkeypatch.context() as patched:
        patched.setattr(module, "read_schedules", removed_and_made_again)
        scheduler().fire()

    assert planner.record("nightly").error == ""
    scheduler().fire()
    assert len(planner.ran("nightly")) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda redis: redis.lpush(keys.runs(NAMESPACE, "spoilt"), "x"),
        lambda redis: redis.zadd(keys.ticks(NAMESPACE), {"spoilt": float("-inf")}),
        lambda redis: redis.zadd(keys.ticks(NAMESPACE), {"spoilt": 1.5}),
        lambda redis: redis.hset(keys.schedule(NAMESPACE, "spoilt"), "paused", '{"at_ms": 1e999}'),
        lambda redis: redis.zadd(keys.ticks(NAMESPACE), {b"\xff\xfe": 1, "": 2}),
        lambda redis: redis.set(keys.index(NAMESPACE, "schedule", "spoilt"), "x"),
    ],
    ids=["history", "moment", "part of a moment", "pause", "name", "index"],
)
def test_what_others_spoilt_stops_no_other(
    planner: Planner, scheduler: Callable[..., Firing], spoil: Callable[[Any], object]
) -> None:
    """The schedule itself says so, or goes on, or is gone from the plan."""
    due(planner, "spoilt")
    due(planner, "fine", ticks=2)
    spoil(planner.redis)
    one = scheduler()

    for _ in range(3):
        one.fire()

    assert len(planner.ran("fine")) == 2
    left: Any = planner.redis.zrange(keys.ticks(NAMESPACE), 0, -1)
    assert set(left) <= {b"fine", b"spoilt"}


def test_a_namespace_has_a_plan_of_its_own(
    planner: Planner, scheduler: Callable[..., Firing]
) -> None:
    """A scheduler of another one neither fires ours nor finds fault with them."""
    due(planner)

    assert scheduler(namespace="team-b").fire() is None

    assert planner.record("nightly").error == ""
    assert planner.ran("nightly") == []


def test_a_long_catch_up_is_sent_as_it_is_planned(
    planner: Planner, scheduler: Callable[..., Firing]
) -> None:
    """In parcels; told to stop, it leaves the rest to others."""
    due(planner, ticks=200, max_catch_up=1000)
    one = scheduler()

    one.fire(lambda: len(planner.ran("nightly")) >= 100)

    assert len(planner.ran("nightly")) == 100
    scheduler().fire()
    assert len(planner.ran("nightly")) == 200
    assert planner.record("nightly").fired == 200


def test_a_fault_that_comes_late_marks_nothing(
    planner: Planner, scheduler: Callable[..., Firing], stack: Stack
) -> None:
    """A scheduler with another key refused a tick that one with the right key has fired since."""
    due(planner)
    stranger = Planner(stack, keys_of=load_key_ring(stack.folder / "other.key"))
    late = Frozen(planner.redis)
    wrong = Firing(late, planner.admission, stranger.definitions, namespace=NAMESPACE)
    run = late.run

    def fired_meanwhile(call: Call[Any]) -> Any:
        scheduler().fire()
        return run(call)

    late.run = fired_meanwhile  # type: ignore[method-assign] # the moment of the freeze

    wrong.fire()

    assert len(planner.ran("nightly")) == 1
    assert planner.record("nightly").error == ""
    stranger.close()


def test_what_is_sent_twice_moves_no_plan_back(
    planner: Planner, scheduler: Callable[..., Firing]
) -> None:
    """A create or a replace whose answer was lost comes again after a tick."""
    store = Store(planner.redis)
    definition = planner.definition("nightly", Noop(), every=MINUTE)
    call = create(NAMESPACE, "nightly", definition)
    store.run(call)
    planner.redis.zadd(keys.ticks(NAMESPACE), {"nightly": definition.next_ms - 60_000})
    scheduler().fire()
    other = planner.definition("nightly", Noop(), every=MINUTE, jitter_seconds=1)

    assert store.run(call) is Changed.OK
    assert planner.record("nightly").next_ms == definition.next_ms
    change = replace(NAMESPACE, "nightly", other)
    store.run(change)
    planner.redis.zadd(keys.ticks(NAMESPACE), {"nightly": definition.next_ms + 60_000})
    assert store.run(change) is Changed.OK
    assert planner.record("nightly").next_ms == definition.next_ms + 60_000


def test_definitions_are_not_kept_open_for_ever(
    planner: Planner, scheduler: Callable[..., Firing]
) -> None:
    """One that ended, or that was removed, is forgotten."""
    only = planner.now().replace(microsecond=0) - MINUTE / 2
    once = {"start_time": only, "end_time": only + MINUTE - timedelta(seconds=1)}
    planner.create("ending", Noop(), every=MINUTE, first=only, **once)
    due(planner, "removed")
    one = scheduler()
    one.fire()
    assert one._known.keys() == {(NAMESPACE, "removed")}

    Store(planner.redis).run(remove(NAMESPACE, "removed"))
    planner.redis.zadd(keys.ticks(NAMESPACE), {"removed": to_milliseconds(planner.now()) - 1})
    one.fire()

    assert one._known.keys() == set()
