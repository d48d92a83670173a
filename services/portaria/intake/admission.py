"""From a SubmitJobRequest to what the store takes: everything is checked here, nothing written."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from portaria.admission.defaults import fill
from portaria.admission.hooks import Hook, given_hooks
from portaria.admission.names import CORE, Names, below
from portaria.admission.payload import read_payload, unknown_type, write_payload
from portaria.admission.rules import Rules
from portaria.admission.unsupported import unsupported_options
from portaria.core.errors import InvalidRequest, StoreUnavailable, Violation
from portaria.core.ids import new_job_id, new_workflow_id
from portaria.core.job_type import JobType
from portaria.core.seal import KeyRing
from portaria.intake.catalogue import Catalogue, Served
from portaria.intake.terms import Terms, terms
from portaria.internal.v1.envelope_pb2 import Envelope, Outcome, Place
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
    hooks: Sequence[Hook] = ()
    """Its own, and those of its type where it has none."""


@dataclass(frozen=True, slots=True)
class Parent:
    """The running job that submits another one."""

    job_id: str
    workflow_id: str
    """Empty where it is of none."""
    link: str
    """Of the new job; see lua/flow.lua."""


class Beside(TypedDict, total=False):
    """What the envelope of a job says of whom it is for, and where it stands."""

    place: Place
    parent_job_id: str
    parent_workflow_id: str
    is_family: bool


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

    def admit(
        self, request: SubmitJobRequest, *, names: Names = CORE, parent: Parent | None = None
    ) -> Admitted:
        """Takes the request over: its spec is filled in.

        Raises InvalidRequest with every violation.
        """
        prepared = self._judge(request.spec, self._rules.check(request))
        if isinstance(prepared, list):
            raise InvalidRequest([names.translate(each) for each in prepared])
        submission = self.submission(prepared, request_id=request.request_id, parent=parent)
        return Admitted(submission, prepared.job_type, prepared.spec.options, ANONYMOUS)

    def admit_spec(
        self, spec: JobSpec, *, filled: Sequence[str] = ()
    ) -> Prepared | list[Violation]:
        """As `admit`, for one of several: answers what is wrong, as of a SubmitJobRequest.

        `filled` are fields of the payload that get their values later: nothing is wrong with them.
        """
        wrong = [below("spec", each) for each in self._rules.check(spec)]
        return self._judge(spec, wrong, filled)

    def _judge(
        self, spec: JobSpec, wrong: list[Violation], filled: Sequence[str] = ()
    ) -> Prepared | list[Violation]:
        """Beside what its rules say is wrong."""
        hooks: list[Hook] = []
        is_complete, served = self._catalogue.is_complete, self._catalogue.served
        job_type, payload, more = _payload_of(spec, served, is_complete=is_complete, filled=filled)
        wrong += more
        if spec.HasField("options"):
            wrong += unsupported_options(spec.options, job_type)
            hooks, more = given_hooks(
                spec.options,
                lambda each: _payload_of(each, served, is_complete=is_complete),
                lambda kind: served.defaults[kind.name],
                keeps_rules=not wrong,
            )
            wrong += more
        if wrong or job_type is None or payload is None:
            return wrong
        return _prepared(spec, job_type, payload, served, hooks)

    def submission(
        self,
        prepared: Prepared,
        *,
        request_id: str,
        caller: str = ANONYMOUS,
        schedule_id: str = "",
        parent: Parent | None = None,
    ) -> Submission:
        """A new job of this spec, as the store takes it."""
        job_id = new_job_id()
        submission = Submission(
            namespace=self._namespace,
            request_id=request_id,
            content_hash=prepared.content_hash,
            job_id=job_id,
            envelope=self.envelope(
                prepared, job_id, caller, parent_job_id=parent.job_id if parent else ""
            ),
            schedule_id=schedule_id,
            hooks=self.hooks(prepared, job_id, caller),
            **_terms(prepared),
        )
        if parent is None:
            return submission
        return replace(
            submission,
            parent_job_id=parent.job_id,
            workflow_id=parent.workflow_id or "-",
            link=parent.link,
        )

    def hooks(
        self, prepared: Prepared, job_id: str, caller: str = ANONYMOUS
    ) -> Sequence[tuple[str, Submission]]:
        """What the end and the retries of this job submit, as the store takes it."""
        if not prepared.hooks:
            return ()
        return [
            (hook.name, self.hook(hook, caller, parent_job_id=job_id)) for hook in prepared.hooks
        ]

    def admit_hooks(self, options: SubmitOptions) -> tuple[list[Hook], list[Violation]]:
        """Those of a workflow, and all that is wrong with them, as of a SubmitJobRequest."""
        wrong = [below("spec.options", each) for each in self._rules.check(options)]
        is_complete, served = self._catalogue.is_complete, self._catalogue.served
        hooks, more = given_hooks(
            options,
            lambda each: _payload_of(each, served, is_complete=is_complete),
            lambda kind: served.defaults[kind.name],
            keeps_rules=not wrong,
        )
        return hooks, [*wrong, *more]

    def hook(self, hook: Hook, caller: str = ANONYMOUS, **beside: Unpack[Beside]) -> Submission:
        """A job that a script submits later; one for each retry."""
        is_family = hook.name == "on_retry"
        job_id = new_workflow_id() if is_family else new_job_id()
        if is_family:
            beside["is_family"] = True
        return Submission(
            namespace=self._namespace,
            request_id="",
            content_hash="",
            job_id=job_id,
            envelope=self.envelope(hook, job_id, caller, **beside),
            **terms(hook.spec.options, hook.job_type),
        )

    def envelope(
        self,
        prepared: Prepared | Hook,
        job_id: str,
        caller: str = ANONYMOUS,
        **beside: Unpack[Beside],
    ) -> bytes:
        """What a worker opens: all of the job, sealed with the key of its domain."""
        domain = prepared.job_type.domain
        envelope = Envelope(
            namespace=self._namespace,
            job_id=job_id,
            domain=domain,
            caller=caller,
            spec=prepared.spec,
            effect=prepared.job_type.effect,
            **beside,
        )
        return self._keys.seal(f"domain/{domain}", envelope.SerializeToString())

    def outcome(self, job_id: str, result: AnyMessage | None) -> bytes:
        """What an earlier job had for a result, as that of another one."""
        outcome = Outcome(namespace=self._namespace, job_id=job_id, result=result)
        return self._keys.seal(f"namespace/{self._namespace}", outcome.SerializeToString())


def _payload_of(
    spec: JobSpec, served: Served, *, is_complete: bool, filled: Sequence[str] = ()
) -> tuple[JobType | None, Message | None, list[Violation]]:
    """Type and payload of a spec, parsed and checked, and what is wrong with it."""
    if not spec.HasField("payload"):
        return None, None, []  # the request's own rules say so
    job_type = served.types.get(spec.payload.type_url.rpartition("/")[2])
    if job_type is None:
        if not is_complete:
            raise StoreUnavailable("the job types are not known yet")
        return None, None, [unknown_type(spec.payload.type_url, served.types.names())]
    return job_type, *read_payload(spec.payload, job_type, served.rules, filled=filled)


def _prepared(
    spec: JobSpec, job_type: JobType, payload: Message, served: Served, hooks: Sequence[Hook]
) -> Prepared:
    content = write_payload(spec, job_type, payload)
    is_plain = not spec.HasField("options")
    defaults = served.defaults[job_type.name]
    content_hash = _content_hash(job_type.name, content, spec, hooks)
    if is_plain:
        spec.options.CopyFrom(defaults)
    else:
        fill(spec.options, defaults)
    if job_type.name in served.hooks:
        own = {each.name for each in hooks}
        hooks = [*hooks, *(each for each in served.hooks[job_type.name] if each.name not in own)]
    return Prepared(spec, job_type, content_hash, is_plain, served, hooks)


def _terms(prepared: Prepared) -> Terms:
    if prepared.is_plain:
        return prepared.served.terms[prepared.job_type.name]
    return terms(prepared.spec.options, prepared.job_type)


def _content_hash(name: str, content: bytes, spec: JobSpec, hooks: Sequence[Hook]) -> str:
    """Equal for equal type, payload and options; headers (a trace's ids) may differ."""
    options = b""
    if spec.HasField("options"):
        kept = spec.options
        if kept.headers or hooks:
            kept = SubmitOptions()
            kept.CopyFrom(spec.options)
            kept.ClearField("headers")
            for hook in hooks:
                of_hook: JobSpec = getattr(kept, hook.name)
                if of_hook.HasField("options"):
                    of_hook.options.ClearField("headers")
        options = kept.SerializeToString(deterministic=True)
    head = b"%b\0%d\0%d\0" % (name.encode(), len(content), len(options))
    return hashlib.blake2b(head + content + options, digest_size=16).hexdigest()
