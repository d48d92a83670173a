"""Values that sooner or later somebody gives a field, by its type and its bounds."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from buf.validate import validate_pb2

_LAST_SECOND, _FIRST_SECOND = 253_402_300_799, -62_135_596_800
_LONGEST_SPAN = 315_576_000_000
_INT64 = 2**63 - 1
_TEXTS = ("", "0", "\0", "a\x01\x1f\x7f", "é ☃", "a b", "../x", "*", "nobody@", "x" * 10_000)
URLS = ("", "x", "/", "x/", "x/\0", "x/no.such.Type", "x/google.protobuf.Duration")
MOMENTS = (
    Timestamp(),
    Timestamp(seconds=-1),
    Timestamp(nanos=1),
    Timestamp(seconds=4_000_000_000),
    Timestamp(seconds=_FIRST_SECOND),
    Timestamp(seconds=_LAST_SECOND, nanos=999_999_999),
)
NO_MOMENTS = (
    Timestamp(seconds=_FIRST_SECOND - 1),
    Timestamp(seconds=_LAST_SECOND + 1),
    Timestamp(seconds=_INT64),
    Timestamp(seconds=-_INT64 - 1),
    Timestamp(seconds=1_700_000_000, nanos=-1),
    Timestamp(seconds=1_700_000_000, nanos=10**9),
)
SPANS = (
    Duration(),
    Duration(nanos=1),
    Duration(seconds=-1),
    Duration(nanos=-1),
    Duration(seconds=_LONGEST_SPAN),
    Duration(seconds=-_LONGEST_SPAN),
)
NO_SPANS = (
    Duration(seconds=_LONGEST_SPAN + 1),
    Duration(seconds=_INT64, nanos=999_999_999),
    Duration(seconds=-_INT64 - 1),
    Duration(seconds=1, nanos=-1),
    Duration(seconds=-1, nanos=1),
    Duration(seconds=1, nanos=10**9),
)
_RANGES = {
    FieldDescriptor.CPPTYPE_INT32: (-(2**31), -1, 0, 2**31 - 1),
    FieldDescriptor.CPPTYPE_INT64: (-_INT64 - 1, -1, 0, _INT64),
    FieldDescriptor.CPPTYPE_UINT32: (0, 2**32 - 1),
    FieldDescriptor.CPPTYPE_UINT64: (0, 2 * _INT64 + 1),
    FieldDescriptor.CPPTYPE_DOUBLE: (math.nan, math.inf, -math.inf, -0.0, 5e-324, -1e308),
    FieldDescriptor.CPPTYPE_FLOAT: (math.nan, math.inf, -math.inf, -0.0),
    FieldDescriptor.CPPTYPE_BOOL: (False, True),
    FieldDescriptor.CPPTYPE_ENUM: (0, 999, -1),
}


def scalars(field: FieldDescriptor, rules: Any) -> Iterator[Any]:
    """Of a field that is no message."""
    if field.type == FieldDescriptor.TYPE_STRING:
        yield from _TEXTS
        # One that is right, which other fields may not go with.
        yield "0" * 32
        yield from getattr(rules, "in", ())
        for name in ("max_len", "max_bytes"):
            if longest := getattr(rules, name, 0):
                yield "x" * (longest + 1)
    elif field.type == FieldDescriptor.TYPE_BYTES:
        yield from (b"", b"\0", b"\xff" * 10_000)
    else:
        yield from _RANGES[field.cpp_type]
        for limit in limits(rules):
            yield from (limit - 1, limit + 1) if not isinstance(limit, bool) else ()


def limits(rules: Any) -> Iterator[Any]:
    """What rules set as bounds; for times, what lies right beyond."""
    for name, beyond in (("gt", 0), ("gte", -1), ("lt", 0), ("lte", 1)):
        if rules and name in rules.DESCRIPTOR.fields_by_name and rules.HasField(name):
            limit = getattr(rules, name)
            if isinstance(limit, Duration | Timestamp):
                limit = type(limit)(seconds=limit.seconds + beyond, nanos=limit.nanos)
            yield limit


def rules_for(field: FieldDescriptor) -> Any:
    """The rules for a field's type; None where there are none."""
    return typed(field.GetOptions().Extensions[validate_pb2.field])


def typed(rules: Any) -> Any:
    """Those for the type, of all that a field may have."""
    kind = rules.WhichOneof("type") if rules else None
    return getattr(rules, kind) if kind else None


def in_words(value: Any) -> str:
    """For a person."""
    text = repr(value) if not isinstance(value, Message) else str(value).replace("\n", " ")
    return text if len(text) < 60 else f"{text[:50]}… ({len(text)})"
