"""A payload from JSON: every fault at once, each with the path of its field."""

import difflib
import json
from collections.abc import Iterator
from typing import Any

from google.protobuf import json_format, message_factory
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from portaria.core.errors import InvalidRequest, Violation
from portaria.core.job_type import descriptor_of

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
    data = _load(text)
    faults = list(_message(descriptor_of(kind), data, ""))
    if faults:
        raise InvalidRequest(faults)
    try:
        return json_format.ParseDict(data, kind())
    except json_format.ParseError:
        # What the walk below does not know; protobuf's own words would repeat values.
        raise InvalidRequest([_fault("", "is not valid JSON for this job type")]) from None


def _load(text: str) -> Any:
    if not text.strip():
        raise InvalidRequest([_fault("", "is empty")])
    text = text.rstrip("\r\n")
    try:
        return json.loads(text, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        line = f"line {error.lineno}, " if "\n" in text else ""
        where = f"{line}column {error.colno}"
        raise InvalidRequest([_fault("", f"not JSON: {error.msg} at {where}")]) from None
    except RecursionError:
        raise InvalidRequest([_fault("", "not JSON: nested too deeply")]) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidRequest([_fault(twice, "is given twice")])
    return found


def _message(descriptor: Descriptor, data: Any, path: str) -> Iterator[Violation]:
    if not isinstance(data, dict):
        yield _fault(path, f"expected an object, got {_kind_of(data)}")
        return
    known = {field.name: field for field in descriptor.fields}
    spellings = {field.json_name: field for field in descriptor.fields} | known
    for name, value in data.items():
        field = spellings.get(name)
        place = f"{path}.{name}" if path else name
        if field is None:
            yield _fault(place, f"no such field{_near(name, list(known))}")
        elif value is not None:
            yield from _field(field, value, place)


def _field(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    entry = _map_value(field)
    if entry is not None:
        if not isinstance(value, dict):
            yield _fault(path, f"expected an object, got {_kind_of(value)}")
            return
        for key, each in value.items():
            yield from _single(entry, each, f"{path}[{json.dumps(key)}]")
    elif field.is_repeated:
        if not isinstance(value, list):
            yield _fault(path, f"expected a list, got {_kind_of(value)}")
            return
        for index, each in enumerate(value):
            yield from _single(field, each, f"{path}[{index}]")
    else:
        yield from _single(field, value, path)


def _single(field: FieldDescriptor, value: Any, path: str) -> Iterator[Violation]:
    message = field.message_type
    if message is not None and not message.full_name.startswith(_WELL_KNOWN):
        yield from _message(message, value, path)
    elif message is not None:
        if not _parses(field, value):
            yield _fault(path, f"is not a {message.name} in JSON")
    elif not _parses(field, value):
        yield _fault(path, _expected(field, value))


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


def _fault(path: str, description: str) -> Violation:
    return Violation(f"spec.payload.{path}" if path else "spec.payload", "JSON", description)
