"""From a SubmitJobRequest to what the store takes: everything is checked here, nothing written."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from google.protobuf.message import Message

from portaria.admission.defaults import fill
from portaria.admission.names import CORE, Names, below
from portaria.admission.payload import read_payload, unknown_type
from portaria.admission.rules import Rules
from portaria.admission.unsupported import unsupported_options
from portaria.core.errors import InvalidRequest, StoreUnavailable, Violation
from portaria.core.ids import new_job_id
from portaria.core.job_type import TYPE_URL_PREFIX, JobType
from portaria.core.seal import KeyRing
from portaria.intake.catalogue import Catalogue, Served
from portaria.intake.terms import Terms, terms
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.store import Submission
from portaria.v1.job_pb2 import JobSpec, SubmitOptions
from portaria.v1.jobs_service_pb2 import SubmitJobRequest

ANONYMOUS = "anonymous"


@dataclass(frozen=True, slots=True)
class Admitted:
    """A submission in which nothing is wrong."""

    submission: Submission
    job_type: JobType
    options: SubmitOptions
    """With the type's defaults filled in."""
    caller: str


@dataclass(frozen=True, slots=True)
class Prepared:
    """A spec in which nothing is wrong, and nothing is left to its type."""

    spec: JobSpec
    job_type: JobType
    content_hash: str
    is_plain: bool
    """It came without options of its own."""
    served: Served
    """What was served when it was checked; by now it may be something else."""


class Admission:
    """Checks submissions against the job types that this door knows."""

    def __init__(
        self, *, catalogue: Catalogue, rules: Rules, keys: KeyRing, namespace: str
    ) -> None:
        self._catalogue = catalogue
        self._rules = rules
        self._keys = keys
        self._namespace = namespace
        rules.warm_up(SubmitJobRequest())

    def admit(self, request: SubmitJobRequest, *, names: Names = CORE) -> Admitted:
        """Takes the request over: its spec is filled in.

        Raises InvalidRequest with every violation.
        """
        wrong = self._rules.check(request)
        options = request.spec.options
        is_complete, served = self._catalogue.is_complete, self._catalogue.served
        job_type, payload, more = _payload_of(request.spec, served, is_complete=is_complete)
        wrong += more
        if request.spec.HasField("options"):
            wrong += unsupported_options(options, job_type)
        if wrong or job_type is None or payload is None:
            raise InvalidRequest([names.translate(each) for each in wrong])
        prepared = _prepared(request.spec, job_type, payload, served)
        submission = self.submission(prepared, request_id=request.request_id)
        return Admitted(submission, job_type, prepared.spec.options, ANONYMOUS)

    def admit_spec(self, spec: JobSpec) -> Prepared | list[Violation]:
        """As `admit`, for one of several: answers what is wrong, as of a SubmitJobRequest."""
        wrong = [below("spec", each) for each in self._rules.check(spec)]
        has_options = spec.HasField("options")
        is_complete, served = self._catalogue.is_complete, self._catalogue.served
        job_type, payload, more = _payload_of(spec, served, is_complete=is_complete)
        wrong += more
        if has_options:
            wrong += unsupported_options(spec.options, job_type)
        if wrong or job_type is None or payload is None:
            return wrong
        return _prepared(spec, job_type, payload, served)

    def submission(
        self, prepared: Prepared, *, request_id: str, caller: str = ANONYMOUS, schedule_id: str = ""
    ) -> Submission:
        """A new job of this spec, as the store takes it."""
        job_id = new_job_id()
        return Submission(
            namespace=self._namespace,
            request_id=request_id,
            content_hash=prepared.content_hash,
            job_id=job_id,
            envelope=self.envelope(prepared, job_id, caller),
            schedule_id=schedule_id,
            **_terms(prepared),
        )

    def envelope(self, prepared: Prepared, job_id: str, caller: str = ANONYMOUS) -> bytes:
        """What a worker opens: all of the job, sealed with the key of its domain."""
        domain = prepared.job_type.domain
        envelope = Envelope(
            namespace=self._namespace,
            job_id=job_id,
            domain=domain,
            caller=caller,
            spec=prepared.spec,
            effect=prepared.job_type.effect,
        )
        return self._keys.seal(f"domain/{domain}", envelope.SerializeToString())


def _payload_of(
    spec: JobSpec, served: Served, *, is_complete: bool
) -> tuple[JobType | None, Message | None, list[Violation]]:
    """Type and payload of a spec, parsed and checked, and what is wrong with it."""
    if not spec.HasField("payload"):
        return None, None, []  # the request's own rules say so
    job_type = served.types.get(spec.payload.type_url.rpartition("/")[2])
    if job_type is None:
        if not is_complete:
            raise StoreUnavailable("the job types are not known yet")
        return None, None, [unknown_type(spec.payload.type_url, served.types.names())]
    return job_type, *read_payload(spec.payload, job_type, served.rules)


def _prepared(spec: JobSpec, job_type: JobType, payload: Message, served: Served) -> Prepared:
    # Fields that the type does not have are not kept, and equal content gives equal bytes.
    payload.DiscardUnknownFields()
    content = payload.SerializeToString(deterministic=True)
    is_plain = not spec.HasField("options")
    defaults = served.defaults[job_type.name]
    content_hash = _content_hash(job_type.name, content, spec)
    spec.payload.type_url, spec.payload.value = TYPE_URL_PREFIX + job_type.name, content
    if is_plain:
        spec.options.CopyFrom(defaults)
    else:
        fill(spec.options, defaults)
    return Prepared(spec, job_type, content_hash, is_plain, served)


def _terms(prepared: Prepared) -> Terms:
    if prepared.is_plain:
        return prepared.served.terms[prepared.job_type.name]
    return terms(prepared.spec.options, prepared.job_type)


def _content_hash(name: str, content: bytes, spec: JobSpec) -> str:
    """Equal for equal type, payload and options; headers (a trace's ids) may differ."""
    options = b""
    if spec.HasField("options"):
        kept = spec.options
        if kept.headers:
            kept = SubmitOptions()
            kept.CopyFrom(spec.options)
            kept.ClearField("headers")
        options = kept.SerializeToString(deterministic=True)
    head = b"%b\0%d\0%d\0" % (name.encode(), len(content), len(options))
    return hashlib.blake2b(head + content + options, digest_size=16).hexdigest()
