"""throttle: the moments of a rate that all workers share, given away one by one."""

from __future__ import annotations

from itertools import pairwise

from conformance.kernel import Kernel
from portaria.store import calls, keys


def take(
    kernel: Kernel, key: str = "k", *, every: float = 1000, burst: float = 1, ahead: float = 60_000
) -> float:
    """Milliseconds to wait."""
    return kernel.store.run(calls.throttle(key, every_ms=every, burst=burst, ahead_ms=ahead))


def test_moments_lie_apart(kernel: Kernel) -> None:
    """The first is now; each further one `every` later, less what went by meanwhile."""
    waits = [take(kernel) for _ in range(5)]

    assert waits[0] == 0
    assert all(900 < later - sooner <= 1000 for sooner, later in pairwise(waits))


def test_a_burst_comes_at_once_and_then_the_rate(kernel: Kernel) -> None:
    """Three of one second each."""
    waits = [take(kernel, burst=3) for _ in range(5)]

    assert waits[:3] == [0, 0, 0]
    assert 900 < waits[3] <= 1000
    assert 1900 < waits[4] <= 2000


def test_what_lies_too_far_ahead_is_not_given(kernel: Kernel) -> None:
    """It says when it will be near enough, and asking changes nothing."""
    assert take(kernel, ahead=1500) == 0
    assert 900 < take(kernel, ahead=1500) <= 1000

    refused = [take(kernel, ahead=1500) for _ in range(3)]

    assert all(-500 <= wait < -300 for wait in refused)


def test_keys_have_rates_of_their_own(kernel: Kernel) -> None:
    """One host's says nothing of another's."""
    take(kernel, "smtp:a")

    assert take(kernel, "smtp:b") == 0
    assert take(kernel, "smtp:a") > 0


def test_a_rate_that_is_not_used_leaves_nothing(kernel: Kernel) -> None:
    """It expires a second after the last moment that was given."""
    take(kernel, every=2000)
    take(kernel, every=2000)

    assert 4500 < int(kernel.redis.pttl(keys.rate("k"))) <= 5001  # type: ignore[arg-type]
