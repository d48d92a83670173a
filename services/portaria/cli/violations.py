"""An invalid request in a person's words.

The door never repeats values. Here they are the person's own, on the person's own terminal, so
they help; those of fields marked sensitive stay hidden all the same.
"""

import difflib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message

from buf.validate import validate_pb2
from portaria.cli.json_text import unpacked
from portaria.core.errors import Violation
from portaria.v1 import job_type_pb2

_PAYLOAD = "spec.payload"
_ROOT = "root."
_OPTIONS = {
    "spec.options.priority": "--priority",
    "spec.options.delay": "--delay",
    "spec.options.labels": "--label",
    "request_id": "--request-id",
    "cron": "--cron",
    "interval": "--every",
    "time_zone": "--zone",
    "start_time": "--from",
    "end_time": "--until",
    "overlap": "--overlap",
    "catchup_window": "--catch-up-window",
    "catch_up": "--catch-up",
    "max_catch_up": "--max-catch-up",
    "jitter": "--jitter",
    "labels": "--label",
    "schedule_id": "id",
    "after": "--after",
    "count": "--count",
    "deadline": "--deadline",
}
_SCHEDULE = "schedule."
_STEP = re.compile(r'\.?(?P<name>[A-Za-z_]\w*)|\[(?P<index>\d+)\]|\[(?P<key>"(?:[^"\\]|\\.)*")\]')
# A description that goes on after the value: '"ana@" is not an e-mail address'.
_CONTINUES = re.compile(r"(is|are|has|must|needs|may|should|does|exceeds|contains)\b")
_LONGEST = 60


def table(violations: Sequence[Violation], message: Message | None = None) -> str:
    """One line per violation, indented, the fields in a column."""
    rows = [(label(each.field), words(each, message)) for each in violations]
    width = max(len(field) for field, _ in rows)
    return "\n".join(f"  {field:<{width}}   {text}" for field, text in rows)


def label(path: str) -> str:
    """How a person calls a field: `to` for spec.payload.to, `--delay` for an option."""
    path = path.removeprefix(_SCHEDULE).removeprefix(_ROOT)
    if path == _PAYLOAD:
        return "payload"
    if path.startswith(f"{_PAYLOAD}."):
        return path.removeprefix(f"{_PAYLOAD}.")
    option = next((name for name in _OPTIONS if path.startswith(name)), None)
    return _OPTIONS[option] if option else path


def words(violation: Violation, message: Message | None) -> str:
    """What is wrong, with the value and the nearest right one where they may be shown."""
    path = violation.field.removeprefix(_SCHEDULE)
    place = _find(message, path) if message is not None else None
    if place is None or place.sensitive or not isinstance(place.value, (str, int, float)):
        return violation.description
    if isinstance(place.value, bool) or place.value in ("", 0):
        return violation.description
    if violation.description.startswith("its key "):
        return violation.description  # the path shows the key, and its value is not at fault
    shown = _quote(place.value)
    allowed = _allowed(place.field)
    if allowed and place.value not in allowed:
        return f"no {place.field.name} {shown}{_hint(str(place.value), allowed)}"
    if _CONTINUES.match(violation.description):
        return f"{shown} {violation.description}"
    return f"{shown}: {violation.description}"


@dataclass(frozen=True, slots=True)
class _Place:
    field: FieldDescriptor
    value: Any
    sensitive: bool


def _find(message: Message, path: str) -> _Place | None:
    """Follows `spec.payload.recipients[3].address` into a payload, `root.job…` into a step."""
    start = next((each for each in (f"{_PAYLOAD}.", _ROOT) if path.startswith(each)), None)
    if start is None:
        return None
    value: Any = message
    field: FieldDescriptor | None = None
    sensitive = False
    for step in _STEP.finditer(path.removeprefix(start)):
        value = unpacked(value) if isinstance(value, AnyMessage) else value
        try:
            if step["name"]:
                field = value.DESCRIPTOR.fields_by_name[step["name"]]
                sensitive = sensitive or _is_sensitive(field)
                value = getattr(value, field.name)
            elif isinstance(value, str):
                return None
            elif step["index"]:
                value = value[int(step["index"])]
            else:
                value = dict(value)[json.loads(step["key"])]
        except (AttributeError, KeyError, IndexError, TypeError, ValueError):
            return None
    return _Place(field, value, sensitive) if field is not None else None


def _is_sensitive(field: FieldDescriptor) -> bool:
    return bool(field.GetOptions().Extensions[job_type_pb2.sensitive])


def _allowed(field: FieldDescriptor) -> list[str]:
    rules = field.GetOptions().Extensions[validate_pb2.field]
    if field.is_repeated:
        rules = rules.repeated.items
    # `in` is a keyword of Python.
    return [each for each in getattr(rules.string, "in") if each]


def _hint(value: str, allowed: list[str]) -> str:
    near = difflib.get_close_matches(value, allowed, n=1)
    return f'; did you mean "{near[0]}"?' if near else f" (there are {', '.join(allowed)})"


def _quote(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST else f'{text[: _LONGEST - 2]}…"'
