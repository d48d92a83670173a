"""A worker's part of the registry of job types: it brings what it runs, so that doors serve it."""

from __future__ import annotations

from collections.abc import Iterable

from portaria.core.errors import ConfigurationError, StoreFull
from portaria.core.ids import new_token
from portaria.core.seal import KeyRing
from portaria.core.type_files import Files, seal_file
from portaria.core.type_merge import Merge, faults, merge
from portaria.intake.registered import believed
from portaria.logs import logger
from portaria.store import Store
from portaria.store.types import read_revision, read_types, register

_TRIES = 100


class TypeRegistry:
    """The files of some job types, and their place among those that are registered."""

    def __init__(self, store: Store, ring: KeyRing, files: Files) -> None:
        self._store = store
        self._ring = ring
        self._files = files
        self._seen = ""

    def register(self, *, newer: bool = True, breaking: bool = False) -> tuple[Files, Merge]:
        """Registers what is new or extends what is registered; answers what was there before, and
        what became of ours.

        Raises ConfigurationError where our files cannot be used or break others, unless `breaking`
        is meant: then ours replace what they break. See `merge` for `newer`.
        """
        for _ in range(_TRIES):
            self._seen, sealed = read_types(self._store.redis)
            # What is not believed stays as it is, unless ours replace it: our key may be wrong.
            known = believed(self._ring, sealed)
            merged = merge(known, self._files, newer=newer, breaking=breaking)
            if wrong := [*merged.breaks, *faults(merged.files, self._files)]:
                raise ConfigurationError(_refusal(wrong))
            changes = {name: seal_file(self._ring, file) for name, file in merged.changed.items()}
            changes |= dict.fromkeys(merged.dropped, b"")
            if self._seen and not changes:
                return known, merged
            token = new_token()
            if self._store.run(register(self._seen, token, changes)):
                self._seen = token
                return known, merged
        raise ConfigurationError("the job types cannot be registered: others change them, too")

    def announce(self) -> None:
        """Registers as a starting worker does. Raises ConfigurationError."""
        try:
            _, merged = self.register()
        except StoreFull:
            self._seen = ""  # `keep` tries again
            logger().warning("redis is full: this worker's job types are not registered yet")
            return
        if merged.older:
            logger().info("a newer release registered these job types", files=merged.older)

    def keep(self) -> None:
        """Registers again where what was registered changed: others came, or Redis lost it."""
        if self._seen and read_revision(self._store.redis) == self._seen:
            return
        try:
            # What means the same stays: two releases would replace each other's for ever.
            self.register(newer=False)
        except StoreFull:
            self._seen = ""
        except ConfigurationError as error:
            # Somebody was faster with others. What runs goes on; a restart will say it again.
            logger().error("these job types are not registered", why=error.message)


def _refusal(wrong: Iterable[str]) -> str:
    return "\n  ".join(
        (
            "these job types cannot be registered beside those that are, whose jobs they would fail"
            " or change (`portaria types check` tells before a deploy):",
            *wrong,
        )
    )
