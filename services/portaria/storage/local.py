"""Objects as files of a directory, for one machine or a file system that several share.

A put writes beside its goal and renames: readers see the old bytes or the new ones, also after a
power cut. Directories are walked by descriptors that follow no symbolic link, so nothing outside of
the root is ever read or written.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from portaria.core.seal import KeyRing
from portaria.storage.links import Grant, sign, until
from portaria.storage.objects import (
    ObjectInfo,
    ObjectMissing,
    StorageUnavailable,
    check_key,
    is_key,
)

_CHUNK = 1024 * 1024
# No key begins with a dot.
_UNFINISHED = ".unfinished"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# What stands for "there is no such object", and not for a broken disk.
_MISSING = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
_DRAFT = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class LocalStore:
    """Keeps objects below a root, which is made at the first put."""

    longest_link = timedelta(days=7)

    def __init__(
        self, root: Path, *, link_base: str = "", ring: Callable[[], KeyRing] | None = None
    ) -> None:
        """Links begin with `link_base` and are signed by the ring, which is read at the first."""
        self.root = root
        self._link_base = link_base
        self._ring = ring

    def put(self, key: str, source: Path, *, content_type: str, filename: str = "") -> None:
        """Keeps a file; type and name stand in links."""
        *parents, name = check_key(key).split("/")
        with open(source, "rb") as file, _told(), self._walk(parents, make=True) as goal:
            with self._walk([_UNFINISHED], make=True) as drafts:
                draft = os.urandom(16).hex()
                try:
                    _copy(file, os.open(draft, _DRAFT, 0o600, dir_fd=drafts))
                    os.rename(draft, name, src_dir_fd=drafts, dst_dir_fd=goal)
                except BaseException:
                    with suppress(OSError):
                        os.unlink(draft, dir_fd=drafts)
                    raise
            os.fsync(goal)

    @contextmanager
    def reading(self, key: str) -> Iterator[BinaryIO]:
        """A file; what replaces or deletes the object leaves it as it is."""
        with open(self._open(key), "rb") as file:
            yield file

    def info(self, key: str) -> ObjectInfo:
        """Raises ObjectMissing."""
        descriptor = self._open(key)
        try:
            return _info(key, os.fstat(descriptor))
        finally:
            os.close(descriptor)

    def delete(self, key: str) -> None:
        """Deletes it where it is there."""
        *parents, name = check_key(key).split("/")
        with suppress(ObjectMissing), _told(missing=True), self._walk(parents) as folder:
            os.unlink(name, dir_fd=folder)

    def find(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Walks the directories; what is not ours is passed over."""
        above = prefix.rpartition("/")[0]
        if not above:
            yield from self._below("", prefix)
        elif is_key(above):
            yield from self._below(f"{above}/", prefix)

    def delete_unfinished(self, before: datetime) -> int:
        """Deletes drafts of puts that were killed."""
        count = 0
        with suppress(ObjectMissing), _told(missing=True), self._walk([_UNFINISHED]) as drafts:
            for name in os.listdir(drafts):
                with suppress(FileNotFoundError):
                    if os.stat(name, dir_fd=drafts).st_mtime < before.timestamp():
                        os.unlink(name, dir_fd=drafts)
                        count += 1
        return count

    def link(self, key: str, *, filename: str, content_type: str, good_for: timedelta) -> str:
        """A URL of `portaria downloads`."""
        assert self._ring is not None, "made without a ring"
        expires = until(datetime.now(UTC), good_for)
        grant = Grant(check_key(key), filename, content_type, expires)
        return f"{self._link_base}/{sign(self._ring(), grant)}"

    def _open(self, key: str) -> int:
        *parents, name = check_key(key).split("/")
        with _told(missing=True), self._walk(parents) as folder:
            descriptor = os.open(name, _FILE, dir_fd=folder)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
        raise ObjectMissing

    @contextmanager
    def _walk(self, parts: list[str], *, make: bool = False) -> Iterator[int]:
        """A descriptor of a directory below the root."""
        if make:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        # The root itself may be a link: that is the operator's word.
        folder = os.open(self.root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            for part in parts:
                if make:
                    _make(part, folder)
                below = os.open(part, _DIRECTORY, dir_fd=folder)
                os.close(folder)
                folder = below
            yield folder
        finally:
            os.close(folder)

    def _below(self, folder: str, prefix: str) -> Iterator[ObjectInfo]:
        try:
            with _told(missing=True), self._walk(folder.split("/")[:-1]) as descriptor:
                entries = sorted(_entries(descriptor))
        except ObjectMissing:
            return
        for name, about in entries:
            key = f"{folder}{name}"
            if not is_key(key):
                continue
            if stat.S_ISDIR(about.st_mode):
                # Above the prefix, below it, or neither.
                if f"{key}/".startswith(prefix) or prefix.startswith(f"{key}/"):
                    yield from self._below(f"{key}/", prefix)
            elif stat.S_ISREG(about.st_mode) and key.startswith(prefix):
                yield _info(key, about)


@contextmanager
def _told(*, missing: bool = False) -> Iterator[None]:
    """StorageUnavailable for what the disk says, without its paths; with `missing`, ObjectMissing
    where there is nothing, or a symbolic link."""
    try:
        yield
    except OSError as error:
        if missing and (isinstance(error, _MISSING) or error.errno == errno.ELOOP):
            raise ObjectMissing from None
        raise StorageUnavailable(f"the storage cannot be used now: {error.strerror}") from None


def _make(name: str, folder: int) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=folder)
    except FileExistsError:
        return
    os.fsync(folder)


def _copy(source: BinaryIO, goal: int) -> None:
    try:
        while chunk := source.read(_CHUNK):
            view = memoryview(chunk)
            while view:
                view = view[os.write(goal, view) :]
        os.fsync(goal)
    finally:
        os.close(goal)


def _entries(folder: int) -> Iterator[tuple[str, os.stat_result]]:
    for name in os.listdir(folder):
        with suppress(FileNotFoundError):
            yield name, os.stat(name, dir_fd=folder, follow_symlinks=False)


def _info(key: str, about: os.stat_result) -> ObjectInfo:
    return ObjectInfo(key, about.st_size, datetime.fromtimestamp(about.st_mtime, UTC))
