"""Waiting for an event instead of sleeping."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Value = TypeVar("Value")


def eventually(
    predicate: Callable[[], Value],
    within: float = 10.0,
    *,
    every: float | None = None,
    because: str = "",
    ignoring: tuple[type[Exception], ...] = (),
) -> Value:
    """Calls `predicate` until it answers something true, and answers that.

    Every 10 ms at first, where `every` does not say otherwise, and every 30 ms in the end: a look
    costs as much as the work that is looked at.
    An AssertionError of it, or an exception named in `ignoring`, counts as "not yet". Fails with
    the last one, or with `because`, after `within` seconds.
    """
    began = time.monotonic()
    while (waited := time.monotonic() - began) < within:
        with suppress(AssertionError, *ignoring):
            if value := predicate():
                return value
        time.sleep(every or min(0.03, max(0.01, waited / 20)))
    # Once more, so that the failure shows what is wrong rather than that time passed.
    value = predicate()
    assert value, because or f"not so within {within:g} s: {getattr(predicate, '__name__', '')}"
    return value
