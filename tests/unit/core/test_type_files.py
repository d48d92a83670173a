"""Sets of files: which of two versions is kept, and what does not go together."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from acme_jobs.lab.v1 import lab_pb2
from portaria.core.errors import ConfigurationError
from portaria.core.job_type import is_job_type
from portaria.core.seal import KeyRing, SealBroken
from portaria.core.type_files import (
    files_of,
    merge,
    platform_files,
    pool_of,
    seal_file,
    unseal_file,
)

STRING = FieldDescriptorProto.TYPE_STRING
LABEL = FieldDescriptorProto.LABEL_OPTIONAL
RING = KeyRing([bytes(32)])


def a_file(*fields: str, name: str = "a/v1/a.proto", message: str = "A") -> FileDescriptorProto:
    """A file with one message of strings, numbered from 1."""
    file = FileDescriptorProto(name=name, package="a.v1", syntax="proto3")
    declared = file.message_type.add(name=message)
    for number, each in enumerate(fields, 1):
        declared.field.add(name=each, json_name=each, number=number, type=STRING, label=LABEL)
    return file


def known(*files: FileDescriptorProto) -> dict[str, FileDescriptorProto]:
    """By name."""
    return {file.name: file for file in files}


def test_a_file_comes_with_what_it_imports_and_without_the_platform() -> None:
    """A dynamic pool of them has the job types with their options."""
    files = files_of([lab_pb2.DESCRIPTOR])
    found = pool_of(platform_files(), files).FindMessageTypeByName("acme_jobs.lab.v1.Echo")

    assert list(files) == ["acme_jobs/lab/v1/lab.proto"]
    assert is_job_type(found)
    assert found is not lab_pb2.Echo.DESCRIPTOR


def test_the_newer_of_two_versions_is_kept_whoever_comes_first() -> None:
    """So an older release may start beside a newer one."""
    old, new = known(a_file("x")), known(a_file("x", "y"))

    up, down, same = merge(old, new), merge(new, old), merge(new, new)

    assert (up.files, list(up.changed), up.older, up.breaks) == (new, ["a/v1/a.proto"], [], [])
    assert (down.files, down.changed, down.older, down.breaks) == (new, {}, ["a/v1/a.proto"], [])
    assert (same.files, same.changed, same.older, same.breaks) == (new, {}, [], [])


def test_what_breaks_is_refused_or_replaces_where_that_is_meant() -> None:
    """Nothing of a set comes in where a part of it breaks."""
    old, new = known(a_file("x", "y")), known(a_file("x", "z"), a_file("b", name="b.proto"))
    new["b.proto"].message_type[0].name = "B"

    refused, meant = merge(old, new), merge(old, new, breaking=True)

    assert refused.breaks == ["a.v1.A.y (field 2): was renamed to z"]
    assert (meant.breaks, meant.files, meant.dropped) == ([], new, [])


def test_a_message_that_moved_to_another_file_is_in_two() -> None:
    """Its old file would have to go; it does where breaking is meant."""
    old, new = known(a_file("x")), known(a_file("x", name="a/v1/other.proto"))

    refused, meant = merge(old, new), merge(old, new, breaking=True)

    assert refused.breaks == ["a.v1.A: is in a/v1/other.proto, and in a/v1/a.proto already"]
    assert (meant.breaks, meant.files, meant.dropped) == ([], new, ["a/v1/a.proto"])


def test_two_of_the_same_name_within_a_set_are_refused() -> None:
    """Even where breaking is meant."""
    ours = known(a_file("x"), a_file("x", name="a/v1/other.proto"))

    assert merge({}, ours, breaking=True).breaks


@pytest.mark.parametrize(
    "file",
    [
        FileDescriptorProto(name="x.proto", dependency=["nobody.proto"]),
        FileDescriptorProto(name="x.proto", package="portaria.v1", message_type=[{"name": "Job"}]),
        FileDescriptorProto(name="x.proto", message_type=[{"name": "no name"}]),
    ],
    ids=["an import is missing", "a name is the platform's", "no descriptor"],
)
def test_files_that_cannot_be_used_are_named(file: FileDescriptorProto) -> None:
    """Before anybody counts on them."""
    with pytest.raises(ConfigurationError, match=r"x\.proto cannot be used"):
        pool_of(platform_files(), known(file))


def test_a_sealed_file_opens_under_its_own_name_only() -> None:
    """Else somebody could put one file in another's place."""
    file = a_file("x")
    sealed = seal_file(RING, file)

    assert unseal_file(RING, file.name, sealed) == file
    for name, spoilt in (("b.proto", sealed), (file.name, sealed[:-1]), (file.name, b"")):
        with pytest.raises(SealBroken):
            unseal_file(RING, name, spoilt)
    with pytest.raises(SealBroken):
        unseal_file(RING, file.name, RING.seal("types", b"\xff"))
