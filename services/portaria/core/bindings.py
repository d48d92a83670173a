"""Bindings: fields of a job's payload that are filled from the result of a job before it.

Paths name fields as their .proto file does, with dots: "document.key". They lead through single
messages only, never through lists or maps; a list may be at their end.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from portaria.core.errors import InvalidRequest, Violation
from portaria.core.job_type import JobType

LONGEST_PATH = 255
DEEPEST_PATH = 16

_PATH = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*")
_MOST_NAMES = 20
_TYPES = {
    getattr(FieldDescriptor, name): name.removeprefix("TYPE_").lower()
    for name in dir(FieldDescriptor)
    if name.startswith("TYPE_")
}


def result_of(job_type: JobType) -> Descriptor | None:
    """What its handlers return; None for nothing."""
    if not job_type.result_type:
        return None
    pool = cast("Descriptor", job_type.message.DESCRIPTOR).file.pool
    return pool.FindMessageTypeByName(job_type.result_type)


def binding_faults(
    result: Descriptor | None, from_field: str, payload: Descriptor, to_field: str
) -> list[Violation]:
    """All that is wrong with a binding; the fields of violations are those of a Binding.

    Both ends must be of one type: the same scalar, the same enum or message by its full name, and
    lists or maps of the same. A list also takes single values of its kind: they are added to it. An
    empty `from_field` is the whole result.
    """
    wrong: list[Violation] = []
    source = target = ""
    try:
        source = _source(result, from_field)
    except _Wrong as error:
        wrong.append(error.violation)
    try:
        target = _kind(_field(payload, to_field, "to_field"))
    except _Wrong as error:
        wrong.append(error.violation)
    if not wrong and target not in (source, _list_of(source)):
        wrong.append(Violation("to_field", "TYPE", f"is {target}, but is filled with {source}"))
    return wrong


def is_added(
    result: Descriptor | None, from_field: str, payload: Descriptor, to_field: str
) -> bool:
    """Whether a binding adds a value to a list, so that others may fill the same list."""
    try:
        return _kind(_field(payload, to_field, "to_field")) == _list_of(_source(result, from_field))
    except _Wrong:
        return False


def has_field(kind: Descriptor, path: str) -> bool:
    """Whether a path leads to a field of such a message; an empty one does."""
    try:
        return not path or _field(kind, path, "from_field") is not None
    except _Wrong:
        return False


def overlaps(to_fields: Sequence[str], added: Collection[int] = ()) -> list[tuple[int, int]]:
    """Numbers of those that fill what an earlier one fills, or a part of it, or what holds it; each
    with the number of the first such. Those that are `added` to one list do not overlap."""
    found: list[tuple[int, int]] = []
    whole: dict[str, int] = {}
    parts: dict[str, int] = {}
    for number, path in enumerate(to_fields):
        *above, _ = _prefixes(path)
        earlier = [whole[each] for each in above if each in whole]
        if path in whole and not (number in added and whole[path] in added):
            earlier.append(whole[path])
        if path in parts:
            earlier.append(parts[path])
        if earlier:
            found.append((number, min(earlier)))
        whole.setdefault(path, number)
        for each in above:
            parts.setdefault(each, number)
    return found


def is_filled(payload: Descriptor, path: str, to_fields: Collection[str]) -> bool:
    """Whether a violation of the payload's own rules cannot be judged yet: it is of a field that is
    filled later, of a part of it, or of what holds it. `path` is the violation's, from the payload.
    """
    if not path:
        return bool(to_fields)
    for each in to_fields:
        if path.startswith((f"{each}.", f"{each}[")) or path in _names(payload, each):
            return True
    return False


def fill(source: Message, from_field: str, target: Message, to_field: str) -> bool:
    """Copies a field, or adds it to a list. What the source does not have leaves the target as it
    is: answers False.

    Raises InvalidRequest where the two do not fit: they may be of another release than the door's.
    """
    wrong = binding_faults(_descriptor(source), from_field, _descriptor(target), to_field)
    if wrong:
        raise InvalidRequest(wrong)
    value: Any = source
    if from_field:
        *above, last = from_field.split(".")
        holder: Any = source
        for name in above:
            if not holder.HasField(name):
                return False
            holder = getattr(holder, name)
        if _descriptor(holder).fields_by_name[last].has_presence and not holder.HasField(last):
            return False
        value = getattr(holder, last)
    *above, last = to_field.split(".")
    holder = target
    for name in above:
        holder = getattr(holder, name)
    field = _descriptor(holder).fields_by_name[last]
    if is_added(_descriptor(source), from_field, _descriptor(target), to_field):
        _extend(getattr(holder, last), [value], field)
    else:
        _copy(value, holder, field)
    return True


def _copy(value: Any, holder: Any, field: FieldDescriptor) -> None:
    """Messages by their bytes: the two may be of different pools."""
    if _map_value(field) is not None or field.is_repeated:
        holder.ClearField(field.name)
    place = getattr(holder, field.name)
    if (kind := _map_value(field)) is not None:
        for key in value:
            if kind.message_type is None:
                place[key] = value[key]
            else:
                place[key].ParseFromString(value[key].SerializeToString())
    elif field.is_repeated:
        _extend(place, value, field)
    elif field.message_type is None:
        setattr(holder, field.name, value)
    else:
        place.ParseFromString(value.SerializeToString())


def _extend(place: Any, values: Iterable[Any], field: FieldDescriptor) -> None:
    if field.message_type is None:
        place.extend(values)
        return
    for each in values:
        place.add().ParseFromString(each.SerializeToString())


class _Wrong(Exception):
    """Carries the one thing that is wrong with a path."""

    def __init__(
        self, field: str, reason: str, description: str, suggestions: tuple[str, ...] = ()
    ) -> None:
        self.violation = Violation(field, reason, description, suggestions)


def _source(result: Descriptor | None, path: str) -> str:
    if result is None:
        raise _Wrong("from_node", "TYPE", "is a job whose type has no result")
    return _kind(_field(result, path, "from_field")) if path else str(result.full_name)


def _field(root: Descriptor, path: str, named: str) -> FieldDescriptor:
    """The field at the end of a path. Raises _Wrong."""
    if not path:
        raise _Wrong(named, "REQUIRED", "is required")
    if len(path) > LONGEST_PATH:
        raise _Wrong(named, "TOO_LONG", f"is longer than {LONGEST_PATH} characters")
    if not _PATH.fullmatch(path):
        raise _Wrong(named, "FORMAT", "is no path of field names, e.g. document.key")
    names = path.split(".")
    if len(names) > DEEPEST_PATH:
        raise _Wrong(named, "TOO_LONG", f"is deeper than {DEEPEST_PATH} fields")
    kind: Descriptor | None = root
    above: FieldDescriptor | None = None
    for number, name in enumerate(names):
        if kind is None and above is not None:
            text = f'leads into "{above.name}", which is {_kind(above)} and not a single message'
            raise _Wrong(named, "TYPE", text)
        assert kind is not None  # the root is a message
        field = kind.fields_by_name.get(name)
        if field is None:
            raise _unknown(named, kind, names, number)
        kind, above = None if field.is_repeated else field.message_type, field
    assert above is not None  # there is a first name
    return above


def _unknown(named: str, kind: Descriptor, names: list[str], number: int) -> _Wrong:
    known = [field.name for field in kind.fields]
    near = difflib.get_close_matches(names[number], known, n=1)
    if near:
        hint = f'; did you mean "{near[0]}"?'
    elif known:
        more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        hint = f" (there are {', '.join(known[:_MOST_NAMES])}{more})"
    else:
        hint = ", which has no fields"
    right = tuple(".".join([*names[:number], each, *names[number + 1 :]]) for each in near)
    return _Wrong(named, "UNKNOWN", f"names no field of {kind.full_name}{hint}", suggestions=right)


def _kind(field: FieldDescriptor) -> str:
    """Equal for fields of one type, and for people."""
    named = field.message_type or field.enum_type
    if field.message_type is not None and (value := _map_value(field)) is not None:
        key = field.message_type.fields_by_name["key"]
        return f"map<{_kind(key)}, {_kind(value)}>"
    word = named.full_name if named is not None else _TYPES[field.type]
    return _list_of(word) if field.is_repeated else word


def _list_of(kind: str) -> str:
    return f"repeated {kind}"


def _map_value(field: FieldDescriptor) -> FieldDescriptor | None:
    kind = field.message_type
    if kind is None or not kind.GetOptions().map_entry:
        return None
    return kind.fields_by_name["value"]


def _names(payload: Descriptor, path: str) -> Iterator[str]:
    """The paths under which rules name a field, what holds it, and the oneofs on the way."""
    kind: Descriptor | None = payload
    above = ""
    for prefix in _prefixes(path):
        yield prefix
        field = kind.fields_by_name.get(prefix.rpartition(".")[2]) if kind is not None else None
        if field is None:
            return
        if field.containing_oneof is not None:
            yield above + field.containing_oneof.name
        kind, above = field.message_type, f"{prefix}."


def _prefixes(path: str) -> list[str]:
    """ "a", "a.b" and "a.b.c"."""
    names = path.split(".")
    return [".".join(names[: number + 1]) for number in range(len(names))]


def _descriptor(message: Message) -> Descriptor:
    return cast("Descriptor", message.DESCRIPTOR)
