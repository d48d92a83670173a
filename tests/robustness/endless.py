"""Watches without an end, of all that a proof hands in: one of each door, which calls no other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from functools import partial

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.client import Client
from robustness.crowd import Crowd
from robustness.watch_load import LABELS, journal
from robustness.watched import Watch, sight_of

_CALL = timedelta(seconds=30)


class EndlessWatchers(Crowd):
    """From a first job on, that none of the others comes before, to a last one."""

    def __init__(self, names: Sequence[str], addresses: Sequence[str]) -> None:
        clients = [Client(address, timeout=_CALL) for address in addresses]
        self._lock = threading.Lock()
        first = clients[0].submit(Noop(), labels=LABELS)
        assert first.submitted is not None
        cursor = first.submitted.cursor
        self._own = [first.id]
        self._last = ""
        watches = [Watch(f"endless {n}", (), cursor=cursor, door=n) for n in names]
        pairs = zip(clients, watches, strict=True)
        super().__init__([partial(self._run, *pair) for pair in pairs], clients)
        self.watches = watches
        self.start()

    def stop(self, others: Sequence[str]) -> None:
        """They end with a last job, now that all the others, which are told here, have ended."""
        with self._lock:
            self._last = self._clients[0].submit(Noop(), labels=LABELS).id
        self._own.append(self._last)
        for watch in self.watches:
            watch.job_ids = [*self._own, *others]

    def _run(self, client: Client, watch: Watch) -> None:
        with journal(watch):
            for event in client.watch(cursor=watch.cursor, labels=LABELS):
                watch.seen.append(sight_of(event))
                if event.done and self._is_last(event.job_id):
                    watch.is_over = True
                    return

    def _is_last(self, job_id: str) -> bool:
        with self._lock:
            return job_id == self._last
