"""A submission as the door admits it, by the same code; types are those that are imported.

tests/conformance/test_eager.py holds it against a real door.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache

from google.protobuf import descriptor_pool
from google.protobuf.message import Message

from portaria.admission.defaults import defaults_of, fill
from portaria.admission.hooks import Hook, given_hooks, hooks_of_type
from portaria.admission.payload import read_payload, unknown_type
from portaria.admission.rules import Rules
from portaria.admission.unsupported import unsupported_options
from portaria.core.errors import ConfigurationError, InvalidRequest, Violation
from portaria.core.job_type import JobType, is_job_type, job_type_from
from portaria.v1.job_pb2 import JobSpec, SubmitOptions
from portaria.v1.jobs_service_pb2 import SubmitJobRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A submission in which nothing is wrong."""

    job_type: JobType
    payload: Message
    options: SubmitOptions
    """With the type's defaults filled in."""
    request_id: str
    content_hash: str
    hooks: Mapping[str, Admitted] = field(default_factory=dict)
    """By name; its own, and those of its type where it has none."""


def admit(request: SubmitJobRequest) -> Admitted:
    """Checks a submission. Raises InvalidRequest with every violation, and ConfigurationError where
    the hooks of its type cannot be.
    """
    wrong = _rules().check(request)
    spec, options = request.spec, request.spec.options
    job_type, payload, more = _payload_of(spec)
    wrong += more
    wrong += unsupported_options(options, job_type)
    hooks, more = given_hooks(options, _payload_of, defaults_of, keeps_rules=not wrong)
    wrong += more
    if wrong or job_type is None or payload is None:
        raise InvalidRequest(wrong)
    payload.DiscardUnknownFields()
    filled = SubmitOptions()
    filled.CopyFrom(options)
    fill(filled, defaults_of(job_type))
    return Admitted(
        job_type=job_type,
        payload=payload,
        options=filled,
        request_id=request.request_id,
        content_hash=_content_hash(job_type.name, payload, options, hooks),
        hooks={each.name: _hook(each) for each in [*_hooks_of(job_type), *hooks]},
    )


def _hook(hook: Hook) -> Admitted:
    return Admitted(
        job_type=hook.job_type,
        payload=hook.job_type.message.FromString(hook.spec.payload.value),
        options=hook.spec.options,
        request_id="",
        content_hash="",
    )


def _hooks_of(job_type: JobType) -> Sequence[Hook]:
    hooks, wrong = hooks_of_type(job_type, _type_of, _rules(), defaults_of)
    if wrong:
        raise ConfigurationError("; ".join(wrong))
    return hooks


def _payload_of(spec: JobSpec) -> tuple[JobType | None, Message | None, list[Violation]]:
    if not spec.HasField("payload"):
        return None, None, []  # the request's own rules say so
    job_type = _type_of(spec.payload.type_url)
    if job_type is None:
        return None, None, [unknown_type(spec.payload.type_url)]
    return job_type, *read_payload(spec.payload, job_type, _rules())


@cache
def _rules() -> Rules:
    return Rules()


def _type_of(type_url: str) -> JobType | None:
    try:
        found = descriptor_pool.Default().FindMessageTypeByName(type_url.rpartition("/")[2])
    except KeyError:
        return None
    return job_type_from(found) if is_job_type(found) else None


def _content_hash(
    name: str, payload: Message, options: SubmitOptions, hooks: Sequence[Hook]
) -> str:
    """Equal for equal type, payload and options; headers (a trace's ids) may differ."""
    kept = SubmitOptions()
    kept.CopyFrom(options)
    kept.ClearField("headers")
    for hook in hooks:
        of_hook: JobSpec = getattr(kept, hook.name)
        if of_hook.HasField("options"):
            of_hook.options.ClearField("headers")
    parts = (
        name.encode(),
        payload.SerializeToString(deterministic=True),
        kept.SerializeToString(deterministic=True),
    )
    return hashlib.blake2b(b"".join(b"%d:%b" % (len(each), each) for each in parts)).hexdigest()
