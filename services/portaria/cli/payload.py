"""Messages from JSON: every fault at once, each with the path of its field."""

import difflib
import json
from collections.abc import Iterator, Mapping
from typing import Any

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from portaria.core.errors import InvalidRequest, Violation
from portaria.core.job_type import descriptor_of

PAYLOAD = "spec.payload"
_WELL_KNOWN = "google.protobuf."
_KINDS = {
    FieldDescriptor.CPPTYPE_STRING: "text",
    FieldDescriptor.CPPTYPE_BOOL: "true or false",
    FieldDescriptor.CPPTYPE_DOUBLE: "a number",
    FieldDescriptor.CPPTYPE_FLOAT: "a number",
    FieldDescriptor.CPPTYPE_INT32: "a whole number of 32 bits",
    FieldDescriptor.CPPTYPE_INT64: "a whole number of 64 bits",
    FieldDescriptor.CPPTYPE_UINT32: "a whole number of 32 bits, not negative",
    FieldDescriptor.CPPTYPE_UINT64: "a whole number of 64 bits, not negative",
}


def message_from_json(kind: type[Message], text: str) -> Message:
    """Parses a payload as protobuf's JSON. Raises InvalidRequest; values are not repeated."""
    data = load(text, PAYLOAD)
    faults = list(faults_of(descriptor_of(kind), data, PAYLOAD))
    if faults:
        raise InvalidRequest(faults)
    try:
        return json_format.ParseDict(data, kind())
    except json_format.ParseError:
        # What the walk below does not know; protobuf's own words would repeat values.
        raise InvalidRequest([fault(PAYLOAD, "is not valid JSON for this job type")]) from None


def load(text: str, path: str) -> Any:
    """What the text says, for the field at `path`. Raises InvalidRequest."""
    if not text.strip():
        raise InvalidRequest([fault(path, "is empty")])
    text = text.rstrip("\r\n")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return _unique(pairs, path)

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        where = f"{line}column {error.colno}"
        raise InvalidRequest([fault(path, f"not JSON: {error.msg} at {where}")]) from None
    except RecursionError:
        raise InvalidRequest([fault(path, "not JSON: nested too deeply")]) from None


def _unique(pairs: list[tuple[str, Any]], path: str) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest([fault(f"{path}.{twice}", "is given twice")])
    return found


def faults_of(descriptor: Descriptor, data: Any, path: str) -> Iterator[Violation]:
    """What of the data is not such a message, at `path`."""
    if not isinstance(data, dict):
        yield fault(path, f"expected an object, got {_kind_of(data)}")
        return
    known = {field.name: field for field in descriptor.fields}
    spellings = {field.json_name: field for field in descriptor.fields} | known
    for name, value in data.items():
        field = spellings.get(name)
        place = f"{path}.{name}"
        if field is None:
            yield fault(place, f"no such field{_near(name, list(known))}")
        elif value is not None:
            yield from _field(field, value, place)
    yield from _exclusions(descriptor, data, path)


def _exclusions(descriptor: Descriptor, data: Mapping[str, Any], path: str) -> Iterator[Violation]:
    for oneof in descriptor.oneofs:
        given = [
            each.name
            for each in oneof.fields
            if data.get(each.name) is not None or data.get(each.json_name) is not None
        ]
        if len(given) > 1:
            yield fault(f"{path}.{given[1]}", f"excludes {given[0]}")


def _field(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    entry = _map_value(field)
    if entry is not None:
        if not isinstance(value, dict):
            yield fault(path, f"expected an object, got {_kind_of(value)}")
            return
        for key, each in value.items():
            yield from _single(entry, each, f"{path}[{json.dumps(key)}]")
    elif field.is_repeated:
        if not isinstance(value, list):
            yield fault(path, f"expected a list, got {_kind_of(value)}")
            return
        for index, each in enumerate(value):
            yield from _single(field, each, f"{path}[{index}]")
    else:
        yield from _single(field, value, path)


def _single(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    message = field.message_type
    if message is not None and not message.full_name.startswith(_WELL_KNOWN):
        yield from faults_of(message, value, path)
    elif message is not None and message.full_name == AnyMessage.DESCRIPTOR.full_name:
        yield from _any(field, value, path)
    elif message is not None:
        if not _parses(field, value):
            yield fault(path, f"is not a {message.name} in JSON")
    elif not _parses(field, value):
        yield fault(path, _expected(field, value))


def _any(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    if not isinstance(value, dict):
        yield fault(path, f"expected an object, got {_kind_of(value)}")
        return
    name = value.get("@type")
    if not isinstance(name, str) or not name:
        yield fault(f"{path}.@type", "is required: the name of its type")
        return
    try:
        packed = descriptor_pool.Default().FindMessageTypeByName(name.rpartition("/")[2])
    except KeyError:
        yield fault(f"{path}.@type", "no such type is known here")
        return
    rest = {key: each for key, each in value.items() if key != "@type"}
    if not packed.full_name.startswith(_WELL_KNOWN):
        yield from faults_of(packed, rest, path)
    elif not _parses(field, value):
        yield fault(path, f"is not a {packed.name} in JSON")


def _parses(field: FieldDescriptor, value: Any) -> bool:
    """Whether protobuf takes the value: parsed alone, in a message of the field's own kind."""
    assert field.containing_type is not None  # only extensions have none
    owner = message_factory.GetMessageClass(field.containing_type)()
    try:
        json_format.ParseDict({field.name: [value] if field.is_repeated else value}, owner)
    except (json_format.ParseError, ValueError, TypeError):
        return False
    return True


def _expected(field: FieldDescriptor, value: Any) -> str:
    if field.enum_type is not None:
        names = [each.name for each in field.enum_type.values]
        near = _near(value, names) if isinstance(value, str) else ""
        return f"expected one of {', '.join(names)}{near}"
    expected = _KINDS.get(field.cpp_type, "another value")
    if field.type == FieldDescriptor.TYPE_BYTES:
        expected = "bytes in base64"
    if isinstance(value, str) and field.cpp_type == FieldDescriptor.CPPTYPE_STRING:
        return "holds half a surrogate pair"
    return f"expected {expected}, got {_kind_of(value)}"


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    kinds = {dict: "an object", list: "a list", str: "text", type(None): "null"}
    return kinds.get(type(value), "a number")


def _map_value(field: FieldDescriptor) -> FieldDescriptor | None:
    kind = field.message_type
    if kind is None or not kind.GetOptions().map_entry:
        return None
    return kind.fields_by_name["value"]


def _near(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f" (there are {', '.join(known)})" if known else ""


def fault(path: str, description: str) -> Violation:
    """What is wrong at a path."""
    return Violation(path, "JSON", description)
