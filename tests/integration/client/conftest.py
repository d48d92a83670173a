"""Doors for the client to fail at."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from integration.client.faulty_door import FaultyDoor
from portaria.up.redis_server import RedisServer
from stack import Stack


@pytest.fixture
def faulty_door() -> Iterator[FaultyDoor]:
    """A door that follows the test's script."""
    door = FaultyDoor()
    door.start()
    yield door
    door.stop()


@pytest.fixture
def silent_address() -> Iterator[str]:
    """An address where connections are accepted and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@pytest.fixture(scope="module")
def _standing(
    _session_redis: RedisServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    standing = Stack(_session_redis, tmp_path_factory.mktemp("standing"))
    standing.door()
    yield standing
    standing.close()


@pytest.fixture
def standing_door(stack: Stack, _standing: Stack) -> None:
    """One door for the tests of a module, and an empty Redis for each."""
    stack.borrow_door(_standing)
