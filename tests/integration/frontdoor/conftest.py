"""A real door over a real Redis, and a worker that tests play."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from integration.frontdoor.playing import Door, Loop, Worker, opened
from portaria.admission import rules
from portaria.settings import Settings, load_settings
from portaria.up.redis_server import RedisServer

OpenDoor = Callable[..., Door]


@pytest.fixture(scope="module", autouse=True)
def _rules_compiled_once() -> Iterator[None]:
    """One validator for the doors of a module: each would compile the same for 30 ms."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rules, "Validator", functools.cache(rules.Validator))
        yield


@pytest.fixture(scope="session")
def _loop() -> Iterator[Loop]:
    loop = Loop()
    yield loop
    loop.close()


@pytest.fixture
def settings(redis_server: RedisServer, tmp_path: Path) -> Settings:
    """A door on any free port, with a key ring of its own."""
    return load_settings(
        {
            "PORTARIA_REDIS_URL": redis_server.url,
            "PORTARIA_LISTEN": "127.0.0.1:0",
            "PORTARIA_DATA_DIR": str(tmp_path / "data"),
            "PORTARIA_JOBS": "portaria_workers,acme_jobs",
            "PORTARIA_GRACE_SECONDS": "5",
        }
    )


@pytest.fixture
def open_door(_loop: Loop, settings: Settings) -> Iterator[OpenDoor]:
    """Opens doors over the same store, or by other settings; keywords are those of Running."""
    with ExitStack() as doors:

        def opening(other: Settings | None = None, **given: Any) -> Door:
            return doors.enter_context(opened(_loop, other or settings, **given))

        yield opening


@pytest.fixture
def door(open_door: OpenDoor) -> Door:
    """A door."""
    return open_door()


@pytest.fixture
def worker(settings: Settings) -> Iterator[Worker]:
    """A worker with the door's keys."""
    played = Worker(settings)
    yield played
    played.close()
