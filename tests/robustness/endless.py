"""Watches without an end, of all that a proof hands in: one of each door, which calls no other."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.client import Client
from robustness.watch_load import LABELS, current
from robustness.watched import Watch, sight_of

_CALL = timedelta(seconds=30)


class EndlessWatchers:
    """From a first job on, that none of the others comes before, to a last one."""

    def __init__(self, names: Sequence[str], addresses: Sequence[str]) -> None:
        self._clients = [Client(address, timeout=_CALL) for address in addresses]
        self._lock = threading.Lock()
        first = self._clients[0].submit(Noop(), labels=LABELS)
        assert first.submitted is not None
        cursor = first.submitted.cursor
        self._own = [first.id]
        self._last = ""
        self.watches = [Watch(f"endless {n}", (), cursor=cursor, door=n) for n in names]
        self._threads = [
            threading.Thread(target=self._run, args=pair, name=pair[1].name, daemon=True)
            for pair in zip(self._clients, self.watches, strict=True)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self, others: Sequence[str]) -> None:
        """They end with a last job, now that all the others, which are told here, have ended."""
        with self._lock:
            self._last = self._clients[0].submit(Noop(), labels=LABELS).id
        self._own.append(self._last)
        for watch in self.watches:
            watch.job_ids = [*self._own, *others]

    @property
    def is_done(self) -> bool:
        """Whether all have come to their end."""
        return not any(thread.is_alive() for thread in self._threads)

    def close(self) -> None:
        """Ends what is left."""
        for client in self._clients:
            client.close()
        for thread in self._threads:
            thread.join(10)

    def _run(self, client: Client, watch: Watch) -> None:
        current.set(watch)
        try:
            for event in client.watch(cursor=watch.cursor, labels=LABELS):
                watch.seen.append(sight_of(event))
                if event.done and self._is_last(event.job_id):
                    watch.is_over = True
                    return
        except Exception as error:
            watch.error = f"{type(error).__name__}: {error}"

    def _is_last(self, job_id: str) -> bool:
        with self._lock:
            return job_id == self._last
