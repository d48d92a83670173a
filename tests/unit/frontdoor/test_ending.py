"""What a door has begun ends, or is left behind and named."""

from __future__ import annotations

import asyncio

import pytest

from portaria.frontdoor.ending import cancel, finish


class Stubborn:
    """Work that goes on when it is cancelled, until it is let go."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()

    async def run(self) -> None:
        """Loses cancellations, as a library might."""
        self.begun.set()
        while not self.let_go.is_set():
            try:
                await self.let_go.wait()
            except asyncio.CancelledError:
                continue


async def test_what_ignores_its_cancellation_is_left_behind_and_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Nobody waits for it longer than said."""
    stubborn = Stubborn()
    task = asyncio.create_task(stubborn.run(), name="the stubborn one")
    await stubborn.begun.wait()

    await cancel(task, within=0)

    assert not task.done()
    assert "the stubborn one" in "".join(capsys.readouterr())
    stubborn.let_go.set()
    await task


async def test_a_step_that_hangs_or_fails_keeps_no_other_from_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Both are named; neither is raised."""
    stubborn, ended = Stubborn(), asyncio.Event()

    async def failing() -> None:
        raise OSError("no such peer")

    async def ending() -> None:
        ended.set()

    await finish(hanging=stubborn.run(), failing=failing(), ending=ending(), within=0)
    stubborn.let_go.set()

    assert ended.is_set()
    said = "".join(capsys.readouterr())
    assert "hanging" in said
    assert "no such peer" in said


async def test_who_waits_for_an_end_can_be_cancelled() -> None:
    """A second signal is not swallowed by what the first one set going."""
    stubborn = Stubborn()
    task = asyncio.create_task(stubborn.run())
    await stubborn.begun.wait()
    waiting = asyncio.create_task(cancel(task, within=60))
    await asyncio.sleep(0)

    waiting.cancel()
    await asyncio.wait({waiting})

    assert waiting.cancelled()
    stubborn.let_go.set()
    await task
