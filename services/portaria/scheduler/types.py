"""Learns the job types that workers register, so that a tick is admitted as a submit would be."""

from __future__ import annotations

import time

from portaria.core.seal import KeyRing
from portaria.intake.catalogue import Catalogue
from portaria.intake.registered import believed
from portaria.store import Store
from portaria.store.types import read_revision, read_types

_EVERY = 2.0


class TypesLearner:
    """Looks at the registry's revision, and reads the files where it changed."""

    def __init__(self, store: Store, catalogue: Catalogue, keys: KeyRing) -> None:
        self._store = store
        self._catalogue = catalogue
        self._keys = keys
        self._revision = ""
        self._due = 0.0

    def keep(self) -> None:
        """At most every two seconds. Raises StoreUnavailable."""
        now = time.monotonic()
        if now < self._due:
            return
        redis = self._store.redis
        if not (self._catalogue.is_complete and read_revision(redis) == self._revision):
            revision, sealed = read_types(redis)
            self._catalogue.learn(believed(self._keys, sealed))
            self._revision = revision
        self._due = now + _EVERY
