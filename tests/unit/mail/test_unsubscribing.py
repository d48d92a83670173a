"""Links by which people leave the list."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import pytest

from portaria.jobs import PermanentError
from portaria.settings import Settings
from portaria_workers.mail.addresses import address_digest
from portaria_workers.mail.unsubscribing import Unsubscribing, read_token

BASE = "https://portaria.example/u"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(unsubscribe_url=BASE, signing_key_file=tmp_path / "key")


def token(settings: Settings, address: str = "ana@example.com", namespace: str = "default") -> str:
    unsubscribing = Unsubscribing.open(settings, namespace)
    assert unsubscribing is not None
    url = unsubscribing.url(address)
    assert url.startswith(f"{BASE}/")
    return url.removeprefix(f"{BASE}/")


def test_a_token_stands_for_an_address(settings: Settings) -> None:
    """However it was written; the same each time, fit for a URL and a header."""
    made = token(settings, "Ana@Example.com")

    assert made == token(settings, "ana@example.com")
    assert re.fullmatch(r"[A-Za-z0-9_-]{50,199}", made)
    assert read_token(made, settings, "default") == address_digest("ana@example.com")


def test_a_token_names_nobody(settings: Settings) -> None:
    """Whoever finds it in a log cannot read the address."""
    raw = base64.urlsafe_b64decode(token(settings) + "==")

    assert b"ana" not in raw
    assert b"example.com" not in raw


def test_each_changed_token_is_refused(settings: Settings) -> None:
    """Every character of it counts, and so does the namespace."""
    made = token(settings)
    wrong = [made[:place] + ("A" if made[place] != "A" else "B") + made[place + 1 :]
             for place in range(len(made) - 1)]  # fmt: skip
    wrong += ["", "A", made[:-4], made + "AAAA", "é", "-----BEGIN", token(settings, namespace="x")]

    for each in wrong:
        with pytest.raises(PermanentError) as caught:
            read_token(each, settings, "default")
        assert caught.value.reason == "TOKEN"


def test_tokens_of_another_key_are_refused(settings: Settings, tmp_path: Path) -> None:
    """And those of an old key are taken for as long as it is in the ring."""
    other = Settings(unsubscribe_url=BASE, signing_key_file=tmp_path / "other")
    made = token(settings)
    with pytest.raises(PermanentError):
        read_token(made, other, "default")

    ring = Settings(unsubscribe_url=BASE, signing_key_file=tmp_path / "ring")
    (tmp_path / "ring").write_text(f"{'1' * 64}\n" + (tmp_path / "key").read_text())

    assert read_token(made, ring, "default") == address_digest("ana@example.com")
    assert token(ring) != made


def test_without_a_url_there_are_no_links(tmp_path: Path) -> None:
    """And no key is made for them."""
    settings = Settings(signing_key_file=tmp_path / "key")

    assert Unsubscribing.open(settings, "default") is None
    assert list(tmp_path.iterdir()) == []
