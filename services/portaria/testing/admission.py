"""What the door refuses, refused here: the same rules of the same messages, in the same words.

tests/conformance/test_eager.py holds it against a real door.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.message import DecodeError, Message
from protovalidate import EvaluationError, Validator

from portaria.core.errors import InvalidRequest, Violation
from portaria.core.job_type import JobType, is_job_type, job_type_from
from portaria.core.retry import retry_from_proto, retry_to_proto
from portaria.v1.job_pb2 import CONFLICT_POLICY_REPLACE, JobSpec, Priority, SubmitOptions
from portaria.v1.jobs_service_pb2 import SubmitJobRequest

_LONGEST_KEY = 64
_REASONS = {
    "required": "REQUIRED",
    "string.email": "EMAIL_FORMAT",
    "enum.defined_only": "UNKNOWN",
    "repeated.unique": "DUPLICATE",
    "float.finite": "NOT_FINITE",
    "double.finite": "NOT_FINITE",
    "run_time.horizon": "OUT_OF_RANGE",
}
_LAST_WORDS = {
    "max_len": "TOO_LONG",
    "max_bytes": "TOO_LONG",
    "min_len": "TOO_SHORT",
    "min_bytes": "TOO_SHORT",
    "max_items": "TOO_MANY",
    "max_pairs": "TOO_MANY",
    "min_items": "TOO_FEW",
    "min_pairs": "TOO_FEW",
    "pattern": "FORMAT",
}
_RANGES = {"lt", "lte", "gt", "gte", "gt_lt", "gte_lt", "gt_lte", "gte_lte", "lt_now", "gt_now"}
_RANGES |= {"within", "const", "in"}
_NOT_SERVED = ("on_success", "on_failure", "on_retry")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A submission in which nothing is wrong."""

    job_type: JobType
    payload: Message
    options: SubmitOptions
    """With the type's defaults filled in."""
    request_id: str
    content_hash: str


def admit(request: SubmitJobRequest) -> Admitted:
    """Checks a submission. Raises InvalidRequest with every violation."""
    wrong = _violations(request, "")
    options = request.spec.options
    job_type, payload = None, None
    if request.spec.HasField("payload"):
        job_type = _type_of(request.spec.payload.type_url)
        payload = _payload(request.spec, job_type, wrong)
    wrong += _refused_options(options, job_type)
    if wrong or job_type is None or payload is None:
        unknown = any(each.reason == "UNKNOWN_JOB_TYPE" for each in wrong)
        raise InvalidRequest(wrong, reason="UNKNOWN_JOB_TYPE" if unknown else None)
    payload.DiscardUnknownFields()
    filled = SubmitOptions()
    filled.CopyFrom(options)
    _fill(filled, job_type)
    return Admitted(
        job_type=job_type,
        payload=payload,
        options=filled,
        request_id=request.request_id,
        content_hash=_content_hash(job_type.name, payload, options),
    )


def _type_of(type_url: str) -> JobType | None:
    try:
        found = descriptor_pool.Default().FindMessageTypeByName(type_url.rpartition("/")[2])
    except KeyError:
        return None
    return job_type_from(found) if is_job_type(found) else None


def _payload(spec: JobSpec, job_type: JobType | None, wrong: list[Violation]) -> Message | None:
    field, packed = "spec.payload", spec.payload
    if not packed.type_url:
        wrong.append(Violation(field, "REQUIRED", "names no job type"))
    elif job_type is None:
        wrong.append(Violation(field, "UNKNOWN_JOB_TYPE", "is of a type that is not known here"))
    elif len(packed.value) > job_type.max_payload_bytes:
        text = f"is larger than {job_type.max_payload_bytes} bytes"
        wrong.append(Violation(field, "TOO_LARGE", text))
    else:
        try:
            payload = job_type.message.FromString(packed.value)
        except DecodeError:
            text = f"holds bytes that are not a {job_type.name}"
            wrong.append(Violation(field, "MALFORMED_MESSAGE", text))
            return None
        wrong += _violations(payload, field)
        return payload
    return None


