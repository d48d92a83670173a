"""What a webhook says: the caller's own words, or what became of the job that it is for."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf.struct_pb2 import Value

from portaria.jobs import JobContext, Parent, PermanentError
from portaria.v1.job_pb2 import Failure
from portaria_workers.maintenance.v1.maintenance_pb2 import CallWebhook

_PLAIN = "message"


def message_of(call: CallWebhook, ctx: JobContext) -> bytes:
    """JSON with `type` and `data`, in UTF-8.

    Raises PermanentError WEBHOOK_BODY for a number that JSON does not have.
    """
    # Not read where the caller says all of it: it may be gone by the last attempt.
    parent = None if call.event and call.HasField("body") else ctx.parent
    event, data = (_PLAIN, {}) if parent is None else _of_parent(parent)
    if call.HasField("body"):
        data = {name: _plain(value) for name, value in call.body.fields.items()}
    message = {"type": call.event or event, "data": data}
    try:
        text = json.dumps(message, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise PermanentError("WEBHOOK_BODY", "the body has a number that is none") from None
    return text.encode()


def _plain(value: Value) -> Any:
    """Whole numbers as such: all of them are doubles in a Struct, and 7.0 is not 7 to everybody."""
    match value.WhichOneof("kind"):
        case "struct_value":
            fields = value.struct_value.fields
            return {name: _plain(each) for name, each in fields.items()}
        case "list_value":
            return [_plain(each) for each in value.list_value.values]
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() and abs(number) < 2**53 else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
    return None


def _of_parent(parent: Parent) -> tuple[str, dict[str, Any]]:
    """Reasons, and no texts: those may hold what is nobody else's business."""
    kind = "workflow" if parent.workflow_id else "job"
    data: dict[str, Any] = {
        f"{kind}_id": parent.workflow_id or parent.job_id,
        "state": str(parent.state),
    }
    if parent.failure is not None:
        name = Failure.Kind.Name(parent.failure.kind).removeprefix("KIND_")
        data["failure"] = {"kind": name, "reason": parent.failure.reason}
    return f"{kind}.{str(parent.state).lower()}", data
