"""Callers and watchers that go on while the parts behind them are replaced."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count
from pathlib import Path

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from acme_jobs.lab.v1.lab_pb2 import Append, Steps
from portaria.client import Client, PortariaError
from portaria.v1.job_pb2 import JobState

_PACE = 0.02
_PATIENCE = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Kind:
    """What is handed in, and what is right at the end."""

    message: Callable[[str], Message]
    effects: str
    """What its log says then."""
    attempt: int
    delay: timedelta | None = None
    story: tuple[str, ...] = ()
    """What a watcher sees, where it is watched."""


_RUN = ("PENDING", "RUNNING", "SUCCEEDED")
KINDS = {
    "effect": Kind(lambda log: Append(log=log, count=1), "1\n", 1),
    "retried": Kind(lambda log: Append(log=log, count=2, fail_after=1), "1\n2\n", 2),
    "steps": Kind(lambda _: Steps(count=5, pause=Duration(nanos=20_000_000)), "", 1, story=_RUN),
    "delayed": Kind(
        lambda log: Append(log=log, count=1),
        "1\n",
        1,
        delay=timedelta(seconds=2),
        story=("SCHEDULED", *_RUN),
    ),
}


@dataclass(slots=True)
class Order:
    """One request, and what was heard of it."""

    kind: Kind
    log: Path
    job_id: str = ""
    seen: list[str] = field(default_factory=list)
    """The states that its watcher was told, or what ended the watch."""

    def effects(self) -> str:
        """What its job left."""
        return self.log.read_text() if self.log.exists() else ""

    def is_seen_to_its_end(self) -> bool:
        """Whether nothing was missed or told twice since the watch began."""
        return bool(self.seen) and tuple(self.seen) == self.kind.story[-len(self.seen) :]


class Load:
    """Two callers, each at a steady pace, and a watcher for each job that has a story.

    All through the client, which bridges UNAVAILABLE, what a stopping door cancels, and no more.
    """

    def __init__(self, address: str, folder: Path) -> None:
        self.orders: list[Order] = []
        self.failures: list[str] = []
        """What the client did not bridge."""
        self._address = address
        self._folder = folder
        self._stopped = threading.Event()
        self._client = Client(address, timeout=_PATIENCE)
        self._callers = [_thread(self._call, name) for name in "ab"]
        self._watchers: list[threading.Thread] = []
        for caller in self._callers:
            caller.start()

    def stop(self) -> None:
        """Ends the callers, each after its last answer, and the watchers, each with its job."""
        self._stopped.set()
        for thread in (*self._callers, *self._watchers):
            thread.join(30)
            assert not thread.is_alive(), "a caller without an answer, or a watcher without an end"

    def close(self) -> None:
        """Ends all that still goes on."""
        self._stopped.set()
        self._client.close()

    def _call(self, name: str) -> None:
        for number in count():
            if self._stopped.wait(_PACE):
                return
            kind = list(KINDS.values())[number % len(KINDS)]
            order = Order(kind, self._folder / f"{name}{number}")
            try:
                order.job_id = self._client.submit(
                    kind.message(str(order.log)), request_id=order.log.name, delay=kind.delay
                ).id
            except (PortariaError, RuntimeError) as error:
                self.failures.append(f"{order.log.name}: {error!r}")
                continue
            self.orders.append(order)
            if kind.story:
                self._watch(order)

    def _watch(self, order: Order) -> None:
        def follow() -> None:
            try:
                for event in self._client.watch(order.job_id):
                    if not event.HasField("progress"):
                        order.seen.append(JobState.Name(event.state).removeprefix("JOB_STATE_"))
            except Exception as error:
                order.seen.append(repr(error))

        thread = _thread(follow)
        self._watchers.append(thread)
        thread.start()


def _thread(target: Callable[..., None], *arguments: str) -> threading.Thread:
    return threading.Thread(target=target, args=arguments, daemon=True)
