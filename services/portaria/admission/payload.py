"""The payload of a spec: of a type that is known, small enough, readable, and by its rules."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message

from portaria.admission.names import below
from portaria.admission.rules import Rules
from portaria.core.bindings import is_filled
from portaria.core.errors import UNKNOWN_JOB_TYPE, Violation
from portaria.core.job_type import TYPE_URL_PREFIX, JobType
from portaria.v1.job_pb2 import JobSpec

_FIELD = "spec.payload"
_MOST_NAMES = 20


def read_payload(
    packed: AnyMessage, job_type: JobType, rules: Rules, *, filled: Sequence[str] = ()
) -> tuple[Message | None, list[Violation]]:
    """What was packed, if it can be read, and all that is wrong with it, but for the fields that
    are `filled` later.
    """
    if len(packed.value) > job_type.max_payload_bytes:
        text = f"is larger than {job_type.max_payload_bytes} bytes"
        return None, [Violation(_FIELD, "TOO_LARGE", text)]
    payload = job_type.message()
    try:
        payload.ParseFromString(packed.value)
    except DecodeError:
        text = f"holds bytes that are not a {job_type.name}"
        return None, [Violation(_FIELD, "MALFORMED_MESSAGE", text)]
    if not payload.IsInitialized():  # of proto2
        names = cast("Any", payload).FindInitializationErrors()
        return None, [Violation(f"{_FIELD}.{name}", "REQUIRED", "is required") for name in names]
    wrong = rules.check(payload)
    if filled and wrong:
        kind = cast("Descriptor", payload.DESCRIPTOR)
        wrong = [each for each in wrong if not is_filled(kind, each.field, filled)]
    return payload, [below(_FIELD, each) for each in wrong]


def write_payload(spec: JobSpec, job_type: JobType, payload: Message) -> bytes:
    """Packs what was read, and answers its bytes: equal for equal content.

    Fields that the type does not have are not kept.
    """
    payload.DiscardUnknownFields()
    content = payload.SerializeToString(deterministic=True)
    spec.payload.type_url, spec.payload.value = TYPE_URL_PREFIX + job_type.name, content
    return content


def unknown_type(type_url: str, known: Sequence[str] = ()) -> Violation:
    """Of a payload whose type is not among the `known` ones; some of them are named."""
    if not type_url:
        return Violation(_FIELD, "REQUIRED", "names no job type")
    text = "is of a type that is not known here"
    if known:
        more = f" and {len(known) - _MOST_NAMES} more" if len(known) > _MOST_NAMES else ""
        text += f"; known are: {', '.join(sorted(known)[:_MOST_NAMES])}{more}"
    return Violation(_FIELD, UNKNOWN_JOB_TYPE, text)
