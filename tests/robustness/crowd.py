"""Watchers in threads, from their start to the end of the last one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from portaria.client import Client
from robustness.watched import Watch


class Crowd:
    """So many threads over a few clients, which block."""

    def __init__(self, runs: Sequence[Callable[[], object]], clients: Sequence[Client]) -> None:
        self.watches: list[Watch] = []
        self._clients = clients
        self._threads = [threading.Thread(target=run, daemon=True) for run in runs]

    def start(self) -> None:
        """Starts them all."""
        for thread in self._threads:
            thread.start()

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
