"""Which storage the settings name, and what they lack; nothing is connected."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from portaria.core.errors import ConfigurationError
from portaria.settings import load_settings
from portaria.storage.local import LocalStore
from portaria.storage.opening import open_store, root_of
from portaria.storage.s3 import S3Objects

SECRET = "s3cret-w0rd"


def opened(**values: str) -> object:
    """The storage of these variables."""
    return open_store(load_settings({f"PORTARIA_{name}": text for name, text in values.items()}))


def test_the_usual_one_is_a_directory(tmp_path: Path) -> None:
    """In the data dir, or where the URL says."""
    assert isinstance(opened(), LocalStore)
    assert root_of(load_settings({})).is_absolute()
    given = load_settings({"PORTARIA_STORAGE_URL": "file:///var/a%20b"})
    assert root_of(given) == Path("/var/a b")


def test_s3_takes_its_keys_from_a_file(tmp_path: Path) -> None:
    """Alone in it."""
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")

    store = opened(
        STORAGE_URL="s3://bucket/x",
        S3_ENDPOINT="http://127.0.0.1:9",
        S3_REGION="us-east-1",
        S3_ACCESS_KEY_ID="key",
        S3_SECRET_KEY_FILE=str(secret),
    )

    assert isinstance(store, S3Objects)
    assert store.longest_link == timedelta(days=7)


@pytest.mark.parametrize(
    ("given", "hours"),
    [
        ({}, 1),
        ({"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": SECRET}, 7 * 24),
        (
            {
                "AWS_ACCESS_KEY_ID": "key",
                "AWS_SECRET_ACCESS_KEY": SECRET,
                "AWS_SESSION_TOKEN": "token",
            },
            1,
        ),
    ],
    ids=["role", "key", "token"],
)
def test_links_of_a_machine_s_role_are_short(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], hours: int
) -> None:
    """S3 ends them with the role's token, whatever they say."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in given.items():
        monkeypatch.setenv(name, value)

    store = opened(STORAGE_URL="s3://bucket", S3_REGION="us-east-1")

    assert isinstance(store, S3Objects)
    assert store.longest_link == timedelta(hours=hours)


@pytest.mark.parametrize("content", [None, b"", b"\n", f"{SECRET} {SECRET}".encode(), b"\xff"])
def test_a_secret_that_cannot_be_used_is_said(tmp_path: Path, content: bytes | None) -> None:
    """By the name of its setting, never by its text."""
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_bytes(content)

    with pytest.raises(ConfigurationError, match="PORTARIA_S3_SECRET_KEY_FILE") as error:
        opened(
            STORAGE_URL="s3://bucket",
            S3_ACCESS_KEY_ID="key",
            S3_SECRET_KEY_FILE=str(secret),
        )

    assert SECRET not in str(error.value)


def test_a_key_without_its_secret_is_said() -> None:
    """With what is missing."""
    with pytest.raises(ConfigurationError, match="needs PORTARIA_S3_SECRET_KEY_FILE"):
        opened(STORAGE_URL="s3://bucket", S3_ACCESS_KEY_ID="key")
