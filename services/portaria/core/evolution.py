"""Which changes of a .proto file break what was written, or compiled, with the one before.

The rules are those of buf's category WIRE_JSON as far as they matter to stored payloads and to
generated clients, https://buf.build/docs/breaking/rules, with two of our own: nothing that a client
calls goes away, and a job type keeps its domain and its result type.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    EnumDescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
    ServiceDescriptorProto,
)

from portaria.v1 import job_type_pb2

_Type = FieldDescriptorProto.Type
_ALIKE = (
    {_Type.TYPE_INT32, _Type.TYPE_UINT32},
    {_Type.TYPE_INT64, _Type.TYPE_UINT64},
    {_Type.TYPE_FIXED32, _Type.TYPE_SFIXED32},
    {_Type.TYPE_FIXED64, _Type.TYPE_SFIXED64},
)
"""Types that read each other's bytes and JSON."""


def breaks(old: FileDescriptorProto, new: FileDescriptorProto) -> list[str]:
    """Each break with the full name of what breaks; none where `new` only extends `old`.

    Where neither breaks the other, they mean the same on the wire.
    """
    if old.package != new.package:
        return [f'{old.name}: package "{old.package}" became "{new.package}"']
    if (old.syntax or "proto2", old.edition) != (new.syntax or "proto2", new.edition):
        return [f"{old.name}: its syntax changed"]
    found = list(_messages(old.package, old.message_type, new.message_type))
    found += _enums(old.package, old.enum_type, new.enum_type)
    found += _extensions(old.name, old.extension, new.extension)
    services = {each.name: each for each in new.service}
    for service in old.service:
        found += _service(_join(old.package, service.name), service, services.get(service.name))
    return found


def _messages(
    scope: str, old: Iterable[DescriptorProto], new: Iterable[DescriptorProto]
) -> Iterator[str]:
    found = {each.name: each for each in new}
    for message in old:
        name = _join(scope, message.name)
        if message.name in found:
            if message.options.map_entry != found[message.name].options.map_entry:
                yield f"{name}: a map became a list of messages, or the other way round"
            yield from _message(name, message, found[message.name])
        elif not message.options.map_entry:  # the field of the map says it
            yield f"{name}: the message is gone"


def _message(name: str, old: DescriptorProto, new: DescriptorProto) -> Iterator[str]:
    yield from _job_type(name, old, new)
    yield from _messages(name, old.nested_type, new.nested_type)
    yield from _enums(name, old.enum_type, new.enum_type)
    yield from _extensions(name, old.extension, new.extension)
    before = {field.number: field for field in old.field}
    after = {field.number: field for field in new.field}
    for number, field in before.items():
        if number in after:
            yield from _field(name, (old, field), (new, after[number]))
        elif field.label == FieldDescriptorProto.LABEL_REQUIRED:
            yield f"{name}.{field.name} (field {number}): is gone, and others require it"
        elif not (_is_reserved(new, number) and field.name in new.reserved_name):
            yield (
                f"{name}.{field.name} (field {number}): is gone, and its number and name are not "
                "reserved"
            )
    for number, field in after.items():
        if number in before:
            continue
        where = f"{name}.{field.name} (field {number})"
        if _is_reserved(old, number):
            yield f"{where}: takes a number that was reserved"
        elif field.name in old.reserved_name:
            yield f"{where}: takes a name that was reserved"
        elif field.label == FieldDescriptorProto.LABEL_REQUIRED:
            yield f"{where}: is new and required, which nothing that was written has"
    yield from _freed(name, old, new, set(after), {field.name for field in new.field})


def _job_type(name: str, old: DescriptorProto, new: DescriptorProto) -> Iterator[str]:
    if not old.options.HasExtension(job_type_pb2.job_type):
        return
    if not new.options.HasExtension(job_type_pb2.job_type):
        yield f"{name}: is no job type any more"
        return
    before = old.options.Extensions[job_type_pb2.job_type]
    after = new.options.Extensions[job_type_pb2.job_type]
    if before.domain != after.domain:
        yield f'{name}: its domain "{before.domain}" became "{after.domain}"'
    if before.result_type != after.result_type:
        yield (
            f"{name}: its result_type {before.result_type or 'none'} became "
            f"{after.result_type or 'none'}"
        )


_NO_MESSAGE = DescriptorProto()
_Member = tuple[DescriptorProto, FieldDescriptorProto]


