"""Watchers: callers that hand in jobs, follow them to their end, and write down what they see."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta
from random import Random

from google.protobuf.message import Message

from portaria.client import AsyncClient, Client
from robustness.watch_load import (
    BATCHES,
    LABELS,
    begin,
    current,
    is_to_be_cancelled,
    jobs_of,
    way_of,
)
from robustness.watched import Watch, sight_of

_CALL = timedelta(seconds=30)


class SyncWatchers:
    """So many threads over a few clients, as in a server with a pool of threads."""

    def __init__(self, seed: int, doors: str, count: int, clients: int) -> None:
        self._seed = seed
        self._clients = [Client(doors, timeout=_CALL) for _ in range(clients)]
        self._stopping = threading.Event()
        self.watches: list[Watch] = []
        self._threads = [
            threading.Thread(target=self._run, args=(number,), name=f"sync-{number}", daemon=True)
            for number in range(count)
        ]

    def start(self) -> None:
        """Starts them all."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Nobody begins another watch."""
        self._stopping.set()

    @property
    def is_done(self) -> bool:
        """Whether the last watch has come to its end."""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Ends what is left."""
        for client in self._clients:
            client.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self, number: int) -> None:
        rng = Random(f"sync/{self._seed}/{number}")
        client = self._clients[number % len(self._clients)]
        while not self._stopping.is_set():
            way = way_of(rng)
            watch = Watch(f"sync {number} {way}", ())
            current.set(watch)
            self.watches.append(watch)
            try:
                self._follow(client, watch, way, jobs_of(rng, way))
            except Exception as error:
                watch.error = f"{type(error).__name__}: {error}"

    def _follow(self, client: Client, watch: Watch, way: str, jobs: Sequence[Message]) -> None:
        if way in BATCHES:
            handles = list(client.submit_many(jobs, labels=LABELS))
        else:
            handles = [client.submit(jobs[0], labels=LABELS)]
        ids, given = begin(watch, way, handles)
        for event in client.watch(*ids, **given):
            watch.seen.append(sight_of(event))
            if is_to_be_cancelled(way, event):
                handles[0].cancel()
        watch.is_over = True


class AsyncWatchers:
    """So many tasks over a few clients in one event loop, in a thread of its own."""

    def __init__(self, seed: int, doors: str, count: int, clients: int) -> None:
        self._seed, self._doors, self._count, self._number = seed, doors, count, clients
        self._stopping = threading.Event()
        self.watches: list[Watch] = []
        self._thread = threading.Thread(target=asyncio.run, args=(self._all(),), daemon=True)

    def start(self) -> None:
        """Starts them all."""
        self._thread.start()

    def stop(self) -> None:
        """Nobody begins another watch."""
        self._stopping.set()

    @property
    def is_done(self) -> bool:
        """Whether the last watch has come to its end."""
        return not self._thread.is_alive()

    def close(self) -> None:
        """Waits for the end."""
        self._thread.join(10)

    async def _all(self) -> None:
        clients = [AsyncClient(self._doors, timeout=_CALL) for _ in range(self._number)]
        async with asyncio.TaskGroup() as group:
            for number in range(self._count):
                group.create_task(self._run(number, clients[number % len(clients)]))
        for client in clients:
            await client.close()

    async def _run(self, number: int, client: AsyncClient) -> None:
        rng = Random(f"async/{self._seed}/{number}")
        while not self._stopping.is_set():
            way = way_of(rng)
            watch = Watch(f"async {number} {way}", ())
            current.set(watch)
            self.watches.append(watch)
            try:
                await self._follow(client, watch, way, jobs_of(rng, way))
            except Exception as error:
                watch.error = f"{type(error).__name__}: {error}"

    async def _follow(
        self, client: AsyncClient, watch: Watch, way: str, jobs: Sequence[Message]
    ) -> None:
        if way in BATCHES:
            handles = [each async for each in client.submit_many(jobs, labels=LABELS)]
        else:
            handles = [await client.submit(jobs[0], labels=LABELS)]
        ids, given = begin(watch, way, handles)
        async for event in client.watch(*ids, **given):
            watch.seen.append(sight_of(event))
            if is_to_be_cancelled(way, event):
                await handles[0].cancel()
        watch.is_over = True
