"""Sets of files: which of two versions is kept, and what does not go together."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from acme_jobs.lab.v1 import lab_pb2
from portaria.core.job_type import is_job_type
from portaria.core.seal import KeyRing, SealBroken
from portaria.core.type_files import seal_file, unseal_file
from portaria.core.type_merge import faults, merge
from portaria.core.type_pool import platform_files, pool_of, with_imports

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
    files = with_imports([lab_pb2.DESCRIPTOR], without=platform_files())
    pool, wrong = pool_of(platform_files(), files)
    found = pool.FindMessageTypeByName("acme_jobs.lab.v1.Echo")

    assert wrong == {}
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
    assert refused.files == {**old, "b.proto": new["b.proto"]}
    assert (meant.breaks, meant.files, meant.dropped) == ([], new, [])


def test_a_message_that_moved_to_another_file_is_in_two() -> None:
    """Its old file would have to go; it does where breaking is meant."""
    old, new = known(a_file("x")), known(a_file("x", name="a/v1/other.proto"))

    refused, meant = merge(old, new), merge(old, new, breaking=True)

    assert refused.breaks == ["a.v1.A: is in a/v1/other.proto, and in a/v1/a.proto already"]
    assert refused.files == old
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
def test_a_file_that_cannot_be_used_takes_no_other_with_it(file: FileDescriptorProto) -> None:
    """But those that import it; whose file it is, is told."""
    beside, above = a_file("x"), FileDescriptorProto(name="y.proto", dependency=["x.proto"])

    pool, wrong = pool_of(platform_files(), known(file, above, beside))

    assert list(wrong) == ["x.proto", "y.proto"]
    assert "x.proto cannot be used" in wrong["x.proto"]
    assert pool.FindMessageTypeByName("a.v1.A")
    assert faults(known(file, beside), known(beside)) == []
    assert faults(known(file, beside), known(file)) == [wrong["x.proto"]]


def test_of_two_that_mean_the_same_the_known_one_stays_unless_ours_is_newer() -> None:
    """Rules and defaults of a new release come in at its start, and are not undone by who runs."""
    old, new = known(a_file("x")), known(a_file("x"))
    new["a/v1/a.proto"].message_type[0].options.deprecated = True

    assert merge(old, new).files == old
    assert merge(old, new, newer=True).files == new


def test_what_is_not_supported_is_refused() -> None:
    """Editions change the wire format in ways that are not compared; a huge file is a mistake."""
    edition = FileDescriptorProto(name="e.proto", syntax="editions", edition="EDITION_2023")
    huge = FileDescriptorProto(name="h.proto", syntax="proto3", package="p" * 1024 * 1024)

    found = faults({}, known(edition, huge))

    assert [each.split(":")[0] for each in found] == ["h.proto", "e.proto"]


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
