"""Many effects in turn: the end of one and the intent of the next in one trip to the ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Generic, Protocol, cast

from portaria.jobs.effects import (
    Effect,
    Once,
    OnUnknown,
    Recorded,
    Value,
    check_key,
    encode_value,
    known,
    raised,
)
from portaria.jobs.errors import HoldLost, JobCancelled


class SeriesHold(Protocol):
    """What a series needs of a Hold; see there."""

    def exchange_effects(
        self, ended: tuple[str, str] | None, key: str, *, again: bool
    ) -> Callable[[], tuple[Recorded, str]]: ...
    def end_effect(self, key: str, value: str) -> None: ...
    def clear_effect(self, key: str) -> None: ...
    def doubt_effect(self, key: str) -> None: ...


class Series(Generic[Value]):
    """One call of JobContext.once_each."""

    def __init__(
        self,
        hold: SeriesHold,
        on_unknown: OnUnknown,
        passing: tuple[type[Exception], ...],
        opened: dict[str, object],
    ) -> None:
        """`opened` has the keys that this run is at."""
        self._hold = hold
        self._on_unknown = on_unknown
        self._passing = passing
        self._opened = opened
        self._ended: tuple[str, str] | None = None
        """Key and value of what happened and is not on record yet."""
        self._last: Effect[Value] | None = None
        """Its effect."""
        self._begun = ""
        """The key of an intent, its function not called yet."""
        self._asked: Callable[[], object] | None = None

    def run(self, steps: Iterable[Once[Value]]) -> Iterator[Effect[Value]]:
        """See JobContext.once_each."""
        try:
            for step in steps:
                self._enter(step.key)
                effect = self._begin(step)
                if self._last is not None:
                    last, self._last = self._last, None
                    yield last
                effect = effect or self._do(step)
                if effect is not None:
                    self._opened.pop(step.key, None)
                    yield effect
        finally:
            self._settle()
        if self._last is not None:
            yield self._last

    def _enter(self, key: str) -> None:
        check_key(key)
        # The ledger would let both begin: an intent of this run is no doubt for it.
        if self._opened.setdefault(key, self) is not self:
            raise RuntimeError(f'effect "{key}" is under way in this run already')

    def _begin(self, step: Once[Value]) -> Effect[Value] | None:
        """Prepares while the ledger is asked; None where the function is to be called."""
        again = self._on_unknown is OnUnknown.REPEAT
        answer = self._hold.exchange_effects(self._ended, step.key, again=again)
        self._asked, self._begun, error = answer, step.key, None
        try:
            step.prepare()
        except Exception as caught:
            error = caught
        try:
            recorded, value = answer()
        except (HoldLost, JobCancelled):
            # About the begin: nothing was begun.
            self._told()
            self._begun = ""
            raise
        self._told()
        if recorded is not Recorded.NEW:
            self._begun = ""
        effect = cast("Effect[Value] | None", known(recorded, value, self._on_unknown))
        if error is None or (effect is not None and isinstance(error, self._passing)):
            return effect
        if isinstance(error, self._passing):
            return self._passed(step.key, error)
        raise error

    def _told(self) -> None:
        """The ledger has answered: what had happened is on record."""
        if self._ended is not None:
            self._opened.pop(self._ended[0], None)
        self._asked = self._ended = None

    def _do(self, step: Once[Value]) -> Effect[Value] | None:
        """Calls the function; None where its effect is given when its end is on record."""
        self._begun = ""
        try:
            value = step.fn()
        except BaseException as error:
            if isinstance(error, self._passing):
                return self._passed(step.key, error)
            return raised(self._hold, step.key, error, self._on_unknown)
        try:
            self._ended = (step.key, encode_value(value))
        except ValueError:
            # It happened: an intent left standing would let this run begin it once more.
            self._hold.doubt_effect(step.key)
            raise
        self._last = Effect(value, done=True)
        return None

    def _passed(self, key: str, error: Exception) -> Effect[Value]:
        self._begun = ""
        self._hold.clear_effect(key)
        return Effect(None, done=False, error=error)

    def _settle(self) -> None:
        """Brings the ledger to what is known, however the series ended."""
        try:
            if self._asked is not None:
                # Interrupted in between: what was sent would otherwise take effect later.
                with suppress(HoldLost, JobCancelled):
                    self._asked()
            if self._ended is not None:
                self._hold.end_effect(*self._ended)
            if self._begun:
                self._hold.clear_effect(self._begun)
        finally:
            for key in [key for key, who in self._opened.items() if who is self]:
                del self._opened[key]
