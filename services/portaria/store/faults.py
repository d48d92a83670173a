"""What Redis can answer when it cannot, in our words. The cause goes to the log, not to callers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from redis import exceptions

from portaria.core.errors import PortariaError, StoreFull, StoreUnavailable

# Redis' own first words for "not now": it loads, saves badly, is a replica, or runs a script.
_NOT_NOW = ("LOADING", "MISCONF", "READONLY", "BUSY", "MASTERDOWN", "NOREPLICAS", "CLUSTERDOWN",
            "TRYAGAIN", "NOAUTH", "WRONGPASS", "NOPERM")  # fmt: skip


# Those whose first word redis-py takes away, and makes a class of.
_NOT_NOW_KINDS = (
    OSError,
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.ReadOnlyError,
    exceptions.ClusterError,
    exceptions.NoPermissionError,
)


# What a command of a script says where its caller lacks a right, up to Redis 7.0.
_NO_RIGHT = "The user executing the script can't"


def says_not_now(text: str) -> bool:
    """Whether the words of Redis mean "not now", also where a command of a script met them."""
    if text.startswith(_NOT_NOW) or _NO_RIGHT in text:
        return True
    return any(f"-{word} " in text for word in _NOT_NOW)


def fault(error: Exception) -> PortariaError | None:
    """The kind of a failure of Redis, or None where it is a mistake of ours."""
    if isinstance(error, _NOT_NOW_KINDS):
        return StoreUnavailable()
    if isinstance(error, exceptions.RedisError):
        text = str(error)
        if isinstance(error, exceptions.OutOfMemoryError) or "OOM command" in text:
            return StoreFull()
        if says_not_now(text):
            return StoreUnavailable()
    return None


@contextmanager
def translated() -> Iterator[None]:
    """Raises StoreUnavailable or StoreFull for what Redis raises; the cause stays chained."""
    try:
        yield
    except (OSError, exceptions.RedisError) as error:
        kind = fault(error)
        if kind is None:
            raise
        raise kind from error
