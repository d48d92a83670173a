"""What the soak judges by."""

from __future__ import annotations

import pytest

from robustness.soak import MOST_KIB, Memory


def _grown(per_100: float, *, at_first: float = 0.0) -> Memory:
    """Memory with some noise, which in the first half grows by more."""
    samples = []
    for number in range(401):
        calls = number * 250
        warm = at_first * min(1.0, number / 200)
        noise = 64.0 if number % 7 == 0 else 0.0
        samples.append((calls, 80_000.0 + warm + noise + calls / 100 * per_100))
    return Memory(samples)


@pytest.mark.parametrize("per_100", [0.0, 0.5, 2.0, 16.0])
def test_the_slope_is_that_of_the_second_half(per_100: float) -> None:
    """What a door takes while it warms up is no leak."""
    slope = _grown(per_100, at_first=2_000).slope()

    assert slope == pytest.approx(per_100, abs=0.05)
    assert (slope >= MOST_KIB) is (per_100 >= MOST_KIB)
