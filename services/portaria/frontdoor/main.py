"""Builds the door, runs it, drains it."""

from __future__ import annotations

import asyncio
import faulthandler
import signal
from collections.abc import Callable
from contextlib import suppress

import uvloop

from portaria import logs
from portaria.core.collector import freeze_memory
from portaria.frontdoor.drain import shutting_down
from portaria.frontdoor.ending import cancel, finish
from portaria.frontdoor.parts import Bounds, build
from portaria.frontdoor.tls import is_on_this_machine, server_credentials
from portaria.settings import Settings

Listening = Callable[[str], None]
LAST_RESORT_SECONDS = 10.0
"""More than all bounds of draining and closing together, the grace apart."""


def run(settings: Settings, on_listening: Listening | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then drains. Raises ConfigurationError at start."""
    logs.configure(level=settings.log_level, style=settings.log_format)
    try:
        uvloop.run(serve(settings, on_listening))
    finally:
        faulthandler.cancel_dump_traceback_later()


async def serve(settings: Settings, on_listening: Listening | None = None) -> None:
    """The door on the running loop."""
    stop = _stop_signals()
    running = Running(settings)
    address = await running.start()
    # What is there now stays: the collector need not look at it for every few hundred calls.
    freeze_memory()
    logs.logger().info("door listening", address=address, services=running.door.services)
    if on_listening is not None:
        on_listening(address)
    await stop.get()
    _end_by(settings.grace_seconds + LAST_RESORT_SECONDS)
    draining = asyncio.create_task(running.drain(), name="drain")
    again = asyncio.create_task(stop.get(), name="second signal")
    await asyncio.wait({draining, again}, return_when=asyncio.FIRST_COMPLETED)
    _end_by(LAST_RESORT_SECONDS)
    await cancel(draining, again)
    await running.close()


class Running:
    """All parts of one door, from listening to the last connection closed."""

    def __init__(self, settings: Settings, bounds: Bounds | None = None) -> None:
        """On the running loop. Raises ConfigurationError."""
        self._settings = settings
        parts = build(settings, bounds or Bounds())
        self.door = parts.door
        self.feed = parts.feed
        self.drain_state = parts.drain
        self._store = parts.store
        self._watchdog = parts.watchdog
        self._types = parts.types

    async def start(self) -> str:
        """Listens, whether Redis answers or not; answers the address."""
        credentials = server_credentials(self._settings)
        address = await self.door.listen(self._settings.listen, credentials)
        if credentials is None and not is_on_this_machine(address):
            logs.logger().warning("the door is reached from elsewhere without TLS", address=address)
        self._watchdog.start()
        self._types.start()
        return address

    async def drain(self) -> None:
        """Lets calls end within the grace, and watches at once; then closes the port."""
        logs.logger().info("door draining", grace_seconds=self._settings.grace_seconds)
        await self._watchdog.stop()
        await self._types.stop()
        # A health watch that takes nothing holds up whoever tells the health.
        await finish(health=self.door.stop_serving())
        self.drain_state.stopping = True
        self.feed.end(shutting_down())
        with suppress(TimeoutError):
            async with asyncio.timeout(self._settings.grace_seconds):
                await self.drain_state.finished()

    async def close(self) -> None:
        """Ends what is left, and all connections; within seconds, whatever hangs or fails."""
        await self._watchdog.stop()
        await self._types.stop()
        await finish(server=self.door.stop(0.2 if self.drain_state.stopping else 0))
        await finish(feed=self.feed.close(), store=self._store.close())
        logs.logger().info("door stopped")


def _end_by(seconds: float) -> None:
    """Ends this process then with the stacks of all threads and exit code 1.

    Even where the loop itself does not turn any more; a new call replaces the one before.
    """
    faulthandler.dump_traceback_later(seconds, exit=True)


def _stop_signals() -> asyncio.Queue[int]:
    """SIGTERM and SIGINT, as they come."""
    signals: asyncio.Queue[int] = asyncio.Queue()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, signals.put_nowait, number)
    return signals
