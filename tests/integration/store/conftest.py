"""A kernel over the sync store: what differs between the stores is proven in tests/conformance."""

from __future__ import annotations

import pytest
from redis import Redis

from conformance.kernel import Kernel
from portaria.store import Store


@pytest.fixture
def kernel(redis: Redis) -> Kernel:
    """An empty kernel."""
    return Kernel(Store(redis), redis)
