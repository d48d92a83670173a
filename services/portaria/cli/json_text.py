"""Messages as JSON, also where an Any holds a type that is not installed here."""

import base64
import json
from collections.abc import Iterator
from typing import Any, TypeVar

from google.protobuf import descriptor_pool, json_format, message_factory
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct

from portaria.v1 import job_type_pb2

_Message = TypeVar("_Message", bound=Message)

_HIDDEN = "(hidden)"


def json_text(value: object) -> str:
    """Indented JSON."""
    return json.dumps(value, indent=2, ensure_ascii=False)


def message_dict(message: Message) -> dict[str, Any]:
    """A message as protobuf's JSON, its fields by the names in its .proto.

    An Any of a type that is not known here shows its bytes in base64.
    """
    shown = _copy(message)
    for packed in _anys(shown):
        if not _is_known(packed):
            value = base64.b64encode(packed.value).decode()
            unknown = Struct()
            unknown.update({"unknown_type": packed.TypeName(), "base64": value})
            packed.Pack(unknown)
    found: dict[str, Any] = json_format.MessageToDict(shown, preserving_proto_field_name=True)
    return found


def shown_dict(message: Message) -> dict[str, Any]:
    """As message_dict, without what is marked sensitive."""
    found = message_dict(message)
    for field, _ in message.ListFields():
        if field.GetOptions().Extensions[job_type_pb2.sensitive]:
            found[field.name] = _HIDDEN
        elif field.message_type is not None and not field.message_type.GetOptions().map_entry:
            value = getattr(message, field.name)
            if field.is_repeated:
                found[field.name] = [shown_dict(each) for each in value]
            elif isinstance(found[field.name], dict) and "@type" not in found[field.name]:
                found[field.name] = shown_dict(value)
    return found


def unpacked(packed: AnyMessage) -> Message:
    """What an Any holds; the Any itself where its type is not known here."""
    try:
        descriptor = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
        message = message_factory.GetMessageClass(descriptor)()
        return message if packed.Unpack(message) else packed
    except (KeyError, DecodeError):
        return packed


def _copy(message: _Message) -> _Message:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _is_known(packed: AnyMessage) -> bool:
    try:
        json_format.MessageToDict(packed)
    except (TypeError, KeyError, ValueError, DecodeError, json_format.Error):
        return False
    return True


def _anys(message: Message) -> Iterator[AnyMessage]:
    if isinstance(message, AnyMessage):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        if field.message_type.GetOptions().map_entry:
            if field.message_type.fields_by_name["value"].message_type is not None:
                for each in value.values():
                    yield from _anys(each)
        elif field.is_repeated:
            for each in value:
                yield from _anys(each)
        else:
            yield from _anys(value)
