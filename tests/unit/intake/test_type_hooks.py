"""Hooks that a job type has for all of its jobs: read with the type, or refused with it."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from google.protobuf.descriptor_pb2 import (
    DescriptorProto,
    FieldDescriptorProto,
    FileDescriptorProto,
)

from portaria.admission.rules import Rules
from portaria.core.errors import ConfigurationError
from portaria.core.seal import KeyRing
from portaria.intake.admission import Admission
from portaria.intake.catalogue import Catalogue
from portaria.internal.v1.envelope_pb2 import Envelope
from portaria.store import Submission
from portaria.v1.job_pb2 import JobSpec
from portaria.v1.job_type_pb2 import JobTypeOptions
from portaria.v1.jobs_service_pb2 import SubmitJobRequest
from unit.core.descriptors import IDEMPOTENT, message

COUNT, TELL, SHOUT = "acme.stock.v1.Count", "acme.stock.v1.Tell", "acme.stock.v1.Shout"


def stock(**hooks: str) -> DescriptorProto:
    """A type with hooks."""
    return message("Count", JobTypeOptions(domain="stock", effect=IDEMPOTENT, **hooks))  # type: ignore[arg-type]


def told(name: str, *, strict: bool = False, **hooks: str) -> DescriptorProto:
    """A type of another domain that may be a hook; a strict one wants a text."""
    from buf.validate import validate_pb2

    kind = message(name, JobTypeOptions(domain="office", effect=IDEMPOTENT, **hooks))  # type: ignore[arg-type]
    field = kind.field.add(
        name="text", number=1, type=FieldDescriptorProto.TYPE_STRING,
        label=FieldDescriptorProto.LABEL_OPTIONAL,
    )  # fmt: skip
    if strict:
        field.options.Extensions[validate_pb2.field].string.min_len = 1
    return kind


def catalogue(*kinds: DescriptorProto) -> Catalogue:
    """One that serves these types. Raises ConfigurationError."""
    file = FileDescriptorProto(
        name="acme/stock/v1/stock.proto", package="acme.stock.v1", syntax="proto3",
        dependency=["portaria/v1/job_type.proto", "buf/validate/validate.proto"],
        message_type=kinds,
    )  # fmt: skip
    return Catalogue({file.name: file})


def hooks_of(known: Catalogue, **own: str) -> Mapping[str, tuple[Submission, Envelope]]:
    """What a Count is submitted with; `own` are hooks by their type."""
    keys = KeyRing([bytes(32)])
    admission = Admission(catalogue=known, rules=Rules(), keys=keys, namespace="default")
    request = SubmitJobRequest(request_id="r1")
    request.spec.payload.type_url = f"type.googleapis.com/{COUNT}"
    for name, kind in own.items():
        hook: JobSpec = getattr(request.spec.options, name)
        hook.payload.type_url = f"type.googleapis.com/{kind}"
    submission = admission.admit(request).submission
    found = {}
    for name, each in submission.hooks:
        opened = Envelope.FromString(keys.unseal("domain/office", each.envelope))
        assert (opened.parent_job_id, opened.job_id) == (submission.job_id, each.job_id)
        found[name] = each, opened
    return found


def test_a_type_has_hooks_for_jobs_without_their_own() -> None:
    """By the defaults of the hook's type, with an empty payload."""
    known = catalogue(stock(on_failure=TELL, on_retry=TELL), told("Tell"), told("Shout"))

    found = hooks_of(known)
    own = hooks_of(known, on_failure=SHOUT, on_success=SHOUT)

    assert {name: each.type for name, (each, _) in found.items()} == {
        "on_failure": TELL,
        "on_retry": TELL,
    }
    assert {name: each.type for name, (each, _) in own.items()} == {
        "on_failure": SHOUT,
        "on_success": SHOUT,
        "on_retry": TELL,
    }
    submission, envelope = found["on_failure"]
    assert (submission.queue, submission.timeout_s) == ("office:default", 1_800)
    assert (envelope.spec.payload.value, envelope.is_family) == (b"", False)
    assert found["on_retry"][1].is_family


def test_a_hook_has_none_itself() -> None:
    """Not even those of its type: a type that is its own hook would never come to an end."""
    known = catalogue(stock(on_failure=TELL), told("Tell", on_failure=TELL, on_success=TELL))

    ((submission, envelope),) = hooks_of(known).values()

    assert submission.hooks == ()
    assert not envelope.spec.options.HasField("on_failure")


@pytest.mark.parametrize(
    ("hooks", "words"),
    [
        ({"on_success": "acme.stock.v1.Nothing"}, "on_success names no job type: acme.stock.v1.N"),
        ({"on_failure": "acme.stock.v1.Plain"}, "on_failure names no job type: acme.stock.v1.Pl"),
        ({"on_retry": SHOUT}, f"on_retry is {SHOUT}, which may not be empty: text is required"),
    ],
)
def test_a_type_whose_hooks_cannot_be_is_refused(hooks: dict[str, str], words: str) -> None:
    """With its name; what a worker registered is left out, and the others are served."""
    kinds = (stock(**hooks), message("Plain"), told("Tell"), told("Shout", strict=True))

    with pytest.raises(ConfigurationError) as refusal:
        catalogue(*kinds)

    assert f"job type {COUNT}: {words}" in refusal.value.message
    file = FileDescriptorProto(
        name="acme/stock/v1/stock.proto", package="acme.stock.v1", syntax="proto3",
        dependency=["portaria/v1/job_type.proto", "buf/validate/validate.proto"],
        message_type=kinds,
    )  # fmt: skip
    known = Catalogue({})
    known.learn({file.name: file})
    assert known.served.types.names() == [SHOUT, TELL]