def _field(name: str, old: _Member, new: _Member) -> Iterator[str]:
    before, after = old[1], new[1]
    where = f"{name}.{before.name} (field {before.number})"
    if before.name != after.name:
        yield f"{where}: was renamed to {after.name}"
    elif before.json_name != after.json_name:
        yield f"{where}: its JSON name {before.json_name} became {after.json_name}"
    if not _is_alike(before.type, after.type) or before.type_name != after.type_name:
        yield f"{where}: its type {_type_of(before)} became {_type_of(after)}"
    elif before.label != after.label:
        yield f"{where}: {_label_of(before)} became {_label_of(after)}"
    if before.default_value != after.default_value:
        yield f"{where}: its default changed"
    if _oneof(*old) != _oneof(*new):
        yield f"{where}: moved from {_oneof(*old) or 'no oneof'} to {_oneof(*new) or 'no oneof'}"


def _extensions(
    scope: str, old: Iterable[FieldDescriptorProto], new: Iterable[FieldDescriptorProto]
) -> Iterator[str]:
    after = {(each.extendee, each.number): each for each in new}
    for field in old:
        now = after.get((field.extendee, field.number))
        if now is None:
            yield f"{scope}: the extension {field.name} (field {field.number}) is gone"
        else:
            yield from _field(scope, (_NO_MESSAGE, field), (_NO_MESSAGE, now))


def _enums(
    scope: str, old: Iterable[EnumDescriptorProto], new: Iterable[EnumDescriptorProto]
) -> Iterator[str]:
    found = {each.name: each for each in new}
    for enum in old:
        name = _join(scope, enum.name)
        if enum.name in found:
            yield from _enum(name, enum, found[enum.name])
        else:
            yield f"{name}: the enum is gone"


def _enum(name: str, old: EnumDescriptorProto, new: EnumDescriptorProto) -> Iterator[str]:
    after = {(value.number, value.name) for value in new.value}
    numbers = {number for number, _ in after}
    for value in old.value:
        if (value.number, value.name) in after:
            continue
        where = f"{name}.{value.name} (value {value.number})"
        if value.number in numbers:
            yield f"{where}: was renamed"
        elif not (_is_reserved(new, value.number) and value.name in new.reserved_name):
            yield f"{where}: is gone, and its number and name are not reserved"
    known = {value.number for value in old.value}
    for value in new.value:
        if value.number not in known and (
            _is_reserved(old, value.number) or value.name in old.reserved_name
        ):
            yield f"{name}.{value.name} (value {value.number}): takes what was reserved"
    yield from _freed(name, old, new, numbers, {value.name for value in new.value})


def _service(
    name: str, old: ServiceDescriptorProto, new: ServiceDescriptorProto | None
) -> Iterator[str]:
    if new is None:
        yield f"{name}: the service is gone"
        return
    after = {method.name: method for method in new.method}
    for method in old.method:
        now = after.get(method.name)
        if now is None:
            yield f"{name}.{method.name}: the RPC is gone"
        elif (
            method.input_type,
            method.output_type,
            method.client_streaming,
            method.server_streaming,
        ) != (now.input_type, now.output_type, now.client_streaming, now.server_streaming):
            yield f"{name}.{method.name}: its request or response changed"


_Reserving = DescriptorProto | EnumDescriptorProto


def _spans(declared: _Reserving) -> list[tuple[int, int]]:
    """Reserved numbers, both ends within."""
    beyond = isinstance(declared, DescriptorProto)  # their end is the first that is not reserved
    return [(each.start, each.end - beyond) for each in declared.reserved_range]


def _is_reserved(declared: _Reserving, number: int) -> bool:
    return any(start <= number <= end for start, end in _spans(declared))


def _freed(
    name: str, old: _Reserving, new: _Reserving, numbers: set[int], names: set[str]
) -> Iterator[str]:
    """What was reserved and is free now; what was taken at once is said where it is declared."""
    for start, end in _spans(old):
        ends = sorted({start, end} | {e + 1 for _, e in _spans(new) if start <= e + 1 <= end})
        for number in ends:
            if not _is_reserved(new, number) and number not in numbers:
                yield f"{name}: {number} is not reserved any more"
                break
    for word in old.reserved_name:
        if word not in new.reserved_name and word not in names:
            yield f'{name}: "{word}" is not reserved any more'


def _is_alike(one: _Type.ValueType, other: _Type.ValueType) -> bool:
    return one == other or any({one, other} <= each for each in _ALIKE)


def _type_of(field: FieldDescriptorProto) -> str:
    named: str = field.type_name.removeprefix(".")
    return named or FieldDescriptorProto.Type.Name(field.type).removeprefix("TYPE_").lower()


def _label_of(field: FieldDescriptorProto) -> str:
    return FieldDescriptorProto.Label.Name(field.label).removeprefix("LABEL_").lower()


def _oneof(message: DescriptorProto, field: FieldDescriptorProto) -> str:
    """The oneof that a field was declared in; `optional` makes one of its own, which is none."""
    if not field.HasField("oneof_index") or field.proto3_optional:
        return ""
    return str(message.oneof_decl[field.oneof_index].name)


def _join(scope: str, name: str) -> str:
    return f"{scope}.{name}" if scope else name
