"""The directory: private, atomic whatever is killed, and blind to what lies outside of it."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from portaria.storage.local import LocalStore
from portaria.storage.objects import ObjectMissing, StorageUnavailable
from stack import Processes

KEY = "default/2026/11/a.txt"
TYPE = "text/plain"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Where the objects lie."""
    return tmp_path / "data" / "objects"


@pytest.fixture
def local(root: Path) -> LocalStore:
    """An empty one; the root is not there yet."""
    return LocalStore(root)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A directory with a secret."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "a.txt").write_text("secret")
    return folder


def test_only_its_owner_reads_it(local: LocalStore, root: Path, source: Path) -> None:
    """Directories 0700, files 0600, also under a careless umask."""
    before = os.umask(0)
    try:
        local.put(KEY, source, content_type=TYPE)
    finally:
        os.umask(before)

    below = [root, *root.rglob("*")]
    modes = {path.is_dir(): stat.S_IMODE(path.stat().st_mode) for path in below}
    assert modes == {True: 0o700, False: 0o600}


def test_an_empty_storage_has_nothing(local: LocalStore, root: Path) -> None:
    """To look makes nothing."""
    assert list(local.find()) == []
    assert local.delete_unfinished(datetime.now(UTC)) == 0
    local.delete(KEY)
    with pytest.raises(ObjectMissing):
        local.info(KEY)
    assert not root.exists()


def test_a_symbolic_link_in_the_place_of_an_object_is_none(
    local: LocalStore, root: Path, source: Path, outside: Path
) -> None:
    """Not read, not found; a put or a delete takes its place and leaves what it leads to."""
    (root / KEY).parent.mkdir(parents=True)
    (root / KEY).symlink_to(outside / "a.txt")

    with pytest.raises(ObjectMissing), local.reading(KEY):
        pass
    with pytest.raises(ObjectMissing):
        local.info(KEY)
    assert list(local.find()) == []
    local.put(KEY, source, content_type=TYPE)

    with local.reading(KEY) as file:
        assert file.read() == b"content"
    assert (outside / "a.txt").read_text() == "secret"
    local.delete(KEY)
    (root / KEY).symlink_to(outside / "a.txt")
    local.delete(KEY)
    assert (outside / "a.txt").read_text() == "secret"


@pytest.mark.parametrize("linked", ["default", "default/2026/11"])
def test_a_symbolic_link_among_the_directories_leads_nowhere(
    local: LocalStore, root: Path, source: Path, outside: Path, linked: str
) -> None:
    """Nothing outside is read, listed, written or deleted."""
    below = KEY.removeprefix(f"{linked}/")
    (outside / below).parent.mkdir(parents=True, exist_ok=True)
    (outside / below).write_text("secret")
    (root / linked).parent.mkdir(parents=True, exist_ok=True)
    (root / linked).symlink_to(outside)
    before = sorted(outside.rglob("*"))

    with pytest.raises(ObjectMissing), local.reading(KEY):
        pass
    with pytest.raises(StorageUnavailable) as refused:
        local.put(KEY, source, content_type=TYPE)
    local.delete(KEY)

    assert str(root) not in str(refused.value)
    assert list(local.find()) == list(local.find("default/2026/11/")) == []
    assert sorted(outside.rglob("*")) == before
    assert (outside / below).read_text() == "secret"


def test_what_is_no_file_is_no_object(local: LocalStore, root: Path, source: Path) -> None:
    """A pipe would hold whoever opens it for ever."""
    local.put(KEY, source, content_type=TYPE)
    os.mkfifo(root / "default/2026/11/pipe")
    (root / "default/2026/11/with blank").write_text("x")

    with pytest.raises(ObjectMissing), local.reading("default/2026/11/pipe"):
        pass
    assert [each.key for each in local.find()] == [KEY]


def test_a_put_that_fails_leaves_the_old_and_no_draft(
    local: LocalStore, root: Path, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk, between the bytes and the name."""
    local.put(KEY, source, content_type=TYPE)
    source.write_bytes(b"new")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device", str(root))

    monkeypatch.setattr(os, "rename", full)
    with pytest.raises(StorageUnavailable, match="cannot be used now: No space left") as refused:
        local.put(KEY, source, content_type=TYPE)

    assert str(root) not in str(refused.value)
    assert not list((root / ".unfinished").iterdir())
    with local.reading(KEY) as file:
        assert file.read() == b"content"


def test_kill_minus_nine_leaves_the_old_or_the_new(
    processes: Processes, root: Path, local: LocalStore, tmp_path: Path
) -> None:
    """At 60 moments of puts of up to 2 MiB: never a part, and never one beside the others."""
    script = Path(__file__).with_name("put_kills.py")
    process = processes.python("kills", script, root, tmp_path, "60")

    code = process.wait(40)

    assert code == 0, process.tail()
    assert [each.key for each in local.find()] == ["default/a.bin"]
    left = list((root / ".unfinished").iterdir())
    # Kills hit puts, not only what is between them.
    assert left
    assert local.delete_unfinished(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert local.delete_unfinished(datetime.now(UTC) + timedelta(hours=1)) == len(left)
    assert not list((root / ".unfinished").iterdir())
