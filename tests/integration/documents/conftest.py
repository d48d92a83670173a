"""A local storage and a registry in the test's folder, and jobs whose ledger is in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portaria.database import open_database
from portaria.database.upgrading import upgrade
from portaria.jobs.eager import EagerJob
from portaria.storage.document import Document
from portaria.storage.documents import Documents, open_documents


@pytest.fixture
def documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Documents:
    """Those that handlers open, too."""
    monkeypatch.setenv("PORTARIA_DATA_DIR", str(tmp_path / "data"))
    upgrade(open_database(), ())
    return open_documents()


@pytest.fixture
def stored(documents: Documents, tmp_path: Path) -> Callable[..., Document]:
    """Stores bytes, or text as UTF-8, under a name."""

    def store(content: bytes | str, filename: str = "dados.csv", **options: Any) -> Document:
        path = tmp_path / "stored"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return documents.put(path, filename=filename, **{"namespace": "default", **options})

    return store


@pytest.fixture
def job() -> EagerJob:
    """A job that has not run yet."""
    return EagerJob()
