"""The platform in a test's own process: no Redis, no door, no worker, and a clock to shift.

from portaria.testing import EagerPlatform

with EagerPlatform() as portaria:
    job = portaria.submit(SendEmail(to="ana@example.com", template="welcome"))
    portaria.run_due()
    assert job.state is State.SUCCEEDED

With the extra "testing", pytest has it as the fixture `portaria`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from portaria.testing.clock import ShiftedClock
    from portaria.testing.job import Attempt, EagerHandle
    from portaria.testing.platform import EagerPlatform

__all__ = ["Attempt", "EagerHandle", "EagerPlatform", "ShiftedClock"]

_PLACES = {
    "Attempt": "job",
    "EagerHandle": "job",
    "EagerPlatform": "platform",
    "ShiftedClock": "clock",
}


def __getattr__(name: str) -> Any:
    # Late: pytest imports this package at each start, also where no test asks for it.
    if name in _PLACES:
        from importlib import import_module

        return getattr(import_module(f"portaria.testing.{_PLACES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
