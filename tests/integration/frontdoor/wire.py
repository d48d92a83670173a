"""Bytes that no library of ours would send."""

from __future__ import annotations

from collections.abc import Iterator

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message


def not_text(message: Message) -> Iterator[tuple[str, bytes]]:
    """For each text of a request, bytes that add one that is not UTF-8."""
    yield from _not_text(message.DESCRIPTOR, frozenset())


def _not_text(kind: Descriptor, above: frozenset[str]) -> Iterator[tuple[str, bytes]]:
    for field in kind.fields:
        if field.type == FieldDescriptor.TYPE_STRING:
            for bad in (b"a\xff", b"\xed\xa0\x80"):
                yield field.name, delimited(field.number, bad)
        elif field.message_type and field.message_type.full_name not in above:
            inner = _not_text(field.message_type, above | {kind.full_name})
            for path, raw in inner:
                yield f"{field.name}.{path}", delimited(field.number, raw)


def delimited(number: int, raw: bytes) -> bytes:
    """A field on the wire: what a client sends that does not check."""
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def varint(value: int) -> bytes:
    """An unsigned number on the wire."""
    encoded = b""
    while value > 127:
        encoded += bytes((value & 127 | 128,))
        value >>= 7
    return encoded + bytes((value,))
