"""Watchers: callers that hand in jobs, follow them to their end, and write down what they see."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from random import Random

from google.protobuf.message import Message

from portaria.client import AsyncClient, Client
from robustness.crowd import Crowd
from robustness.watch_load import (
    BATCHES,
    LABELS,
    begin,
    is_to_be_cancelled,
    jobs_of,
    journal,
    way_of,
)
from robustness.watched import Watch, sight_of

_CALL = timedelta(seconds=30)


class SyncWatchers(Crowd):
    """So many threads over a few clients, as in a server with a pool of threads."""

    def __init__(self, seed: int, doors: str, count: int, clients: int) -> None:
        super().__init__(
            [partial(self._run, number) for number in range(count)],
            [Client(doors, timeout=_CALL) for _ in range(clients)],
        )
        self._seed = seed
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Nobody begins another watch."""
        self._stopping.set()

    def _run(self, number: int) -> None:
        rng = Random(f"sync/{self._seed}/{number}")
        client = self._clients[number % len(self._clients)]
        while not self._stopping.is_set():
            way = way_of(rng)
            watch = Watch(f"sync {number} {way}", ())
            self.watches.append(watch)
            with journal(watch):
                self._follow(client, watch, way, jobs_of(rng, way))

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


class AsyncWatchers(Crowd):
    """So many tasks over a few clients in one event loop, in a thread of its own."""

    def __init__(self, seed: int, doors: str, count: int, clients: int) -> None:
        super().__init__([lambda: asyncio.run(self._all())], clients=())
        self._seed, self._doors, self._count, self._number = seed, doors, count, clients
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Nobody begins another watch."""
        self._stopping.set()

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
            self.watches.append(watch)
            with journal(watch):
                await self._follow(client, watch, way, jobs_of(rng, way))

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
