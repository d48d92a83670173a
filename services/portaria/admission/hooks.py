"""Hooks: jobs that the end or a retry of another one submits, checked with that one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message

from portaria.admission.defaults import defaults_of, fill
from portaria.admission.names import Names
from portaria.admission.payload import read_payload, write_payload
from portaria.admission.rules import Rules
from portaria.admission.unsupported import unsupported_options
from portaria.core.errors import ConfigurationError, Violation
from portaria.core.job_type import HOOKS, JobType, JobTypes
from portaria.v1.job_pb2 import JobSpec, SubmitOptions

Read = Callable[[JobSpec], tuple[JobType | None, Message | None, list[Violation]]]
"""Type and payload of a spec, and what is wrong with them, as of a SubmitJobRequest."""


@dataclass(frozen=True, slots=True)
class Hook:
    """A hook in which nothing is wrong."""

    name: str
    """on_success, on_failure or on_retry."""
    spec: JobSpec
    """Nothing is left to its type."""
    job_type: JobType


def given_hooks(
    options: SubmitOptions,
    read: Read,
    defaults: Callable[[JobType], SubmitOptions],
    *,
    keeps_rules: bool,
) -> tuple[list[Hook], list[Violation]]:
    """The hooks of a submission, and all that is wrong with them beside the rules of messages.

    Their payloads are written anew, so that equal content gives equal bytes. None is made of
    options that do not keep their rules: they may hold what no span or moment can be.
    """
    hooks: list[Hook] = []
    wrong: list[Violation] = []
    for name in HOOKS:
        if not options.HasField(name):
            continue
        spec: JobSpec = getattr(options, name)
        job_type, payload, faults = read(spec)
        if spec.HasField("options"):
            faults += unsupported_options(spec.options, job_type)
            faults += _not_of_hooks(spec.options)
        path = f"spec.options.{name}"
        names = Names(payload=f"{path}.payload", options=f"{path}.options")
        wrong += map(names.translate, faults)
        if job_type is not None and payload is not None and keeps_rules and not faults:
            write_payload(spec, job_type, payload)
            hooks.append(Hook(name, _complete(spec, defaults(job_type)), job_type))
    return hooks, wrong


def hooks_of_type(
    job_type: JobType,
    find: Callable[[str], JobType | None],
    rules: Rules,
    defaults: Callable[[JobType], SubmitOptions],
) -> tuple[list[Hook], list[str]]:
    """The hooks of a type, whose payloads are empty, and what is wrong with them."""
    hooks: list[Hook] = []
    wrong: list[str] = []
    for name, full_name in job_type.hooks.items():
        kind = find(full_name)
        if kind is None:
            wrong.append(f"job type {job_type.name}: {name} names no job type: {full_name}")
            continue
        payload, faults = read_payload(AnyMessage(), kind, rules)
        if payload is None or faults:
            why = "; ".join(f"{_below_payload(each)} {each.description}" for each in faults)
            text = f"{name} is {full_name}, which may not be empty: {why}"
            wrong.append(f"job type {job_type.name}: {text}")
            continue
        spec = JobSpec()
        write_payload(spec, kind, payload)
        hooks.append(Hook(name, _complete(spec, defaults(kind)), kind))
    return hooks, wrong


def judge_types(types: JobTypes) -> None:
    """Raises ConfigurationError where rules do not compile, or the hooks of types cannot be."""
    rules = Rules()
    for job_type in types.all():
        rules.warm_up(job_type.message())
    wrong = [
        each
        for job_type in types.all()
        for each in hooks_of_type(job_type, types.get, rules, defaults_of)[1]
    ]
    if wrong:
        raise ConfigurationError("; ".join(wrong))


def _not_of_hooks(options: SubmitOptions) -> Iterator[Violation]:
    for name in HOOKS:
        if options.HasField(name):
            yield Violation(f"spec.options.{name}", "NOT_ALLOWED", "a hook has no hooks itself")
    if options.unique_key:
        yield Violation("spec.options.unique_key", "NOT_ALLOWED", "a hook has no unique_key")


def _complete(spec: JobSpec, defaults: SubmitOptions) -> JobSpec:
    """A copy: what the submission left open stays so in its own spec, of which it is a part."""
    complete = JobSpec()
    complete.CopyFrom(spec)
    fill(complete.options, defaults)
    return complete


def _below_payload(wrong: Violation) -> str:
    return wrong.field.removeprefix("spec.payload").removeprefix(".") or "it"
