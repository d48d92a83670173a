"""Fixtures for tests of the worker without a door."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from stack import Stack
from stack.lab import Lab


@pytest.fixture
def lab(stack: Stack) -> Iterator[Lab]:
    """Hands in jobs of the package acme_jobs."""
    made = Lab(stack)
    yield made
    made.close()
