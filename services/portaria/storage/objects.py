"""What an object storage promises; `local` and `s3` keep it, and the same tests hold both to it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Protocol

from portaria.jobs.errors import JobError, PermanentError

LONGEST_KEY = 512

_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,199}"
_KEY = re.compile(rf"{_PART}(/{_PART})*\Z")


@dataclass(frozen=True, slots=True)
class ObjectInfo:
    """What is known of an object without reading it."""

    key: str
    size: int
    """Bytes."""
    modified: datetime
    """With its zone, UTC."""


class ObjectStore(Protocol):
    """Bytes under keys. Each method may raise StorageUnavailable; a later attempt may not."""

    @property
    def longest_link(self) -> timedelta:
        """The longest time that links work."""

    def put(self, key: str, source: Path, *, content_type: str, filename: str = "") -> None:
        """Keeps a file whole or not at all, in the place of what was there. Raises OSError where
        the source cannot be read.

        Type and name are what links offer it as, where the storage itself answers them.
        """

    def reading(self, key: str) -> AbstractContextManager[BinaryIO]:
        """The bytes from the beginning; can be sought. Raises ObjectMissing."""

    def info(self, key: str) -> ObjectInfo:
        """Raises ObjectMissing."""

    def delete(self, key: str) -> None:
        """Deletes it where it is there."""

    def find(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Those whose key begins so, in any order; none that is being put."""

    def delete_unfinished(self, before: datetime) -> int:
        """Deletes what was left by puts that began before then and broke off; answers how much."""

    def link(self, key: str, *, filename: str, content_type: str, good_for: timedelta) -> str:
        """A URL from which anybody who has it may fetch the object until then, under that name."""


class ObjectMissing(PermanentError):
    """There is no such object."""

    def __init__(self) -> None:
        super().__init__("OBJECT_MISSING", "the storage has no such object")


class StorageUnavailable(JobError):
    """The storage cannot be used now."""

    def __init__(self, message: str) -> None:
        super().__init__("STORAGE_UNAVAILABLE", message)


def is_key(key: str) -> bool:
    """Whether a server of ours may have made it; see check_key."""
    return len(key) <= LONGEST_KEY and _KEY.match(key) is not None


def check_key(key: str) -> str:
    """The key. Raises PermanentError KEY_FORMAT for one that no server of ours has made.

    Letters, digits and . _ - between slashes; no part begins with a dot; at most 512 characters.
    """
    if not is_key(key):
        raise PermanentError("KEY_FORMAT", "is not the key of an object")
    return key
