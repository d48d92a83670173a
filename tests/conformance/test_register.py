"""register: files of job types change together, once, and only as their reader saw them."""

from __future__ import annotations

from typing import Any

from conformance.kernel import Kernel
from portaria.store import keys
from portaria.store.types import register

FILES = {"a.proto": b"A", "b.proto": b"\x00B"}


def stored(kernel: Kernel) -> tuple[dict[bytes, bytes], str]:
    files: Any = kernel.redis.hgetall(keys.TYPES)
    revision: Any = kernel.redis.get(keys.TYPES_REVISION)
    return files, revision.decode() if revision else ""


def test_files_come_in_under_a_new_revision(kernel: Kernel) -> None:
    """And are replaced or taken out by the next."""
    assert kernel.store.run(register("", "one", FILES)) is True
    assert stored(kernel) == ({b"a.proto": b"A", b"b.proto": b"\x00B"}, "one")

    assert kernel.store.run(register("one", "two", {"a.proto": b"", "b.proto": b"C"})) is True
    assert stored(kernel) == ({b"b.proto": b"C"}, "two")


def test_who_saw_another_revision_changes_nothing(kernel: Kernel) -> None:
    """It has to look again: its files were not compared with these."""
    kernel.store.run(register("", "one", FILES))

    assert kernel.store.run(register("", "two", {"a.proto": b"X"})) is False
    assert kernel.store.run(register("zero", "two", {"a.proto": b"X"})) is False

    assert stored(kernel) == ({b"a.proto": b"A", b"b.proto": b"\x00B"}, "one")


def test_a_repeat_is_harmless(kernel: Kernel) -> None:
    """The reply to the first was lost."""
    kernel.store.run(register("", "one", FILES))

    assert kernel.store.run(register("", "one", FILES)) is True
    assert stored(kernel)[1] == "one"


def test_an_empty_set_is_a_revision_too(kernel: Kernel) -> None:
    """Nothing to register, and yet something to see."""
    assert kernel.store.run(register("", "one", {})) is True
    assert stored(kernel) == ({}, "one")
