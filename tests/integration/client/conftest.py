"""Doors for the client to fail at."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from integration.client.faulty_door import FaultyDoor


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