def _refused_options(options: SubmitOptions, job_type: JobType | None) -> Iterator[Violation]:
    given = {field.name for field, _ in options.ListFields()}
    for name in _NOT_SERVED:
        if name in given:
            yield Violation(f"spec.options.{name}", "NOT_SUPPORTED", "is not supported yet")
    field = "spec.options.on_conflict"
    if options.on_conflict == CONFLICT_POLICY_REPLACE:
        yield Violation(field, "NOT_SUPPORTED", "REPLACE is not supported yet")
    if options.on_conflict and not options.unique_key:
        yield Violation(field, "NOT_ALLOWED", "says nothing without a unique_key")
    if job_type is not None and job_type.at_most_once and "retry" in given:
        text = "is not supported for a type that runs at most once"
        yield Violation("spec.options.retry", "NOT_SUPPORTED", text)


@cache
def _validator() -> Validator:
    return Validator()


def _violations(message: Message, prefix: str) -> list[Violation]:
    try:
        found = _validator().collect_violations(message)
    except EvaluationError:
        return [Violation(prefix, "INVALID", "holds a value that its rules cannot judge")]
    return [_violation(each, prefix) for each in found]


def _violation(found: Any, prefix: str) -> Violation:
    proto = found.proto
    missing = proto.rule_id == "string.min_len" and found.rule_value == 1
    path = _path(proto.field.elements)
    return Violation(
        field=".".join(each for each in (prefix, path) if each),
        reason="REQUIRED" if missing else reason_of_rule(proto.rule_id),
        description=("its key " if proto.for_key else "") + (proto.message or "is wrong"),
    )


def reason_of_rule(rule_id: str) -> str:
    """The door's word for a rule of protovalidate, or of a domain's own."""
    if rule_id in _REASONS:
        return _REASONS[rule_id]
    kind, _, rule = rule_id.rpartition(".")
    if rule_id in ("string.in", "string.const", "enum.in"):
        return "UNKNOWN"
    if kind in ("string", "bytes", "repeated", "map") and rule in _LAST_WORDS:
        return _LAST_WORDS[rule]
    if kind == "string" or rule == "pattern":
        return "FORMAT"
    return "OUT_OF_RANGE" if rule in _RANGES else (rule or "INVALID").upper()


def _path(elements: Any) -> str:
    words = []
    for element in elements:
        word = element.field_name
        if element.subscript is not None:
            key = element.subscript.value
            if isinstance(key, str):
                key = json.dumps(key[:_LONGEST_KEY] + ("…" if len(key) > _LONGEST_KEY else ""))
            word += f"[{str(key).lower() if isinstance(key, bool) else key}]"
        words.append(word)
    return ".".join(words)


def _fill(options: SubmitOptions, job_type: JobType) -> None:
    if not options.priority:
        options.priority = Priority.Value(f"PRIORITY_{job_type.priority.upper()}")
    if not options.HasField("timeout"):
        options.timeout.FromTimedelta(job_type.timeout)
    if not options.HasField("result_ttl"):
        options.result_ttl.FromTimedelta(job_type.result_ttl)
    merged = retry_from_proto(options.retry, retry_to_proto(job_type.retry))
    options.retry.CopyFrom(retry_to_proto(merged))


def _content_hash(name: str, payload: Message, options: SubmitOptions) -> str:
    """Equal for equal type, payload and options; headers (a trace's ids) may differ."""
    kept = SubmitOptions()
    kept.CopyFrom(options)
    kept.ClearField("headers")
    parts = (
        name.encode(),
        payload.SerializeToString(deterministic=True),
        kept.SerializeToString(deterministic=True),
    )
    return hashlib.blake2b(b"".join(b"%d:%b" % (len(each), each) for each in parts)).hexdigest()
