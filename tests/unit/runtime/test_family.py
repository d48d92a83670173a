"""What a parent does before it forks."""

from __future__ import annotations

import gc
import weakref

from portaria.runtime.family import freeze_memory


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


def test_garbage_is_not_kept_for_ever() -> None:
    """What is frozen is never collected: so what is garbage goes first."""
    gone = weakref.ref(Knot())

    freeze_memory()
    frozen = gc.get_freeze_count()
    gc.unfreeze()

    assert gone() is None
    assert frozen > 0
