"""The rules of a message, in our words: every violation with its path, and never a value."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any, cast

from google.protobuf.descriptor import Descriptor
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

_WORDS = {
    "required": "is required",
    "string.email": "is not one e-mail address",
    "string.uuid": "is not a UUID",
    "enum.defined_only": "is not a value of its enum",
    "repeated.unique": "has duplicates",
    "repeated.min_items": "has fewer than {} items",
    "repeated.max_items": "has more than {} items",
    "map.min_pairs": "has fewer than {} entries",
    "map.max_pairs": "has more than {} entries",
}
# Of the rules that ask for one at least.
_EMPTY = {
    "string.min_len": "is required",
    "repeated.min_items": "is empty",
    "map.min_pairs": "is empty",
}
# What stands behind the patterns that recur in contracts. For one of its own, a contract has a CEL
# rule with a message instead.
_PATTERNS = {
    "^[!-~]*$": "must be ASCII without blanks",
    "^[0-9a-f]{32}$": "is no id: expected 32 hex digits",
    "^([0-9a-f]{32})?$": "is no id: expected 32 hex digits",
    "^[a-z][a-z0-9_]{0,62}$": "is no identifier, e.g. user_name: at most 63 of a-z, 0-9 and _",
    "^[a-z][a-z0-9_.-]{0,62}$": "is no name, e.g. shop-7: at most 63 of a-z, 0-9, _, . and -",
    "^[A-Z][A-Z0-9_]{0,62}$": "is no name, e.g. NOT_FOUND: at most 63 of A-Z, 0-9 and _",
    "^[A-Z]{3}$": "is not three capital letters",
    r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$": "is no date, e.g. 2026-11-30",
}

_A_KEY = re.compile(r'\["(.*)"\] ', re.DOTALL)
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
        kind = cast("Descriptor", message.DESCRIPTOR)
        more = (_violation(each, kind) for each in found)
        # Two rules of a field may say the same.
        return list(dict.fromkeys([*impossible, *(v for v in more if v.field not in said)]))

    def require(self, message: Message, more: Iterable[Violation] = ()) -> None:
        """Raises InvalidRequest where a message breaks a rule, or where there is `more` wrong."""
        if wrong := [*self.check(message), *more]:
            raise InvalidRequest(wrong)


def _violation(found: Any, kind: Descriptor) -> Violation:
    proto = found.proto
    is_missing = proto.rule_id == "string.min_len" and found.rule_value == 1
    elements = proto.field.elements if proto.field is not None else ()
    field, text = _path(elements), proto.message
    # A rule of a message as a whole has no place among the rules of a field.
    if proto.rule is None and (meant := _meant(_kind_at(kind, elements), proto.rule_id)):
        field = f"{field}.{meant}" if field else meant
        if key := _A_KEY.match(text):
            field, text = f"{field}[{shown_key(key[1])}]", text[key.end() :]
    description = _describe(proto.rule_id, text, found.rule_value)
    if proto.for_key:
        description = f"its key {description}"
    return Violation(
        field=field,
        reason="REQUIRED" if is_missing else reason_of_rule(proto.rule_id),
        description=description[:_LONGEST_TEXT],
    )


def _meant(kind: Descriptor | None, rule_id: str) -> str:
    """The field that a message's own rule is about, where its id begins with the path of one.

    "user_id.required" is about user_id, "variables.name.required" about the key "name" of a map; a
    rule of a map may answer `["key"] is …` to say which it found. Empty for other rules.
    """
    *names, _ = rule_id.split(".")
    words: list[str] = []
    key_comes = False
    for name in names:
        if key_comes:
            words[-1] += f"[{shown_key(name)}]"
            kind, key_comes = None, False
            continue
        field = kind.fields_by_name.get(name) if kind is not None else None
        if field is None:
            return ""
        words.append(name)
        kind = field.message_type
        key_comes = kind is not None and kind.GetOptions().map_entry
    return ".".join(words)


def _kind_at(kind: Descriptor, elements: Any) -> Descriptor | None:
    """What lies at a path; None where that is no message."""
    found: Descriptor | None = kind
    for element in elements:
        if found is None or element.field_name not in found.fields_by_name:
            return None
        found = found.fields_by_name[element.field_name].message_type
        if found is not None and found.GetOptions().map_entry:
            found = found.fields_by_name["value"].message_type
    return found


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
    if value == 1 and rule_id in _EMPTY:
        return _EMPTY[rule_id]
    if rule_id in _WORDS:
        return _WORDS[rule_id].format(value)
    match rule_id:
        case "string.in":
            allowed = [str(each) for each in _items(value) if each != ""]
            return f"is not one of {', '.join(allowed)}"
        case "string.pattern" if str(value).endswith(_A_QUEUE_S_END):
            return "is no queue: expected DOMAIN:PRIORITY, e.g. mail:high"
        case "string.pattern":
            return _PATTERNS.get(str(value), f"does not match {value}")
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
