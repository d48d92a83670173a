"""A receiver of webhooks, and settings that name it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.maintenance.receiver import Receiver

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """That takes everything."""
    started = Receiver()
    yield started
    started.close()


@pytest.fixture
def webhooks(receiver: Receiver, tmp_path: Path) -> dict[str, str]:
    """The settings of a worker: the receiver is "default" and "billing"."""
    secrets = tmp_path / "webhook.secrets"
    secrets.write_text(f"default {SECRET}\nbilling {SECRET} whsec_{'A' * 32}\n")
    return {
        "PORTARIA_WEBHOOKS": f"default={receiver.url} billing={receiver.url}",
        "PORTARIA_WEBHOOK_KEY_FILE": str(secrets),
    }
