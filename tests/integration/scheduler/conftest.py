"""Schedules of a stack, made as its door makes them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stack import Stack
from stack.schedules import Planner


@pytest.fixture
def planner(stack: Stack) -> Iterator[Planner]:
    """Makes schedules, and sees what became of them."""
    made = Planner(stack)
    yield made
    made.close()
