"""A tick is one compare-and-set: fired once, whoever asks and wherever it breaks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from conformance.kernel import QUEUE, Kernel, Setup, ended, submission
from integration.store.faults import broken
from portaria.core.errors import StoreFull
from portaria.store import Verdict, keys
from portaria.store.calls import Call
from portaria.store.schedule_records import ScheduleRecord, read_due, read_schedules
from portaria.store.schedules import (
    KEEP,
    Changed,
    Definition,
    Paused,
    Tick,
    Ticked,
    create,
    fault,
    pause,
    remove,
    replace,
    resume,
    tick,
)

ID, NS = "nightly", "default"
NOW, NEXT, LATER = 1_000_000, 1_060_000, 1_120_000
"""Milliseconds of three ticks; long past, so that each is due."""


def made(revision: str = "one", next_ms: int = NOW, content: str = "c") -> Definition:
    return Definition(revision=revision, sealed=b"sealed", content_hash=content, next_ms=next_ms)


def step(job_id: str = "j1", tick_ms: int = NOW, next_ms: int = NEXT, **given: Any) -> Call[Ticked]:
    """The next tick, fired as that job."""
    job = submission(job_id, request_id="", schedule_id=ID) if job_id else None
    return tick(
        Tick(
            namespace=NS, schedule_id=ID, tick_ms=tick_ms, next_ms=next_ms,
            **{"revision": "one", "seen_ms": tick_ms, "submission": job, **given},
        )
    )  # fmt: skip


def by_hand(job_id: str, request_id: str) -> Call[Ticked]:
    return step(job_id, LATER, 0, seen_ms=0, request_id=request_id)


def record(kernel: Kernel) -> ScheduleRecord:
    (found,) = read_schedules(kernel.redis, [(NS, ID)])
    assert found is not None
    return found


def runs(kernel: Kernel) -> list[str]:
    """What the history says, the oldest first, without the moment."""
    found: Any = kernel.redis.xrange(keys.runs(NS, ID))
    words = [fields[b"r"].decode().split(" ") for _, fields in found]
    return [" ".join((moment, job_id, *rest)) for moment, job_id, _, *rest in words]


@pytest.fixture
def nightly(kernel: Kernel) -> Kernel:
    """With one schedule, which is due."""
    assert kernel.store.run(create(NS, ID, made())) is Changed.OK
    return kernel


def test_a_tick_is_fired_by_the_first_who_asks(nightly: Kernel) -> None:
    """The others learn that they came late, and write nothing."""
    first, second = (nightly.store.run(step(job_id)) for job_id in ("j1", "j2"))

    assert (first.word, second.word) == ("fired", "gone")
    assert nightly.queued() == ["j1"]
    assert runs(nightly) == [f"{NOW} j1 0 -"]
    found = record(nightly)
    assert (found.next_ms, found.last_tick_ms, found.last_job_id) == (NEXT, NOW, "j1")
    assert (found.fired, found.passed) == (1, 0)


def test_a_job_knows_its_schedule(nightly: Kernel) -> None:
    """By its tag, and in an index of its own."""
    nightly.store.run(step())

    job = nightly.store.get("j1")
    assert job is not None
    assert job.tag.schedule_id == ID
    assert nightly.members(keys.index(NS, "schedule", ID)) == ["j1"]


def test_a_definition_that_changed_is_not_fired_as_it_was(nightly: Kernel) -> None:
    """Who read it before must read it again."""
    nightly.store.run(replace(NS, ID, made("two"), "one"))

    assert nightly.store.run(step()).word == "gone"
    assert nightly.store.run(step(revision="two")).word == "fired"


@pytest.mark.parametrize("stop", [pause(NS, ID, Paused("holiday", "ana", 1)), remove(NS, ID)])
def test_what_is_paused_or_removed_fires_nothing(nightly: Kernel, stop: Call[Changed]) -> None:
    """Also where a scheduler had read it as due."""
    assert nightly.store.run(stop) is Changed.OK

    assert nightly.store.run(step()).word == "gone"
    assert nightly.queued() == []
    assert read_due(nightly.redis, NS, most=9).ticks == []


def test_a_resumed_schedule_goes_on_at_the_tick_that_is_given(nightly: Kernel) -> None:
    """What was due in the pause is not made up."""
    nightly.store.run(pause(NS, ID, Paused("holiday", "ana", 1)))

    assert nightly.store.run(resume(NS, ID, "zero", LATER)) is Changed.STALE
    assert nightly.store.run(resume(NS, ID, "one", LATER)) is Changed.OK

    found = record(nightly)
    assert (found.paused, found.next_ms) == (None, LATER)


def test_a_replace_may_keep_the_plan_that_is_there(nightly: Kernel) -> None:
    """Also one that has moved on since it was read."""
    nightly.store.run(step())

    nightly.store.run(replace(NS, ID, made("two", KEEP), "one"))

    assert record(nightly).next_ms == NEXT


def test_a_paused_schedule_stays_so_when_it_is_replaced(nightly: Kernel) -> None:
    """A deploy is no resume."""
    nightly.store.run(pause(NS, ID, Paused("holiday", "ana", 1)))

    nightly.store.run(replace(NS, ID, made("two", NEXT)))

    found = record(nightly)
    assert found.paused == Paused("holiday", "ana", 1)
    assert found.next_ms == 0


def test_an_open_run_lets_the_next_tick_pass(nightly: Kernel) -> None:
    """Until it is over; a run between two attempts is open, too."""
    nightly.store.run(step())
    nightly.turn("ana", ended(nightly.claim(), Verdict.RETRY, wait_ms=60_000), want=0)

    passed = nightly.store.run(step("j2", NEXT, LATER))

    assert (passed.word, passed.reason, passed.open_job_id) == ("passed", "OVERLAP", "j1")
    assert runs(nightly)[-1] == f"{NEXT} - 1 OVERLAP"
    assert (record(nightly).passed, record(nightly).next_ms) == (1, LATER)
    nightly.make_due("j1")
    nightly.promote()
    nightly.turn("ana", ended(nightly.claim()), want=0)
    assert nightly.store.run(step("j3", LATER, 0)).word == "fired"


def test_runs_may_overlap_where_that_is_allowed(nightly: Kernel) -> None:
    """Each tick is a job, whatever became of the last one."""
    nightly.store.run(step())

    assert nightly.store.run(step("j2", NEXT, LATER, is_alone=False)).word == "fired"
    assert nightly.queued() == ["j1", "j2"]


def test_a_unique_key_that_is_held_lets_the_tick_pass(nightly: Kernel) -> None:
    """As a submit would be refused."""
    nightly.submit("other", unique_key="k")
    job = submission("j1", request_id="", schedule_id=ID, unique_key="k")

    passed = nightly.store.run(step(submission=job))

    assert (passed.word, passed.reason) == ("passed", "UNIQUE_KEY_HELD")
    assert record(nightly).next_ms == NEXT


def test_missed_ticks_are_counted_with_the_one_that_is_made_up(nightly: Kernel) -> None:
    """Or alone, where none is."""
    nightly.store.run(step(passed=7, reason="MISSED"))
    nightly.store.run(step("", NEXT, 0, passed=2, reason="MISSED"))

    assert runs(nightly) == [f"{NOW} j1 7 MISSED", f"{NEXT} - 3 MISSED"]
    found = record(nightly)
    assert (found.fired, found.passed, found.next_ms) == (1, 10, 0)


def test_the_history_holds_the_last_fifty(nightly: Kernel) -> None:
    """However long a schedule lives."""
    for number in range(60):
        nightly.store.run(step("", NOW + number, NOW + number + 1))

    assert len(runs(nightly)) == 50
    assert runs(nightly)[-1].startswith(f"{NOW + 59} ")


def test_a_run_by_hand_leaves_the_plan_as_it_is(nightly: Kernel) -> None:
    """The same request runs it once; another one is told which run is open."""
    first, again, other = (
        nightly.store.run(by_hand(job_id, request_id))
        for job_id, request_id in (("j1", "r"), ("j2", "r"), ("j3", "s"))
    )

    assert first.submitted is not None
    assert first.submitted.job_id == "j1"
    assert again.submitted is not None
    assert (again.submitted.job_id, again.submitted.deduplicated) == ("j1", True)
    assert (other.word, other.open_job_id) == ("passed", "j1")
    assert nightly.queued() == ["j1"]
    assert record(nightly).next_ms == NOW
    assert len(runs(nightly)) == 1


def test_what_cannot_fire_says_so_until_it_does(nightly: Kernel) -> None:
    """Its tick stays due."""
    assert nightly.store.run(fault(NS, ID, "zero", NOW, "no")) is Changed.STALE
    nightly.store.run(fault(NS, ID, "one", NOW, "its job type is not known"))

    assert record(nightly).error == "its job type is not known"
    assert [moment for _, moment in read_due(nightly.redis, NS, most=9).ticks] == [NOW]
    nightly.store.run(step())
    assert record(nightly).error == ""


def test_a_schedule_is_made_once(nightly: Kernel) -> None:
    """The same again is the same; another one does not replace it."""
    assert nightly.store.run(create(NS, ID, made("two"))) is Changed.SAME
    assert nightly.store.run(create(NS, ID, made("two", content="d"))) is Changed.EXISTS
    assert nightly.store.run(replace(NS, ID, made("two"), "zero")) is Changed.STALE
    assert nightly.store.run(remove(NS, "another")) is Changed.MISSING
    assert record(nightly).revision == "one"


def test_the_plan_is_read_in_slices(kernel: Kernel) -> None:
    """The longest due first, and what comes after them."""
    far = 4_000_000_000_000
    for schedule_id, next_ms in (("b", NEXT), ("a", NOW), ("c", far)):
        kernel.store.run(create(NS, schedule_id, made(next_ms=next_ms)))

    due = read_due(kernel.redis, NS, most=9)
    assert due.ticks == [((NS, "a"), NOW), ((NS, "b"), NEXT)]
    assert due.next_ms == far
    assert read_due(kernel.redis, NS, most=1).ticks == [((NS, "a"), NOW)]


def test_a_full_redis_refuses_a_tick_whole(nightly: Kernel, redis: Redis) -> None:
    """It is due still; a schedule can be stopped, and taken away."""
    nightly.store.run(create(NS, "other", made()))
    before = nightly.snapshot()
    redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFull):
            nightly.store.run(step())
        with pytest.raises(StoreFull):
            nightly.store.run(create(NS, "third", made()))
        assert nightly.snapshot() == before
        assert nightly.store.run(pause(NS, ID, Paused("full", "ana", 1))) is Changed.OK
        assert nightly.store.run(remove(NS, "other")) is Changed.OK
    finally:
        redis.config_set("maxmemory", 0)
    assert nightly.store.run(resume(NS, ID, "one", NOW)) is Changed.OK
    assert nightly.store.run(step()).word == "fired"


# --- faults -------------------------------------------------------------------------------------


def fire(kernel: Kernel) -> Call[Any]:
    kernel.store.run(create(NS, ID, made()))
    return step()


def fire_and_remember_what_was_missed(kernel: Kernel) -> Call[Any]:
    kernel.store.run(create(NS, ID, made()))
    kernel.store.run(fault(NS, ID, "one", NOW, "no"))
    return step(passed=4, reason="MISSED")


def pass_over(kernel: Kernel) -> Call[Any]:
    kernel.store.run(create(NS, ID, made(next_ms=NOW - 1)))
    kernel.store.run(step("j0", NOW - 1, NOW))
    return step()


def fire_the_last_one(kernel: Kernel) -> Call[Any]:
    kernel.store.run(create(NS, ID, made()))
    return step(next_ms=0)


TICKS = pytest.mark.parametrize(
    "scene",
    [fire, fire_and_remember_what_was_missed, pass_over, fire_the_last_one],
    ids=lambda scene: scene.__name__,
)


@TICKS
@pytest.mark.parametrize("who", ["the same call", "another scheduler"])
def test_a_tick_that_broke_off_is_fired_once(kernel: Kernel, scene: Setup, who: str) -> None:
    """Its repeat, or whoever comes next, finds it due, and finds the job that was written."""
    for most, call in broken(kernel, scene):
        before = record(kernel)
        assert before.next_ms == NOW, f"after {most} commands"
        other = step("other", next_ms=int(call.arguments[3] or 0))

        kernel.store.run(call if who == "the same call" else other)

        told = runs(kernel)
        assert [line.split()[0] for line in told].count(str(NOW)) == 1, f"after {most} commands"
        jobs = [job_id for job_id in ("j1", "other") if job_id in kernel.queued(QUEUE)]
        assert len(jobs) == (0 if scene is pass_over else 1), f"after {most} commands"
        found = record(kernel)
        assert found.next_ms == int(call.arguments[3] or 0)
        assert found.fired == 1
        assert found.error == ""
        assert kernel.store.run(call).word == "gone"


def make(kernel: Kernel) -> Call[Any]:
    return create(NS, ID, made())


def change(kernel: Kernel) -> Call[Any]:
    kernel.store.run(create(NS, ID, made()))
    return replace(NS, ID, made("two", NEXT), "one")


def change_to_one_that_is_over(kernel: Kernel) -> Call[Any]:
    kernel.store.run(create(NS, ID, made()))
    return replace(NS, ID, made("two", 0), "one")


def drop(kernel: Kernel) -> Call[Any]:
    kernel.store.run(create(NS, ID, made()))
    kernel.store.run(step())
    return remove(NS, ID, "one")


def stop(kernel: Kernel) -> Call[Any]:
    kernel.store.run(create(NS, ID, made()))
    return pause(NS, ID, Paused("holiday", "ana", 1))


def go_on(kernel: Kernel) -> Call[Any]:
    kernel.store.run(stop(kernel))
    return resume(NS, ID, "one", NEXT)


@pytest.mark.parametrize(
    "scene",
    [make, change, change_to_one_that_is_over, drop, stop, go_on],
    ids=lambda scene: scene.__name__,
)
def test_a_change_that_broke_off_is_completed_by_its_repeat(kernel: Kernel, scene: Setup) -> None:
    """And until then no half of it fires anything as what it is not."""
    kernel.store.run(scene(kernel))
    whole = state(kernel.redis)
    for most, call in broken(kernel, scene):
        answer = kernel.store.run(call)

        assert answer in (Changed.OK, Changed.MISSING), f"after {most} commands"
        assert state(kernel.redis) == whole, f"after {most} commands"


def state(redis: Redis) -> tuple[Any, ...]:
    """All that is kept of the schedule, but its moments."""
    fields: Any = redis.hgetall(keys.schedule(NS, ID))
    kept = {name: value for name, value in fields.items() if name not in (b"created", b"updated")}
    return (
        kept,
        redis.zrange(keys.ticks(NS), 0, -1, withscores=True),
        redis.zrange(keys.schedules(NS), 0, -1),
        redis.xlen(keys.runs(NS, ID)),
    )


@pytest.fixture(autouse=True)
def _without_the_disk(redis: Redis) -> Iterator[None]:
    redis.config_set("appendfsync", "no")
    yield
    redis.config_set("appendfsync", "always")
