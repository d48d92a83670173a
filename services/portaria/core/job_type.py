"""Job types: messages that carry (portaria.v1.job_type), and what that option says."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.message import Message

from portaria.core.errors import ConfigurationError
from portaria.core.retry import RetryPolicy, retry_from_proto
from portaria.v1 import job_pb2, job_type_pb2

DEFAULT_TIMEOUT = timedelta(minutes=30)
DEFAULT_RESULT_TTL = timedelta(hours=24)
DEFAULT_MAX_PAYLOAD = 256 * 1024
LARGEST_MAX_PAYLOAD = 4 * 1024 * 1024
_SHORTEST, _LONGEST = timedelta(seconds=1), timedelta(hours=24)
_SHORTEST_TTL, _LONGEST_TTL = timedelta(minutes=1), timedelta(days=366)
_LONGEST_WAIT = timedelta(days=7)
TYPE_URL_PREFIX = "type.googleapis.com/"
HOOKS: tuple[Literal["on_success", "on_failure", "on_retry"], ...] = (
    "on_success",
    "on_failure",
    "on_retry",
)
"""Fields of a job's options, and of those of its type."""

_DOMAIN = re.compile(r"[a-z][a-z0-9_]{0,62}\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobType:
    """One job type, its defaults filled in."""

    name: str
    """Full message name, e.g. `portaria_workers.mail.v1.SendEmail`. Never changes."""
    message: type[Message]
    domain: str
    priority: str
    timeout: timedelta
    result_ttl: timedelta
    result_type: str
    """Full name of the result's message; empty where handlers return nothing."""
    description: str
    effect: job_type_pb2.Effect.ValueType
    """A portaria.v1.Effect."""
    max_payload_bytes: int
    retry: RetryPolicy
    default_retry: job_pb2.RetryPolicy
    hooks: Mapping[str, str] = field(default_factory=dict)
    """Full names of the types of its hooks, by the name of the hook."""

    @property
    def bare_name(self) -> str:
        """ "SendEmail", as people say it where it is clear."""
        return self.name.rpartition(".")[2]

    @property
    def short_name(self) -> str:
        """ "mail.SendEmail"."""
        return f"{self.domain}.{self.bare_name}"

    @property
    def at_most_once(self) -> bool:
        """Whether a started run is never repeated."""
        return self.effect == job_type_pb2.EFFECT_AT_MOST_ONCE


def job_type_from(descriptor: Descriptor) -> JobType:
    """Reads the option of a message. Raises ConfigurationError with all that is wrong with it."""
    options = descriptor.GetOptions().Extensions[job_type_pb2.job_type]
    try:
        wrong = list(_faults(descriptor, options))
    except OverflowError:
        wrong = ["one of its spans is none"]
    if wrong:
        raise ConfigurationError(f"job type {descriptor.full_name}: {'; '.join(wrong)}")
    retry = retry_from_proto(options.default_retry)
    if options.effect == job_type_pb2.EFFECT_AT_MOST_ONCE:
        retry = RetryPolicy(max_attempts=1)
    return JobType(
        name=descriptor.full_name,
        message=message_factory.GetMessageClass(descriptor),
        domain=options.domain,
        priority=priority_name(options.default_priority or job_pb2.PRIORITY_DEFAULT),
        timeout=options.timeout.ToTimedelta() if options.HasField("timeout") else DEFAULT_TIMEOUT,
        result_ttl=(
            options.result_ttl.ToTimedelta()
            if options.HasField("result_ttl")
            else DEFAULT_RESULT_TTL
        ),
        result_type=options.result_type,
        description=options.description,
        effect=options.effect,
        max_payload_bytes=options.max_payload_bytes or DEFAULT_MAX_PAYLOAD,
        retry=retry,
        default_retry=options.default_retry,
        hooks={name: hook for name in HOOKS if (hook := getattr(options, name))},
    )


def descriptor_of(message: type[Message]) -> Descriptor:
    """The descriptor of a generated class."""
    return cast("Descriptor", message.DESCRIPTOR)  # upb's own class is the same by duck


def hook_types(descriptor: Descriptor) -> list[Descriptor]:
    """The job types that the hooks of a type name. Raises ConfigurationError where one is none."""
    options, pool = descriptor.GetOptions().Extensions[job_type_pb2.job_type], descriptor.file.pool
    found, wrong = [], []
    for name in HOOKS:
        full_name = getattr(options, name)
        try:
            hook = pool.FindMessageTypeByName(full_name) if full_name else None
            if hook is not None and not is_job_type(hook):
                raise KeyError(full_name)
        except KeyError:
            wrong.append(f"{name} names no job type: {full_name}")
            continue
        if hook is not None:
            found.append(hook)
    if wrong:
        raise ConfigurationError(f"job type {descriptor.full_name}: {'; '.join(wrong)}")
    return found


_SUBMITS = {"job": 1, "options": 2, "request_id": 3, "validate_only": 4}
_ANSWERS = {"job": 1, "deduplicated": 2}


def submitted_by(method: MethodDescriptor) -> Descriptor | None:
    """The job type that an RPC hands in, where it is one that `portaria generate` made."""
    if method.client_streaming or method.server_streaming:
        return None
    asks, answers = method.input_type.fields_by_name, method.output_type.fields_by_name
    if {name: asks[name].number for name in _SUBMITS if name in asks} != _SUBMITS:
        return None
    if {name: answers[name].number for name in _ANSWERS if name in answers} != _ANSWERS:
        return None
    options, answer = asks["options"].message_type, answers["job"].message_type
    names = [each.full_name if each is not None else "" for each in (options, answer)]
    if names != ["portaria.v1.SubmitOptions", "portaria.v1.Job"]:
        return None
    job: Descriptor | None = asks["job"].message_type
    is_one = job is not None and not asks["job"].is_repeated
    return job if is_one and job is not None and is_job_type(job) else None


def is_job_type(descriptor: Descriptor) -> bool:
    """Whether a message carries the option."""
    return bool(descriptor.GetOptions().HasExtension(job_type_pb2.job_type))


def priority_name(priority: job_pb2.Priority.ValueType) -> str:
    """ "high" for PRIORITY_HIGH."""
    return job_pb2.Priority.Name(priority).removeprefix("PRIORITY_").lower()


class JobTypes:
    """The job types that a process knows, by full name."""

    def __init__(self) -> None:
        self._by_name: dict[str, JobType] = {}

    def add(self, job_type: JobType) -> None:
        """Adds a type; of two of a name, the last one counts."""
        self._by_name[job_type.name] = job_type

    def remove(self, name: str) -> None:
        """Forgets a type, if it is there."""
        self._by_name.pop(name, None)

    def get(self, name: str) -> JobType | None:
        """The type of a full message name."""
        return self._by_name.get(name)

    def find(self, name: str) -> JobType:
        """The type that a person means: full name, `mail.SendEmail` or `SendEmail`.

        Raises LookupError that names the nearest or all that fit.
        """
        return self._by_name[full_name(name, {each.name: each.domain for each in self.all()})]

    def names(self) -> list[str]:
        """All full names, sorted."""
        return sorted(self._by_name)

    def all(self) -> list[JobType]:
        """All types, by name."""
        return [self._by_name[name] for name in self.names()]

    def domains(self) -> list[str]:
        """The domains that have a type, sorted."""
        return sorted({each.domain for each in self._by_name.values()})

    def __len__(self) -> int:
        return len(self._by_name)


def full_name(name: str, domains: Mapping[str, str]) -> str:
    """As JobTypes.find, among types of which no more is known than the domain of each full name."""
    if name in domains:
        return name
    bare = {each: each.rpartition(".")[2] for each in sorted(domains)}
    short = {each: f"{domains[each]}.{bare[each]}" for each in bare}
    fits = [each for each in bare if name in (short[each], bare[each])]
    if len(fits) == 1:
        return fits[0]
    if fits:
        raise LookupError(f'"{name}" may be any of {", ".join(fits)}')
    labels = [label for each in bare for label in (bare[each], short[each])]
    near = difflib.get_close_matches(name, labels, n=1)
    hint = f'; did you mean "{near[0]}"?' if near else ""
    known = ", ".join(short.values()) or "none"
    raise LookupError(f'no job type "{name}"{hint} (known: {known})')


def _faults(descriptor: Descriptor, options: job_type_pb2.JobTypeOptions) -> Iterator[str]:
    if not _DOMAIN.match(options.domain):
        yield 'domain is required: lower case, e.g. "mail"'
    if options.effect not in job_type_pb2.Effect.values()[1:]:
        yield "effect is required: what does a second run of the same job do?"
    if options.limits:
        yield "limits are not implemented yet"
    if options.max_payload_bytes > LARGEST_MAX_PAYLOAD:
        yield f"max_payload_bytes is at most {LARGEST_MAX_PAYLOAD}"
    if options.effect == job_type_pb2.EFFECT_AT_MOST_ONCE and (
        options.default_retry.max_attempts > 1
    ):
        yield "AT_MOST_ONCE excludes retries"
    if options.result_type:
        try:
            descriptor.file.pool.FindMessageTypeByName(options.result_type)
        except KeyError:
            yield f"result_type {options.result_type} does not exist"
    yield from _limit_faults(options)


def _limit_faults(options: job_type_pb2.JobTypeOptions) -> Iterator[str]:
    """What the door would refuse in a submission must not come in as a default."""
    if options.default_priority not in job_pb2.Priority.values():
        yield "default_priority is no priority"
    if options.HasField("timeout") and not _SHORTEST <= options.timeout.ToTimedelta() <= _LONGEST:
        yield "timeout is 1 s to 24 h"
    if options.HasField("result_ttl") and not (
        _SHORTEST_TTL <= options.result_ttl.ToTimedelta() <= _LONGEST_TTL
    ):
        yield "result_ttl is 1 min to 366 days"
    retry = retry_from_proto(options.default_retry)
    if not 1 <= retry.max_attempts <= 100:
        yield "default_retry.max_attempts is 1 to 100"
    if not 0 <= retry.jitter <= 1:
        yield "default_retry.jitter is 0 to 1"
    if not 1 <= retry.backoff_multiplier <= 100:
        yield "default_retry.backoff_multiplier is 1 to 100"
    waits = (retry.initial_backoff, retry.max_backoff, *retry.fixed_backoffs)
    if any(not timedelta() <= wait <= _LONGEST_WAIT for wait in waits):
        yield "default_retry: a wait is 0 to 7 days"
