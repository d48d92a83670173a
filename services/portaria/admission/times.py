"""Moments and spans that are none: their bytes can be read, but nothing can be done with them.

No rule of a message says so, and expressions over such values cannot even be judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from portaria.admission.names import shown_key
from portaria.core.clock import FIRST_SECOND, LAST_SECOND
from portaria.core.errors import Violation
from portaria.core.job_type import descriptor_of

# The span of the years 1 to 9999, as google.protobuf.Duration has it.
_LONGEST_SECONDS = 315_576_000_000
_NANOS = 10**9

_Shape = Literal["one", "list", "map"]
_MOMENT, _SPAN = Timestamp.DESCRIPTOR.full_name, Duration.DESCRIPTOR.full_name
_Route = Sequence[tuple[str, _Shape, str]]
"""Name and shape of a field, and the full name of its message."""


class Times:
    """Finds them in messages; which fields of a type lead to times is looked up once."""

    def __init__(self) -> None:
        self._routes: dict[Descriptor, _Route] = {}

    def faults(self, message: Message, path: str = "") -> Iterator[Violation]:
        """A violation for each, its path from `message`. Payloads in an Any are not looked into."""
        for name, shape, kind in self._route(descriptor_of(type(message))):
            if shape == "one":
                if message.HasField(name):
                    yield from self._of_value(getattr(message, name), kind, path + name)
            else:
                for key, value in _items(getattr(message, name)):
                    yield from self._of_value(value, kind, f"{path}{name}[{key}]")

    def _of_value(self, value: Any, kind: str, path: str) -> Iterator[Violation]:
        # By name: a payload's classes are of a pool of their own.
        if kind == _MOMENT:
            if not is_moment(value):
                yield Violation(path, "OUT_OF_RANGE", "is not in the years 1 to 9999")
        elif kind == _SPAN:
            if not is_span(value):
                text = "is not a span of at most 10,000 years with seconds and nanos of one sign"
                yield Violation(path, "OUT_OF_RANGE", text)
        else:
            yield from self.faults(value, f"{path}.")

    def _route(self, kind: Descriptor) -> _Route:
        found = self._routes.get(kind)
        if found is None:
            found = self._routes[kind] = [
                (field.name, _shape(field), _kind(field))
                for field in kind.fields
                if _leads_to_times(field)
            ]
        return found


def is_moment(moment: Timestamp) -> bool:
    """Whether it is a moment at all."""
    return FIRST_SECOND <= moment.seconds <= LAST_SECOND and 0 <= moment.nanos < _NANOS


def is_span(span: Duration) -> bool:
    """Whether it is a span at all."""
    seconds, nanos = span.seconds, span.nanos
    return abs(seconds) <= _LONGEST_SECONDS and abs(nanos) < _NANOS and seconds * nanos >= 0


def _leads_to_times(field: FieldDescriptor) -> bool:
    """Whether its messages hold times, however deep; types may hold themselves."""
    left, seen = [field.message_type] if field.message_type else [], set()
    while left:
        kind = left.pop()
        if kind.full_name in (_MOMENT, _SPAN):
            return True
        if kind.full_name not in seen:
            seen.add(kind.full_name)
            left += [each.message_type for each in kind.fields if each.message_type]
    return False


def _shape(field: FieldDescriptor) -> _Shape:
    if not field.is_repeated:
        return "one"
    entry = field.message_type
    return "map" if entry is not None and entry.GetOptions().map_entry else "list"


def _kind(field: FieldDescriptor) -> str:
    """Of its values, where it is a map."""
    kind = field.message_type
    if kind is not None and _shape(field) == "map":
        kind = kind.fields_by_name["value"].message_type
    return kind.full_name if kind is not None else ""


def _items(values: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(values, Mapping):
        for key in values:
            yield shown_key(key), values[key]
    else:
        for number, value in enumerate(values):
            yield str(number), value
