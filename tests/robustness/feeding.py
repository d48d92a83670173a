"""Callers: threads that hand in orders at a steady pace and write down what they are told."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Protocol

from portaria.client import (
    AlreadyExists,
    Client,
    InvalidRequest,
    PortariaError,
    RpcError,
    StoreFull,
)
from robustness.journal import Journal
from robustness.workload import Order

_DEFINITE = (InvalidRequest, AlreadyExists, StoreFull)
# Shorter than an outage, so that callers are left without an answer.
_TIMEOUT = timedelta(seconds=0.7)
_PAUSE = 0.05


class Orders(Protocol):
    """What to hand in."""

    def order(self, number: int) -> Order:
        """The n-th one."""

    def second(self, order: Order) -> Order | None:
        """What follows an order, if anything."""


class Pace:
    """Hands out numbers, each at its moment; shared by all callers."""

    def __init__(self, count: int, per_second: float) -> None:
        self._count = count
        self._interval = 1 / per_second
        self._next = 0
        self._start = time.monotonic()
        self._lock = threading.Lock()
        self.stopped = threading.Event()

    def next(self) -> int | None:
        """The next number, once its moment has come; None after the last."""
        with self._lock:
            number, self._next = self._next, self._next + 1
        moment = self._start + number * self._interval
        if number >= self._count or self.stopped.wait(max(0.0, moment - time.monotonic())):
            return None
        return number


class Caller(threading.Thread):
    """One caller with its own log and its own connections to all doors."""

    def __init__(
        self, number: int, *, orders: Orders, pace: Pace, doors: Sequence[str], folder: Path
    ) -> None:
        super().__init__(name=f"caller-{number}", daemon=True)
        self._orders = orders
        self._pace = pace
        self._doors = doors
        self._door = number
        self._log = folder / f"caller-{number}.jsonl"
        self.acknowledged = 0

    def run(self) -> None:
        """Until the numbers end."""
        with ExitStack() as stack:
            self._clients = [stack.enter_context(Client(a, timeout=_TIMEOUT)) for a in self._doors]
            self._journal = Journal(self._log)
            stack.callback(self._journal.close)
            while (number := self._pace.next()) is not None:
                order: Order | None = self._orders.order(number)
                while order is not None and self._hand_in(order):
                    order = self._orders.second(order)

    def _hand_in(self, order: Order) -> bool:
        """Repeats a request until the answer is definite; false where the run was broken off."""
        # A second use of a request_id is a request of its own to the oracle.
        name = order.request_id + ("/again" if order.kind == "reuses" else "")
        self._journal.intent(name, order.kind)
        while not self._pace.stopped.is_set():
            try:
                self._journal.ack(name, self._submit(order))
            except _DEFINITE as error:
                self._journal.failed(name, error.reason)
            except PortariaError as error:
                code = error.code if isinstance(error, RpcError) else error.reason
                self._journal.unknown(name, code)
                self._door += 1
                time.sleep(_PAUSE)
                continue
            else:
                self.acknowledged += 1
            return True
        return False

    def _submit(self, order: Order) -> str:
        client = self._clients[self._door % len(self._clients)]
        handle = client.submit(
            order.message,
            request_id=order.request_id,
            priority=order.priority,
            delay=order.delay,
        )
        return handle.id
