"""Wrong values for every field of a message, found by its descriptor.

Each changes one place of a message in which nothing is wrong, so that an answer can be held against
that one place.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from integration.frontdoor.declared import unpacked
from integration.frontdoor.values import (
    MOMENTS,
    NO_MOMENTS,
    NO_SPANS,
    SPANS,
    URLS,
    in_words,
    limits,
    rules_for,
    scalars,
    typed,
)

MANY = 1_100


@dataclass(frozen=True, slots=True)
class Wrong:
    """A message that may be wrong in one place."""

    path: str
    value: str
    """For a person."""
    message: Message
    impossible: bool = False
    """Not even a value of its type, though its bytes can be read."""

    def inside(self, path: str, message: Message) -> Wrong:
        """The same, seen from the message around."""
        return Wrong(path, self.value, message, self.impossible)


def wrong_values(good: Message) -> Iterator[Wrong]:
    """Every wrong value of every field, those of its parts included."""
    yield from _of_message(good, frozenset())


def _of_message(good: Message, above: frozenset[str]) -> Iterator[Wrong]:
    if isinstance(good, AnyMessage):
        yield from _of_any(good)
        return
    for field in good.DESCRIPTOR.fields:
        if field.message_type and field.message_type.GetOptions().map_entry:
            yield from _of_map(good, field)
        elif field.is_repeated:
            yield from _of_list(good, field, above)
        elif field.message_type:
            yield from _of_part(good, field, above)
        else:
            for value in scalars(field, rules_for(field)):
                yield _changed(good, field.name, value)


def _of_part(good: Message, field: FieldDescriptor, above: frozenset[str]) -> Iterator[Wrong]:
    yield _changed(good, field.name, None)
    name = good.DESCRIPTOR.full_name
    for each in _parts(getattr(good, field.name), rules_for(field), above | {name}):
        copy = _copy(good)
        getattr(copy, field.name).CopyFrom(each.message)
        yield each.inside(_dotted(field.name, each.path), copy)


def _parts(part: Message, rules: Any, above: frozenset[str]) -> Iterator[Wrong]:
    """Of a message that is a value: times are, too."""
    name = part.DESCRIPTOR.full_name
    if name in above:
        return  # what holds itself has been walked one level higher
    if isinstance(part, Struct):
        yield from _structs()
        return
    times = {Timestamp.DESCRIPTOR: (MOMENTS, NO_MOMENTS), Duration.DESCRIPTOR: (SPANS, NO_SPANS)}
    if part.DESCRIPTOR not in times:
        assert isinstance(part, (AnyMessage, FieldMask)) or not name.startswith("google."), (
            f"no values of {name}"
        )
        yield from _of_message(part, above)
        return
    possible, impossible = times[part.DESCRIPTOR]
    for each in (*possible, *limits(rules)):
        yield Wrong("", in_words(each), each)
    for each in impossible:
        yield Wrong("", in_words(each), each, impossible=True)


def _structs() -> Iterator[Wrong]:
    """Free JSON: whatever it is, it is one."""
    for value in ({}, {"": None}, {"a": {"b": [1.5, "x", [True]]}}, {"n": float("nan")}):
        struct = Struct()
        struct.update(value)
        yield Wrong("", str(value), struct)


def _of_list(good: Message, field: FieldDescriptor, above: frozenset[str]) -> Iterator[Wrong]:
    rules = rules_for(field)
    items = typed(rules.items) if rules else None
    given = list(getattr(good, field.name))
    yield _changed(good, field.name, None)
    first = given[0] if given else _empty(field)
    limit = getattr(rules, "max_items", 0)
    yield _listed(good, field, [first] * (limit + 1 if limit else MANY), "too many")
    yield _listed(good, field, [first, first], "twice the same")
    place = f"{field.name}[0]"
    if field.message_type:
        for each in _parts(first, items, above | {good.DESCRIPTOR.full_name}):
            copy = _listed(good, field, [each.message, *given[1:]], "").message
            yield each.inside(_dotted(place, each.path), copy)
        return
    for value in scalars(field, items):
        changed = _listed(good, field, [value, *given[1:]], in_words(value))
        yield Wrong(place, changed.value, changed.message)


def _of_map(good: Message, field: FieldDescriptor) -> Iterator[Wrong]:
    rules, entry = rules_for(field), field.message_type.fields_by_name
    keys = [*scalars(entry["key"], typed(rules.keys) if rules else None), "x" * 64, "x" * 300]
    for key in keys:
        yield _mapped(good, field, {key: "v"}, f"key {in_words(key)}")
    for value in scalars(entry["value"], typed(rules.values) if rules else None):
        yield _mapped(good, field, {"k": value}, in_words(value))
    count = rules.max_pairs + 1 if rules and rules.max_pairs else MANY
    many = {f"k{number}": "v" for number in range(count)}
    yield _mapped(good, field, many, "too many")


def _of_any(good: AnyMessage) -> Iterator[Wrong]:
    for url in (*URLS, good.type_url * 9):
        yield Wrong("", f"type {in_words(url)}", AnyMessage(type_url=url, value=good.value))
    for raw in (b"\xff\xff", good.value[:-1], b"\x0a\x01\xff", b"\x00"):
        yield Wrong("", in_words(raw), AnyMessage(type_url=good.type_url, value=raw))
    inner = unpacked(good)
    for each in _of_message(inner, frozenset()) if inner is not None else ():
        packed = AnyMessage()
        packed.Pack(each.message)
        yield each.inside(each.path, packed)


def _changed(good: Message, name: str, value: Any) -> Wrong:
    copy = _copy(good)
    if value is None:
        copy.ClearField(name)
    else:
        setattr(copy, name, value)
    return Wrong(name, "nothing" if value is None else in_words(value), copy)


def _listed(good: Message, field: FieldDescriptor, values: list[Any], words: str) -> Wrong:
    copy = _copy(good)
    copy.ClearField(field.name)
    getattr(copy, field.name).extend(values)
    return Wrong(field.name, words, copy)


def _mapped(good: Message, field: FieldDescriptor, pairs: dict[Any, Any], words: str) -> Wrong:
    copy = _copy(good)
    copy.ClearField(field.name)
    getattr(copy, field.name).update(pairs)
    return Wrong(field.name, words, copy)


def _empty(field: FieldDescriptor) -> Any:
    if field.message_type:
        return GetMessageClass(field.message_type)()
    return "" if field.cpp_type == FieldDescriptor.CPPTYPE_STRING else 0


def _copy(message: Message) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _dotted(path: str, rest: str) -> str:
    return f"{path}.{rest}" if rest else path
