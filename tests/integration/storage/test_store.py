"""What an object storage promises, held to the directory and to S3."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portaria.jobs.errors import PermanentError
from portaria.settings import load_settings
from portaria.storage.objects import ObjectMissing, ObjectStore
from portaria.storage.opening import open_store
from stack.s3 import S3Server

KEY = "default/2026/11/0a1b-2c3d.pdf"
TYPE = "application/pdf"
BAD_KEYS = [
    "", "/", "/etc/passwd", "../x", "a/../b", "a/..", "a//b", "a/", "./a", "a/./b", ".hidden",
    "a/.unfinished/x", "%2e%2e/x", "a%2fb", "a\\b", "a b", "a\0", "a\n", "é", "-a", "a" * 201,
    f"{'a' * 100}/" * 10 + "a" * 15, "http://x/y", "~/x",
]  # fmt: skip


def put(store: ObjectStore, key: str, content: bytes, folder: Path) -> None:
    """Puts bytes."""
    source = folder / "put"
    source.write_bytes(content)
    store.put(key, source, content_type=TYPE, filename="fatura nº 1.pdf")


def content(store: ObjectStore, key: str) -> bytes:
    """All of an object."""
    with store.reading(key) as file:
        return file.read()


def test_what_was_put_is_read_and_can_be_sought(store: ObjectStore, tmp_path: Path) -> None:
    """More than a chunk, and more than fits into one part of an upload."""
    big = bytes(range(256)) * 40_000

    put(store, KEY, big, tmp_path)

    assert content(store, KEY) == big
    with store.reading(KEY) as file:
        assert file.seek(0, 2) == len(big)
        file.seek(1_000_003)
        assert file.read(5) == big[1_000_003:1_000_008]


def test_an_empty_object_is_one(store: ObjectStore, tmp_path: Path) -> None:
    """Nothing is something."""
    put(store, KEY, b"", tmp_path)

    assert (content(store, KEY), store.info(KEY).size) == (b"", 0)


def test_what_is_known_of_an_object(store: ObjectStore, tmp_path: Path) -> None:
    """Its size, and when it was put, in UTC."""
    put(store, KEY, b"12345", tmp_path)

    info = store.info(KEY)

    assert (info.key, info.size) == (KEY, 5)
    assert info.modified.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - info.modified) < timedelta(seconds=5)


def test_a_put_replaces_and_a_reader_keeps_what_it_has(store: ObjectStore, tmp_path: Path) -> None:
    """Who reads is not disturbed; who comes later reads the new."""
    put(store, KEY, b"old", tmp_path)

    with store.reading(KEY) as file:
        put(store, KEY, b"new", tmp_path)
        assert file.read() == b"old"

    assert content(store, KEY) == b"new"


def test_what_is_missing_is_said(store: ObjectStore, tmp_path: Path) -> None:
    """For good: no retry brings it back. To delete it is no fault."""
    put(store, KEY, b"there", tmp_path)
    for key in ("default/2026/11/other.pdf", "default/2026/11", "default", f"{KEY}/below"):
        with pytest.raises(ObjectMissing), store.reading(key):
            pass
        with pytest.raises(ObjectMissing):
            store.info(key)
        store.delete(key)

    store.delete(KEY)
    store.delete(KEY)

    with pytest.raises(ObjectMissing):
        store.info(KEY)


def test_objects_are_found_by_how_their_keys_begin(store: ObjectStore, tmp_path: Path) -> None:
    """As text, not as directories."""
    keys = {"a/1/x.pdf", "a/1/y.pdf", "a/12/x.pdf", "ab/1/x.pdf"}
    for key in keys:
        put(store, key, b"123", tmp_path)

    def found(prefix: str) -> set[str]:
        return {each.key for each in store.find(prefix)}

    assert {each.key: each.size for each in store.find()} == dict.fromkeys(keys, 3)
    assert found("a/1") == {"a/1/x.pdf", "a/1/y.pdf", "a/12/x.pdf"}
    assert found("a/1/") == {"a/1/x.pdf", "a/1/y.pdf"}
    assert found("a/1/x") == {"a/1/x.pdf"}
    assert found("a") == keys
    assert found("b") == found("a/1/x.pdf/") == found("../a") == found("/") == set()


def test_a_key_that_no_server_made_is_refused(store: ObjectStore, source: Path) -> None:
    """Row 58 of the bad inputs: before anything is touched, and for good."""
    uses: list[Callable[[str], object]] = [
        lambda key: store.put(key, source, content_type=TYPE),
        lambda key: store.reading(key).__enter__(),
        store.info,
        store.delete,
        lambda key: store.link(key, filename="a", content_type=TYPE, good_for=timedelta(1)),
    ]
    for key in BAD_KEYS:
        for use in uses:
            with pytest.raises(PermanentError) as refused:
                use(key)
            assert refused.value.reason == "KEY_FORMAT"
            assert not key or key not in str(refused.value)
    assert list(store.find()) == []


def test_a_source_that_cannot_be_read_is_the_callers_fault(
    store: ObjectStore, tmp_path: Path
) -> None:
    """And leaves what was there."""
    put(store, KEY, b"old", tmp_path)

    for source in (tmp_path / "nothing", tmp_path):
        with pytest.raises(OSError):
            store.put(KEY, source, content_type=TYPE)

    assert content(store, KEY) == b"old"


def test_a_link_of_s3_offers_the_name_and_ends(s3: S3Server, tmp_path: Path) -> None:
    """Without any credentials; and its end is signed."""
    store = open_store(load_settings(s3.settings(s3.create_bucket())))
    put(store, KEY, b"123", tmp_path)

    link = store.link(KEY, filename="x", content_type=TYPE, good_for=timedelta(minutes=2))

    assert "X-Amz-Expires=120" in link
    with urllib.request.urlopen(link, timeout=5) as answer:
        assert answer.read() == b"123"
        assert answer.headers["Content-Type"] == TYPE
        assert answer.headers["Content-Disposition"] == (
            "attachment; filename=\"fatura no 1.pdf\"; filename*=UTF-8''fatura%20n%C2%BA%201.pdf"
        )


def test_a_link_of_s3_is_no_longer_good_than_its_key(
    s3: S3Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role's token ends it within hours."""
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of-a-role")
    store = open_store(load_settings(s3.settings(s3.create_bucket())))
    put(store, KEY, b"123", tmp_path)

    link = store.link(KEY, filename="x", content_type=TYPE, good_for=timedelta(days=7))

    assert "X-Amz-Expires=3600" in link
    assert "X-Amz-Security-Token=of-a-role" in link
