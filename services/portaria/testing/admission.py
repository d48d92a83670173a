"""A submission as the door admits it, by the same code; types are those that are imported.

tests/conformance/test_eager.py holds it against a real door.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache

from google.protobuf import descriptor_pool
from google.protobuf.message import Message

from portaria.admission.defaults import defaults_of, fill
from portaria.admission.payload import read_payload, unknown_type
from portaria.admission.rules import Rules
from portaria.admission.unsupported import unsupported_options
from portaria.core.errors import InvalidRequest
from portaria.core.job_type import JobType, is_job_type, job_type_from
from portaria.v1.job_pb2 import SubmitOptions
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


def admit(request: SubmitJobRequest) -> Admitted:
    """Checks a submission. Raises InvalidRequest with every violation."""
    wrong = _rules().check(request)
    spec, options = request.spec, request.spec.options
    job_type, payload = None, None
    if spec.HasField("payload"):
        job_type = _type_of(spec.payload.type_url)
        if job_type is None:
            wrong.append(unknown_type(spec.payload.type_url))
        else:
            payload, more = read_payload(spec.payload, job_type, _rules())
            wrong += more
    wrong += unsupported_options(options, job_type)
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
        content_hash=_content_hash(job_type.name, payload, options),
    )


@cache
def _rules() -> Rules:
    return Rules()


def _type_of(type_url: str) -> JobType | None:
    try:
        found = descriptor_pool.Default().FindMessageTypeByName(type_url.rpartition("/")[2])
    except KeyError:
        return None
    return job_type_from(found) if is_job_type(found) else None


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
