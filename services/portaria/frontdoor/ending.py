"""Ends what a door has begun, and never waits for ever for what does not end.

`asyncio.wait` throughout: it raises nothing of the tasks, and unlike a suppressed CancelledError it
does not swallow the cancellation of the one who waits.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from typing import Any

from portaria.logs import logger

CANCEL_SECONDS = 1.0
"""What a cancelled task may take."""
FINISH_SECONDS = 2.0
"""What one step of closing may take."""


async def cancel(*tasks: asyncio.Task[Any], within: float = CANCEL_SECONDS) -> None:
    """Cancels tasks and waits for their end, `within` seconds at most."""
    for each in tasks:
        each.cancel()
    await _settle(tasks, within)


async def finish(*, within: float = FINISH_SECONDS, **works: Coroutine[Any, Any, object]) -> None:
    """Runs works side by side to their end, `within` seconds at most; names are for the log."""
    await _settle([asyncio.create_task(work, name=name) for name, work in works.items()], within)


async def _settle(tasks: Collection[asyncio.Task[Any]], within: float) -> None:
    done, late = await asyncio.wait(tasks, timeout=within)
    for each in late:
        each.cancel()
        logger().error("left behind, it does not end", task=each.get_name())
    for each in done:
        if not each.cancelled() and (error := each.exception()) is not None:
            logger().error("failed at its end", task=each.get_name(), exc_info=error)
