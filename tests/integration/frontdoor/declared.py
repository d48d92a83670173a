"""What the descriptors of requests declare wrong: their protovalidate rules, read by themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from protovalidate import EvaluationError, Validator

from buf.validate import validate_pb2
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.jobs_service_pb2 import BatchSubmitJobsRequest, SubmitJobRequest

_VALIDATOR = Validator()
_BOUNDS = {"gt", "gte", "lt", "lte"}
_LONGEST_KEY = 64


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """Whose it is, and its name: "portaria.v1.RetryPolicy.jitter", "double.finite"."""

    place: str
    name: str


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that a message breaks, and the path to the place, as an answer tells it."""

    path: str
    rule: Rule


def declared(request: Any) -> Iterator[Fault]:
    """All that the rules of a request call wrong: its own, those of a payload in it, and those
    that its comments take from another request."""
    yield from _faults(request)
    for path, payload in payloads(request):
        yield from (replace(each, path=f"{path}.{each.path}") for each in _faults(payload))
    if isinstance(request, BatchSubmitJobsRequest):
        yield from _faults(SubmitOptions(labels=request.labels))
    if "job" in request.DESCRIPTOR.fields_by_name:
        as_ours = SubmitJobRequest(request_id=request.request_id)
        yield from (each for each in _faults(as_ours) if each.path == "request_id")


def _faults(message: Message) -> Iterator[Fault]:
    try:
        violations = _VALIDATOR.collect_violations(message)
    except EvaluationError:
        return  # over times that are none
    for found in violations:
        words, place, kind = [], message.DESCRIPTOR.full_name, message.DESCRIPTOR
        for element in found.proto.field.elements if found.proto.field else ():
            if element.field_name in kind.oneofs_by_name:
                words.append(element.field_name)
                continue
            field = kind.fields_by_name[element.field_name]
            words.append(field.name + _subscript(element.subscript))
            place, kind = field.full_name, field.message_type
        rule = [each.field_name for each in found.proto.rule.elements] if found.proto.rule else []
        if not rule:
            place = kind.full_name
            words += _about(kind, found.proto)
        name = ".".join(rule) if rule not in ([], ["cel"]) else found.proto.rule_id
        yield Fault(".".join(words), Rule(place, _one_bound(name)))


def _about(kind: Descriptor, violation: Any) -> list[str]:
    """The field, or the key of a map, that a message's own rule names in its id or its text."""
    name, *more = violation.rule_id.split(".")
    if name not in kind.fields_by_name or not more:
        return []
    key = more[0] if len(more) > 1 else None
    if violation.message.startswith('["'):
        key = violation.message[2 : violation.message.rindex('"] ')]
    return [name + (f"[{_shown(key)}]" if key is not None else "")]


def rules_of(request: Message) -> set[Rule]:
    """All rules of a request, its parts and its payloads."""
    found: set[Rule] = set()
    for each in (request, *(payload for _, payload in payloads(request))):
        _collect(each.DESCRIPTOR, found, set())
    return found


def unpacked(packed: AnyMessage) -> Message | None:
    """What it holds; None where that cannot be told."""
    try:
        found = descriptor_pool.Default().FindMessageTypeByName(packed.TypeName())
        return GetMessageClass(found).FromString(packed.value)
    except (KeyError, DecodeError):
        return None


def payloads(message: Message, path: str = "") -> Iterator[tuple[str, Message]]:
    """The messages that its Any fields hold, however deep, with their paths."""
    for field, value in message.ListFields():
        if not field.message_type or field.message_type.GetOptions().map_entry:
            continue
        for number, each in enumerate(value if field.is_repeated else [value]):
            name = f"{field.name}[{number}]" if field.is_repeated else field.name
            place = f"{path}.{name}" if path else name
            if not isinstance(each, AnyMessage):
                yield from payloads(each, place)
            elif (inner := unpacked(each)) is not None:
                yield place, inner


def _collect(kind: Descriptor, found: set[Rule], seen: set[str]) -> None:
    if kind.full_name in seen or kind.full_name.startswith("google."):
        return
    seen.add(kind.full_name)
    own = kind.GetOptions().Extensions[validate_pb2.message]
    found |= {Rule(kind.full_name, _one_bound(each.id)) for each in own.cel}
    for field in kind.fields:
        rules = field.GetOptions().Extensions[validate_pb2.field]
        found |= {Rule(field.full_name, name) for name in _names(rules)}
        if field.message_type:
            _collect(field.message_type, found, seen)


def _names(rules: Any) -> Iterator[str]:
    """`required`, `string.max_len`, `map.keys.string.pattern`, and the ids of expressions."""
    for field, value in rules.ListFields():
        if field.name == "ignore":
            continue  # says whether there are rules, and is none
        if field.name == "cel":
            yield from (each.id for each in value)
        elif field.message_type and field.message_type.file == validate_pb2.DESCRIPTOR:
            yield from (f"{field.name}.{name}" for name in _names(value))
        else:
            yield _one_bound(field.name)


def _one_bound(name: str) -> str:
    """Which end of a range was left is not told."""
    head, _, last = name.rpartition(".")
    name = "range" if last in _BOUNDS else last
    return f"{head}.{name}" if head else name


def _subscript(subscript: Any) -> str:
    if subscript is None:
        return ""
    key = subscript.value
    return f"[{_shown(key) if isinstance(key, str) else key}]"


def _shown(key: str) -> str:
    return json.dumps(key[:_LONGEST_KEY] + ("…" if len(key) > _LONGEST_KEY else ""))
