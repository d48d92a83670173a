"""A worker's part of the registry of job types: it brings what it runs, so that doors serve it."""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.descriptor_pb2 import FileDescriptorProto

from portaria.core.errors import ConfigurationError, StoreFull
from portaria.core.ids import new_token
from portaria.core.seal import KeyRing, SealBroken
from portaria.core.type_files import (
    LARGEST_FILE,
    Files,
    Merge,
    merge,
    platform_files,
    pool_of,
    seal_file,
    unseal_file,
)
from portaria.logs import logger
from portaria.store import Store
from portaria.store.types import read_revision, read_types, register

_TRIES = 100


class TypeRegistry:
    """The files of some job types, and their place among those that are registered."""

    def __init__(self, store: Store, ring: KeyRing, files: Files) -> None:
        """Raises ConfigurationError where a file is too large, or does not fit to the others."""
        large = [name for name, file in files.items() if file.ByteSize() > LARGEST_FILE]
        if large:
            raise ConfigurationError(f"{', '.join(large)}: larger than {LARGEST_FILE} bytes")
        self._store = store
        self._ring = ring
        self._files = files
        self._base = platform_files()

    def register(self, *, breaking: bool = False) -> tuple[Files, Merge]:
        """Registers what is new or extends what is registered; answers what was there before, and
        what became of ours.

        Raises ConfigurationError where our files break others, unless `breaking` is meant: then
        ours replace what they break.
        """
        for _ in range(_TRIES):
            revision, sealed = read_types(self._store.redis)
            known: dict[str, FileDescriptorProto] = {}
            spoilt: dict[str, bytes] = {}
            for name, packed in sealed.items():
                try:
                    known[name] = unseal_file(self._ring, name, packed)
                except SealBroken:
                    spoilt[name] = b""
            merged = merge(known, self._files, breaking=breaking)
            if merged.breaks:
                raise ConfigurationError(_refusal(merged.breaks))
            pool_of(self._base, merged.files)
            changes = {name: seal_file(self._ring, file) for name, file in merged.changed.items()}
            changes = spoilt | dict.fromkeys(merged.dropped, b"") | changes
            if revision and not changes:
                return known, merged
            if self._store.run(register(revision, new_token(), changes)):
                return known, merged
        raise ConfigurationError(
            "the job types cannot be registered: others change them all the time"
        )

    def keep(self) -> None:
        """Registers again where Redis was emptied."""
        if read_revision(self._store.redis):
            return
        try:
            self.announce()
        except ConfigurationError as error:
            # Somebody was faster with others. What runs goes on; a restart will say it again.
            logger().error("these job types are not registered", why=error.message)

    def announce(self) -> None:
        """Registers as a starting worker does. Raises ConfigurationError."""
        try:
            _, merged = self.register()
        except StoreFull:
            logger().warning("redis is full: this worker's job types are not registered yet")
            return
        if merged.older:
            logger().info("a newer release registered these job types", files=merged.older)


def _refusal(breaks: Iterable[str]) -> str:
    return "\n  ".join(
        (
            "these job types break what is registered, and would fail or change jobs of others "
            "(`portaria types check` tells before a deploy):",
            *breaks,
        )
    )
