"""Seals: what Redis holds is believed only where our key wrote it, for that purpose."""

from __future__ import annotations

import multiprocessing
import stat
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portaria.core.errors import ConfigurationError
from portaria.core.seal import KeyRing, SealBroken, load_key_ring

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
PURPOSE = "domain/mail"


@given(body=st.binary(max_size=300), purpose=st.text(max_size=40))
def test_what_was_sealed_opens(body: bytes, purpose: str) -> None:
    """Any bytes, for any purpose."""
    ring = KeyRing([NEW])

    assert ring.unseal(purpose, ring.seal(purpose, body)) == body


def test_a_change_of_any_bit_breaks_the_seal() -> None:
    """Format, key, MAC or body."""
    ring = KeyRing([NEW])
    sealed = ring.seal(PURPOSE, b"pay 10 to ana")

    for place in range(len(sealed)):
        for bit in range(8):
            changed = bytearray(sealed)
            changed[place] ^= 1 << bit
            with pytest.raises(SealBroken):
                ring.unseal(PURPOSE, bytes(changed))


def test_a_sealed_value_cannot_be_cut_or_grown() -> None:
    """At either end."""
    ring = KeyRing([NEW])
    sealed = ring.seal(PURPOSE, b"body")

    for changed in [sealed[:length] for length in range(len(sealed))] + [sealed + b"\x00"]:
        with pytest.raises(SealBroken):
            ring.unseal(PURPOSE, changed)


@pytest.mark.parametrize(
    "purpose", ["domain/erp", "namespace/mail", "domain/mai", "", "domain/mail "]
)
def test_a_seal_holds_for_one_purpose(purpose: str) -> None:
    """The key of one domain's workers seals nothing of another's."""
    ring = KeyRing([NEW])

    with pytest.raises(SealBroken, match="does not match"):
        ring.unseal(purpose, ring.seal(PURPOSE, b"body"))


def test_another_ring_opens_nothing() -> None:
    """And says that the key is not its own."""
    with pytest.raises(SealBroken, match="not in the ring"):
        KeyRing([OTHER]).unseal(PURPOSE, KeyRing([NEW]).seal(PURPOSE, b"body"))


def test_a_key_is_rotated_without_losing_what_it_sealed() -> None:
    """New seals use the newest key; old ones open as long as their key is in the ring."""
    before = KeyRing([OLD]).seal(PURPOSE, b"old")
    rotated = KeyRing([NEW, OLD])
    after = rotated.seal(PURPOSE, b"new")

    assert rotated.unseal(PURPOSE, before) == b"old"
    assert KeyRing([NEW]).unseal(PURPOSE, after) == b"new"
    with pytest.raises(SealBroken):
        KeyRing([NEW]).unseal(PURPOSE, before)


def test_an_old_key_id_with_the_new_keys_mac_is_broken() -> None:
    """The key that is named is the key that counts."""
    ring = KeyRing([NEW, OLD])
    old, new = KeyRing([OLD]).seal(PURPOSE, b"body"), ring.seal(PURPOSE, b"body")

    with pytest.raises(SealBroken):
        ring.unseal(PURPOSE, old[:5] + new[5:])


def test_a_ring_without_keys_is_refused() -> None:
    """It could neither seal nor open."""
    with pytest.raises(ConfigurationError, match="empty"):
        KeyRing([])


def test_the_key_file_is_made_once_and_only_for_its_owner(tmp_path: Path) -> None:
    """The second process reads what the first one made; no draft stays behind."""
    path = tmp_path / "data" / "signing.key"

    sealed = load_key_ring(path).seal(PURPOSE, b"body")

    assert load_key_ring(path).unseal(PURPOSE, sealed) == b"body"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["signing.key"]


def test_processes_that_start_at_once_agree_on_one_key(tmp_path: Path) -> None:
    """Door and workers of a first start: the first file wins, all read the same."""
    path = tmp_path / "signing.key"
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    with context.Pool(2, initializer=_meet, initargs=(barrier,)) as pool:
        sealed = pool.starmap(_seal_at_once, [(path, n) for n in range(2)], chunksize=1)

    ring = load_key_ring(path)
    assert [ring.unseal(PURPOSE, each) for each in sealed] == [b"0", b"1"]
    assert [each.name for each in tmp_path.iterdir()] == ["signing.key"]


def test_the_draft_of_a_crashed_start_is_in_nobodys_way(tmp_path: Path) -> None:
    """Also where every start has the same process number, as in a container."""
    for number in range(1, 3):
        (tmp_path / f".signing.key.{number}").write_text("half")

    load_key_ring(tmp_path / "signing.key")

    assert (tmp_path / "signing.key").exists()


def test_comments_and_blank_lines_are_allowed(tmp_path: Path) -> None:
    """So that people can note when a key was made; the newest comes first."""
    path = tmp_path / "ring"
    path.write_text(f"# ring of ação\n\n{NEW.hex().upper()}  # 2026\n{OLD.hex()}\n")

    ring = load_key_ring(path)

    assert ring.seal(PURPOSE, b"x") == KeyRing([NEW]).seal(PURPOSE, b"x")
    assert ring.unseal(PURPOSE, KeyRing([OLD]).seal(PURPOSE, b"x")) == b"x"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "holds no key"),
        (b"# nothing\n", "holds no key"),
        (b"secret-words", "64 hex digits"),
        (b"ab" * 31, "64 hex digits"),
        (b"ab" * 33, "64 hex digits"),
        (b"ab" * 32 + b"\ncd\n", "64 hex digits"),
        (b"\xff\xfe\x00binary", "64 hex digits"),
    ],
)
def test_a_bad_key_file_is_named_and_never_quoted(
    tmp_path: Path, content: bytes, words: str
) -> None:
    """What is wrong with which file, and not a character of what may be a key."""
    path = tmp_path / "ring"
    path.write_bytes(content)

    with pytest.raises(ConfigurationError) as refusal:
        load_key_ring(path)

    assert words in refusal.value.message
    assert str(path) in refusal.value.message
    assert "secret" not in refusal.value.message
    assert "abab" not in refusal.value.message


def test_a_key_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """A folder in its place, or a file in the place of its folder."""
    (tmp_path / "file").write_text("")

    for path in (tmp_path, tmp_path / "file" / "ring"):
        with pytest.raises(ConfigurationError, match="key ring"):
            load_key_ring(path)


_barrier: Barrier


def _meet(barrier: Barrier) -> None:
    global _barrier
    _barrier = barrier


def _seal_at_once(path: Path, number: int) -> bytes:
    _barrier.wait(10)
    return load_key_ring(path).seal(PURPOSE, str(number).encode())
