"""The object storage that the settings name."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from portaria.core.seal import KeyRing, load_key_ring
from portaria.settings import Settings
from portaria.storage.local import LocalStore
from portaria.storage.objects import ObjectStore

_DEFAULT_FOLDER = "objects"


def open_store(settings: Settings) -> ObjectStore:
    """Opens no connection and makes no folder yet. Raises ConfigurationError."""
    if not is_local(settings):
        # Late: it loads a library that a local storage does without.
        from portaria.storage.s3 import open_s3

        return open_s3(settings)
    return local_store(settings)


def local_store(settings: Settings) -> LocalStore:
    """The directory, with links that `portaria downloads` serves."""
    base = settings.downloads_base or f"http://{settings.downloads_listen}"
    file = settings.key_file

    @cache
    def ring() -> KeyRing:
        return load_key_ring(file)

    return LocalStore(root_of(settings), link_base=base, ring=ring)


def is_local(settings: Settings) -> bool:
    """Whether objects lie in a directory."""
    return not settings.storage_url.startswith("s3:")


def root_of(settings: Settings) -> Path:
    """The directory of a local storage."""
    if settings.storage_url:
        return Path(unquote(urlsplit(settings.storage_url).path))
    return settings.data_dir.absolute() / _DEFAULT_FOLDER
