"""A Hold without a store, so that JobContext can be tested for itself.

tests/conformance/test_effects.py proves that its ledger answers as the store's does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from portaria.jobs import HoldLost, JobCancelled
from portaria.jobs.effects import Recorded


class Ledger:
    """What outlives a run: entries as the store keeps them."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[str, str]] = {}


class InMemoryHold:
    """A Hold whose ledger is a dict, with the rules of effect.lua."""

    type = "acme_jobs.lab.v1.Append"
    namespace = "default"
    caller = "test"
    headers: Mapping[str, str] = {"tenant": "ana"}
    deadline = datetime(2026, 11, 21, tzinfo=UTC)
    log: Any = None

    def __init__(self, ledger: Ledger, attempt: int = 1) -> None:
        self.job_id = "0192"
        self.attempt = attempt
        self.reports: list[tuple[int, int, str]] = []
        self.warnings: list[str] = []
        self.cancelled = False
        self.lost = False
        self.turns: list[float] = []
        self.taken: list[tuple[str, float, float, float]] = []
        self._ledger = ledger

    def report(self, current: int, total: int, message: str) -> None:
        self.reports.append((current, total, message))

    def check(self) -> None:
        if self.lost:
            raise HoldLost
        if self.cancelled:
            raise JobCancelled

    def begin_effect(self, key: str, *, again: bool) -> tuple[Recorded, str]:
        if self.lost:
            raise HoldLost
        word, value = self._ledger.entries.get(key, ("", ""))
        if word == "done":
            return Recorded.DONE, value
        if self.cancelled:
            raise JobCancelled
        if word and (word, value) != ("begun", str(self.attempt)) and not again:
            return Recorded.UNKNOWN, ""
        self._ledger.entries[key] = ("begun", str(self.attempt))
        return Recorded.NEW, ""

    def exchange_effects(
        self, ended: tuple[str, str] | None, key: str, *, again: bool
    ) -> Callable[[], tuple[Recorded, str]]:
        if ended is not None:
            self.end_effect(*ended)
        return partial(self.begin_effect, key, again=again)

    def recorded_effects(self, keys: Sequence[str]) -> list[str]:
        if self.lost:
            raise HoldLost
        found = (self._ledger.entries.get(key, ("", "")) for key in keys)
        return [value if mark == "done" else "" for mark, value in found]

    def end_effect(self, key: str, value: str) -> None:
        self._replace(key, ("done", value))

    def clear_effect(self, key: str) -> None:
        self._replace(key, None)

    def doubt_effect(self, key: str) -> None:
        self._replace(key, ("doubt", ""))

    def warn(self, text: str) -> None:
        self.warnings.append(text)

    def is_cancelled(self) -> bool:
        return self.cancelled

    def take(self, key: str, per_second: float, burst: float, *, ahead: float) -> float:
        self.taken.append((key, per_second, burst, ahead))
        return self.turns.pop(0)

    def _replace(self, key: str, entry: tuple[str, str] | None) -> None:
        if self._ledger.entries.get(key) == ("begun", str(self.attempt)):
            self._ledger.entries.pop(key)
            if entry:
                self._ledger.entries[key] = entry
