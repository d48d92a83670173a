"""What is done to the system can be done again."""

from __future__ import annotations

from collections import Counter

from robustness.bursts import Bursts
from robustness.chaos import long_plan, quick_plan
from robustness.schedule import Blow, schedule
from robustness.workload import Workload

LEASE = 6.0


def test_a_seed_replays_its_schedule_and_its_orders() -> None:
    """The same seed gives the same blows and the same jobs, another seed others."""
    dose = quick_plan(1).dose
    tiny, same = (Bursts(1, "127.0.0.1:1", 100) for _ in range(2))
    first, again, other = (Workload(seed, "127.0.0.1:1") for seed in (1, 1, 2))

    assert schedule(1, dose) == schedule(1, dose)
    assert schedule(1, dose) != schedule(2, dose)
    assert [first.order(n) for n in range(99)] == [again.order(n) for n in range(99)]
    assert [tiny.order(n) for n in range(999)] == [same.order(n) for n in range(999)]
    assert first.order(5).request_id != other.order(5).request_id


def test_a_schedule_has_all_that_was_ordered() -> None:
    """As many kills as were asked for, and stops beyond the lease that are over in time."""
    for plan in (quick_plan(3), long_plan(3, minutes=5, jobs=20_000, kills=100)):
        events = schedule(plan.seed, plan.dose)
        counts = Counter(event.blow for event in events)
        stops = [event for event in events if event.blow is Blow.STOP]

        assert counts[Blow.AMBUSH] == plan.dose.ambushes >= 3
        assert sum(event.blow.kills for event in events) - counts[Blow.AMBUSH] == plan.dose.kills
        assert counts[Blow.REDIS] == plan.dose.redis_kills >= 2
        assert counts[Blow.DOOR] == plan.dose.door_kills >= 2
        assert len(stops) == plan.dose.stops >= 3
        assert min(event.seconds for event in stops) > LEASE
        assert max(event.at + event.seconds for event in stops) <= plan.dose.seconds
        assert min(counts[blow] for blow in (Blow.PARENT, Blow.CHILD, Blow.BOTH)) >= 3
        assert events == sorted(events, key=lambda event: event.at)
