"""The rules of a message, in our words: every violation with its path, and never a value."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from protovalidate import CompilationError, EvaluationError, Validator

from portaria.admission.names import shown_key
from portaria.admission.times import Times
from portaria.core.errors import ConfigurationError, InvalidRequest, Violation
from portaria.core.states import PRIORITIES

_LONGEST_TEXT = 300

_REASONS = {
    "required": "REQUIRED",
    "string.email": "EMAIL_FORMAT",
    "string.in": "UNKNOWN",
    "string.const": "UNKNOWN",
    "string.max_len": "TOO_LONG",
    "string.max_bytes": "TOO_LONG",
    "bytes.max_len": "TOO_LONG",
    "string.min_len": "TOO_SHORT",
    "string.min_bytes": "TOO_SHORT",
    "bytes.min_len": "TOO_SHORT",
    "repeated.max_items": "TOO_MANY",
    "map.max_pairs": "TOO_MANY",
    "repeated.min_items": "TOO_FEW",
    "map.min_pairs": "TOO_FEW",
    "repeated.unique": "DUPLICATE",
    "enum.defined_only": "UNKNOWN",
    "enum.in": "UNKNOWN",
    "float.finite": "NOT_FINITE",
    "double.finite": "NOT_FINITE",
}
_RANGES = ("lt", "lte", "gt", "gte", "gt_lt", "gte_lt", "gt_lte", "gte_lte", "lt_now", "gt_now",
           "within", "const", "in")  # fmt: skip

_A_QUEUE_S_END = f":({'|'.join(PRIORITIES)})$"


class Rules:
    """The protovalidate rules of messages; what is compiled for a type is kept."""

    def __init__(self) -> None:
        self._validator = Validator()
        self._times = Times()

    def warm_up(self, message: Message) -> None:
        """Compiles the rules of a type. Raises ConfigurationError where they cannot be."""
        try:
            self._validator.collect_violations(message)
        except CompilationError as error:
            name = message.DESCRIPTOR.full_name
            raise ConfigurationError(f"the rules of {name} do not compile: {error}") from None
        except EvaluationError:
            pass  # an empty message may be more than a rule of the type can judge

    def check(self, message: Message) -> list[Violation]:
        """All violations, their paths from `message`."""
        impossible = list(self._times.faults(message))
        try:
            found = self._validator.collect_violations(message)
        except EvaluationError:
            unjudged = Violation("", "INVALID", "holds a value that its rules cannot judge")
            return impossible or [unjudged]
        # Nearly always nothing: then nothing more is done.
        if not (found or impossible):
            return []
        said = {each.field for each in impossible}
        return [*impossible, *(each for each in map(_violation, found) if each.field not in said)]

    def require(self, message: Message, more: Iterable[Violation] = ()) -> None:
        """Raises InvalidRequest where a message breaks a rule, or where there is `more` wrong."""
        if wrong := [*self.check(message), *more]:
            raise InvalidRequest(wrong)


def _violation(found: Any) -> Violation:
    proto = found.proto
    is_missing = proto.rule_id == "string.min_len" and found.rule_value == 1
    description = _describe(proto.rule_id, proto.message, found.rule_value)
    if proto.for_key:
        description = f"its key {description}"
    return Violation(
        # A rule of the message as a whole has no field.
        field=_path(proto.field.elements) if proto.field is not None else "",
        reason="REQUIRED" if is_missing else reason_of_rule(proto.rule_id),
        description=description[:_LONGEST_TEXT],
    )


def reason_of_rule(rule_id: str) -> str:
    """UPPER_SNAKE for a protovalidate rule id, or for the id of a CEL rule of a domain's own."""
    if rule_id in _REASONS:
        return _REASONS[rule_id]
    kind, _, rule = rule_id.rpartition(".")
    if kind == "string" or rule == "pattern":
        return "FORMAT"
    if rule in _RANGES or rule_id == "run_time.horizon":
        return "OUT_OF_RANGE"
    return (rule or "INVALID").upper()


def _describe(rule_id: str, message: str, value: object) -> str:
    match rule_id:
        case "required":
            return "is required"
        case "string.email":
            return "is not one e-mail address"
        case "string.in":
            allowed = [str(each) for each in _items(value) if each != ""]
            return f"is not one of {', '.join(allowed)}"
        case "string.uuid":
            return "is not a UUID"
        case "string.min_len" if value == 1:
            return "is required"
        case "string.pattern" if str(value).endswith(_A_QUEUE_S_END):
            return "is no queue: expected DOMAIN:PRIORITY, e.g. mail:high"
        case "string.pattern":
            return f"does not match {value}"
        case "enum.defined_only":
            return "is not a value of its enum"
    if rule_id.startswith("duration.") and isinstance(value, Duration):
        return message.replace(" greater than or equal to", " at least").replace(
            " less than or equal to", " at most"
        )
    words = message.replace(" greater than or equal to", " at least")
    return words.replace(" less than or equal to", " at most").removeprefix("value ") or "is wrong"


def _items(value: object) -> Iterator[object]:
    yield from value if isinstance(value, (list, tuple)) else ()


def _path(elements: Any) -> str:
    """`recipients[3].variables["name"]`; long keys are cut, control characters escaped."""
    words: list[str] = []
    for element in elements:
        subscript = element.subscript
        words.append(element.field_name)
        if subscript is not None:
            words[-1] += f"[{shown_key(subscript.value)}]"
    return ".".join(words)
