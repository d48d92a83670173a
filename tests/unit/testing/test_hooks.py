"""Hooks of job types, on a platform without Redis."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from google.protobuf.message_factory import GetMessageClass

from acme_jobs.lab.v1.lab_pb2 import Echo
from portaria.core.errors import ConfigurationError
from portaria.jobs import PermanentError
from portaria.testing import EagerPlatform
from portaria.v1.job_pb2 import SubmitOptions
from portaria.v1.job_type_pb2 import JobTypeOptions
from unit.core.descriptors import IDEMPOTENT, message


def kind(name: str, **hooks: str) -> Any:
    """A job type with hooks; protobuf never forgets it."""
    options = JobTypeOptions(domain="eagerhooks", effect=IDEMPOTENT, **hooks)  # type: ignore[arg-type]
    file = FileDescriptorProto(
        name=f"eager_hooks/{name}.proto", package="eager_hooks", syntax="proto3",
        dependency=["portaria/v1/job_type.proto"], message_type=[message(name, options)],
    )  # fmt: skip
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return GetMessageClass(pool.FindMessageTypeByName(f"eager_hooks.{name}"))


def test_a_job_without_a_hook_of_its_own_has_that_of_its_type(portaria: EagerPlatform) -> None:
    """One that has its own has that one."""
    hooked = kind("Hooked", on_failure="acme_jobs.lab.v1.Noop")
    portaria.answer(hooked, PermanentError("BROKEN"))
    own = SubmitOptions()
    own.on_failure.payload.Pack(Echo(text="own"))

    plain = portaria.submit(hooked())
    other = portaria.submit(hooked(), options=own)
    portaria.run_due()

    found = portaria.client.list(domains=["lab"])
    assert {(each.type.rpartition(".")[2], each.parent_job_id) for each in found} == {
        ("Noop", plain.id),
        ("Echo", other.id),
    }


def test_a_hook_that_is_no_job_type_is_said(portaria: EagerPlatform) -> None:
    """By the submission: nothing else reads the type."""
    hooked = kind("Misnamed", on_retry="eager_hooks.Nothing")

    with pytest.raises(ConfigurationError, match="on_retry names no job type"):
        portaria.submit(hooked())
