"""Builds the door, runs it, drains it."""

from __future__ import annotations

import asyncio
import faulthandler
import gc
import signal
from collections.abc import Callable
from contextlib import suppress

import uvloop

from portaria import logs
from portaria.admission.rules import Rules
from portaria.core.seal import load_key_ring
from portaria.frontdoor.admin_servicer import AdminServicer
from portaria.frontdoor.batch import BatchSubmitter
from portaria.frontdoor.convert import Converter
from portaria.frontdoor.drain import Drain, shutting_down
from portaria.frontdoor.ending import cancel, finish
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.jobs_acting import JobsActing
from portaria.frontdoor.jobs_reading import JobsReading
from portaria.frontdoor.jobs_servicer import JobsServicer
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.retrying import Copyist
from portaria.frontdoor.server import BESIDE, Door
from portaria.frontdoor.standing import FRESH_SECONDS, Standing
from portaria.frontdoor.submitter import Submitter
from portaria.frontdoor.subscription import LONGEST_WRITE, MOST_CHANGES
from portaria.frontdoor.tls import is_on_this_machine, server_credentials
from portaria.frontdoor.types_following import TypesFollower
from portaria.frontdoor.types_reading import TypesReading
from portaria.frontdoor.waiting import Waiting
from portaria.frontdoor.watch import HEARTBEAT, Watches
from portaria.frontdoor.watchdog import Watchdog
from portaria.intake.admission import Admission
from portaria.intake.catalogue import Catalogue
from portaria.jobs.discovery import load_files, load_job_types
from portaria.settings import Settings
from portaria.store import AsyncStore
from portaria.store.connect import connect_async

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
    gc.collect()
    gc.freeze()
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
    """All parts of one door. The keywords are for tests that cannot wait."""

    def __init__(
        self,
        settings: Settings,
        *,
        heartbeat: float = HEARTBEAT,
        most_changes: int = MOST_CHANGES,
        longest_write: float = LONGEST_WRITE,
        fresh: float = FRESH_SECONDS,
    ) -> None:
        self._settings = settings
        keys = load_key_ring(settings.key_file)
        rules, converter = Rules(), Converter(keys)
        # PromptStore, Watchdog and Feed bound each call; redis-py's own way costs a task a command,
        # and can swallow a cancellation.
        self._store = AsyncStore(
            connect_async(settings.redis_url, reply_timeout=None), replicas=settings.redis_replicas
        )
        self._prompt = prompt = PromptStore(self._store)
        feed_store = AsyncStore(connect_async(settings.redis_url, reply_timeout=None))
        self.feed = Feed(feed_store, most_changes=most_changes, longest_write=longest_write)
        self.drain_state = Drain()
        namespace = settings.namespace
        load_job_types(settings.jobs)  # says all that is wrong with them
        catalogue = Catalogue(load_files(settings.jobs), beside=BESIDE)
        admission = Admission(catalogue=catalogue, rules=rules, keys=keys, namespace=namespace)
        standing = Standing(prompt, fresh=fresh)
        submitter = Submitter(admission=admission, store=prompt, converter=converter)
        watches = Watches(
            store=prompt,
            feed=self.feed,
            converter=converter,
            namespace=namespace,
            heartbeat=heartbeat,
        )
        reading = JobsReading(
            rules=rules,
            store=prompt,
            converter=converter,
            standing=standing,
            namespace=namespace,
        )
        self.door = Door(
            jobs=JobsServicer(
                rules=rules,
                submitter=submitter,
                batches=BatchSubmitter(
                    admission=admission, rules=rules, store=prompt, namespace=namespace
                ),
                waiting=Waiting(prompt, self.feed, namespace=namespace),
                watches=watches,
                acting=JobsActing(
                    rules=rules,
                    store=prompt,
                    reading=reading,
                    copyist=Copyist(
                        admission=admission, store=prompt, converter=converter, namespace=namespace
                    ),
                    namespace=namespace,
                ),
                reading=reading,
                types=TypesReading(catalogue=catalogue, rules=rules, standing=standing),
            ),
            admin=AdminServicer(rules=rules, store=prompt, namespace=namespace),
            catalogue=catalogue,
            submitter=submitter,
            drain=self.drain_state,
            reflect=settings.reflection,
        )
        self._watchdog = Watchdog(self._store, self.door)
        self._types = TypesFollower(self._store, catalogue, keys, self.door.services_changed)

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
        await finish(feed=self.feed.close(), store=self._prompt.close())
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
