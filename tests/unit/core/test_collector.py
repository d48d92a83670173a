"""The garbage collector at the start of a process."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator

import pytest

from portaria.core.collector import collect_seldom, freeze_memory


class Knot:
    """Refers to itself."""

    def __init__(self) -> None:
        self.me = self


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Frozen, see conftest.py."""
    yield
    freeze_memory()


def test_what_a_start_left_is_frozen_and_not_looked_through() -> None:
    """That would take longer than it could save."""
    gc.unfreeze()
    left = weakref.ref(Knot())

    freeze_memory()

    assert gc.get_freeze_count() > 0
    assert left() is not None


def test_later_garbage_is_not_kept_for_ever() -> None:
    """What is frozen is never collected: so what is garbage goes first."""
    freeze_memory()
    gone = weakref.ref(Knot())

    freeze_memory()

    assert gone() is None


def test_after_the_start_python_collects_as_it_always_does() -> None:
    usual = gc.get_threshold()

    collect_seldom()
    at_start = gc.get_threshold()
    freeze_memory()

    assert at_start[0] > 10 * usual[0]
    assert gc.get_threshold() == usual
