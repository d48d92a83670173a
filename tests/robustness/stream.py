"""The stream of state changes, read from outside by plain XREAD, over restarts of Redis."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"})


@dataclass(frozen=True, slots=True)
class Change:
    """One entry: the words that the stream is documented to hold."""

    at_ms: int
    """By the clock of Redis, which is this machine's."""
    state: str
    attempt: int
    previous: str
    worker: str
    entry: str = ""
    """Its id in the stream."""


@dataclass(frozen=True, slots=True)
class InHand:
    """A job that runs as far as the stream told."""

    job_id: str
    since_ms: int


def plain(url: str) -> Redis:
    """A client that repeats nothing by itself; answers are str."""
    return Redis.from_url(
        url,
        decode_responses=True,
        socket_timeout=5,
        socket_connect_timeout=1,
        retry=Retry(NoBackoff(), 0),
    )


class Stream(threading.Thread):
    """Follows portaria:events and keeps all of it."""

    def __init__(self, url: str) -> None:
        super().__init__(name="stream", daemon=True)
        self._redis = plain(url)
        self._last = "0-0"
        self._stopped = threading.Event()
        self.lives: dict[str, list[Change]] = {}
        """job id -> its changes in order."""
        self.running: dict[str, InHand] = {}
        """worker -> the job in its hands."""
        self.ended: set[str] = set()

    def run(self) -> None:
        """Until `stop`."""
        while not self._stopped.is_set():
            try:
                answer: Any = self._redis.xread({"portaria:events": self._last}, 1000, 100)
            except (RedisError, OSError):
                self._stopped.wait(0.05)
                continue
            for _, entries in answer or ():
                for entry_id, fields in entries:
                    self._take(entry_id, fields["e"])

    def stop(self) -> None:
        """Ends the thread."""
        self._stopped.set()
        self.join(10)
        self._redis.close()

    def in_hand(self, workers: Iterable[str]) -> list[InHand]:
        """What these workers run now."""
        found = (self.running.get(worker) for worker in workers)
        return [each for each in found if each is not None]

    def _take(self, entry_id: str, packed: str) -> None:
        job_id, state, attempt, previous, worker, *_ = packed.split(" ")
        at_ms = int(entry_id.partition("-")[0])
        life = self.lives.setdefault(job_id, [])
        before = life[-1].worker if life else ""
        if before in self.running and self.running[before].job_id == job_id:
            del self.running[before]
        life.append(Change(at_ms, state, int(attempt), previous, worker, entry_id))
        if state == "RUNNING":
            self.running[worker] = InHand(job_id, at_ms)
        elif state in TERMINAL:
            self.ended.add(job_id)
        self._last = entry_id
