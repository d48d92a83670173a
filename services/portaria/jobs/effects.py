"""Effects: what the ledger knows of one, and what follows where its function raised."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, Protocol, TypeVar, cast

from portaria.jobs.errors import JobError, OutcomeUnknown

Value = TypeVar("Value")

LARGEST_KEY = 256
LARGEST_VALUE = 4096


class OnUnknown(StrEnum):
    """What `once` does where an earlier run died between the effect and its record."""

    REPEAT = "repeat"
    """Run the function again: right where the receiver honours the key."""
    SKIP = "skip"
    """Do not run it; the Effect says `unknown`."""
    FAIL = "fail"
    """Raise OutcomeUnknown."""


@dataclass(frozen=True, slots=True)
class Effect(Generic[Value]):
    """What `once` knows of an effect."""

    value: Value | None
    """What the function returned, now or in the run that did it."""
    done: bool
    """It happened, once."""
    repeated: bool = False
    """It had happened before; the function was not called."""
    unknown: bool = False
    """It may have happened; the function was not called again."""
    error: Exception | None = None
    """What was raised instead, where `once_each` was told to pass over it: it did not happen."""


@dataclass(frozen=True, slots=True)
class Once(Generic[Value]):
    """One of many effects; see JobContext.once_each."""

    key: str
    fn: Callable[[], Value]
    prepare: Callable[[], object] = lambda: None
    """Called before `fn`, while the intent is being recorded: what has no effect yet. It may be
    called where `fn` will not be."""


class Recorded(StrEnum):
    """What the ledger held when an effect was about to begin."""

    NEW = "new"
    DONE = "done"
    UNKNOWN = "unknown"


class Ledger(Protocol):
    """What an effect whose function raised needs of a Hold."""

    def clear_effect(self, key: str) -> None: ...
    def doubt_effect(self, key: str) -> None: ...


def known(recorded: Recorded, value: str, on_unknown: OnUnknown) -> Effect[object] | None:
    """What the ledger knew already; None for nothing. Raises OutcomeUnknown."""
    match recorded:
        case Recorded.NEW:
            return None
        case Recorded.DONE:
            return Effect(json.loads(value), done=True, repeated=True)
        case Recorded.UNKNOWN:
            return unknown(on_unknown)


def raised(ledger: Ledger, key: str, error: BaseException, on_unknown: OnUnknown) -> Effect[Value]:
    """Records what an effect's function raised, and raises what follows from it."""
    if not isinstance(error, Exception):
        # An interruption may have struck before, during or after the effect.
        ledger.doubt_effect(key)
        raise error
    if not isinstance(error, OutcomeUnknown):
        ledger.clear_effect(key)
        raise error
    ledger.doubt_effect(key)
    if on_unknown is OnUnknown.SKIP:
        return cast("Effect[Value]", unknown(on_unknown))
    if on_unknown is OnUnknown.REPEAT:
        # An ordinary failure: the next attempt repeats the effect under the same key.
        raise JobError("EFFECT_IN_DOUBT", str(error)) from error
    raise error


def unknown(on_unknown: OnUnknown) -> Effect[object]:
    """What stands for an outcome that nobody knows. Raises OutcomeUnknown."""
    if on_unknown is OnUnknown.SKIP:
        return Effect(None, done=False, unknown=True)
    raise OutcomeUnknown


def check_key(key: str) -> None:
    """Raises ValueError for a key that no ledger takes."""
    if not key or len(key) > LARGEST_KEY:
        raise ValueError(f"an effect's key has 1 to {LARGEST_KEY} characters")


def encode_value(value: object) -> str:
    """An effect's value as ledgers keep it. Raises ValueError where it is no JSON, or too large."""
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"the value of an effect is kept as JSON: {error}") from None
    if len(text) > LARGEST_VALUE:
        raise ValueError(f"the value of an effect has at most {LARGEST_VALUE} bytes as JSON")
    return text
