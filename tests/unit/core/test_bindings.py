"""Bindings: which fields go together, what is copied, and what a rule cannot judge before."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.descriptor_pool import DescriptorPool
from hypothesis import given
from hypothesis import strategies as st

from acme_jobs.lab.v1.lab_pb2 import Append, AppendResult, Echo, EchoResult, Noop
from portaria.admission.rules import Rules
from portaria.codegen.generate import image
from portaria.core.bindings import (
    binding_faults,
    fill,
    is_added,
    is_filled,
    overlaps,
    result_of,
)
from portaria.core.errors import InvalidRequest, Violation
from portaria.core.job_type import job_type_from

SCALARS = (
    "double", "float", "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32",
    "fixed64", "sfixed32", "sfixed64", "bool", "string", "bytes", "Kind", "Document",
)  # fmt: skip
KEYS = ("int32", "string")


def fields() -> str:
    """One of each type, alone, optional, repeated, and as the value of maps."""
    kinds = [kind for each in SCALARS for kind in (each, f"optional {each}", f"repeated {each}")]
    kinds += [f"map<{key}, {each}>" for key in KEYS for each in SCALARS]
    return "".join(f"{kind} f{number} = {number};\n" for number, kind in enumerate(kinds, 1))


PROTO = (
    """syntax = "proto3";
package acme.v1;
import "buf/validate/validate.proto";
enum Kind { KIND_UNSPECIFIED = 0; KIND_FAST = 1; }
message Document {
  string key = 1 [(buf.validate.field).required = true];
  int64 size = 2 [(buf.validate.field).int64.gt = 0];
  Document parent = 3;
}
message Made {
  Document document = 1;
  optional string note = 2;
  string title = 3;
  repeated Document pages = 4;
  map<string, Document> by_name = 5;
  repeated string tags = 6;
}
message Send {
  Document document = 1 [(buf.validate.field).required = true];
  string title = 2 [(buf.validate.field).string.min_len = 1];
  repeated string tags = 3 [(buf.validate.field).repeated = {
    min_items: 1 items: {string: {max_len: 3}}
  }];
  repeated Document pages = 4;
  map<string, Document> by_name = 5;
  oneof receiver {
    option (buf.validate.oneof).required = true;
    string person = 6;
    Document company = 7;
  }
  optional string note = 8;
  string other = 9 [(buf.validate.field).required = true];
  option (buf.validate.message).cel = {
    id: "size" message: "is too large" expression: "this.title.size() < 100"
  };
}
message All {
"""
    + fields()
    + "}\n"
)


@cache
def pool(number: int = 0) -> DescriptorPool:
    """The file in a pool of its own; another one for another number."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acme/v1/acme.proto"
        path.parent.mkdir(parents=True)
        path.write_text(PROTO)
        made = DescriptorPool()
        for file in image(Path(folder)).file:
            made.Add(file)
    return made


def kind(name: str, number: int = 0) -> Descriptor:
    """The descriptor of a message."""
    return pool(number).FindMessageTypeByName(f"acme.v1.{name}")


def make(name: str, number: int = 0, **fields: Any) -> Any:
    """A message."""
    return message_factory.GetMessageClass(kind(name, number))(**fields)


def faults(from_field: str, to_field: str) -> list[tuple[str, str, str]]:
    """What is wrong between Made and Send."""
    wrong = binding_faults(kind("Made"), from_field, kind("Send"), to_field)
    return [(each.field, each.reason, each.description) for each in wrong]


@pytest.mark.parametrize(
    ("from_field", "to_field"),
    [
        ("document", "document"),
        ("document.key", "title"),
        ("document.parent.parent.key", "document.parent.key"),
        ("note", "title"),
        ("title", "person"),
        ("pages", "pages"),
        ("by_name", "by_name"),
        ("title", "tags"),
        ("document", "pages"),
    ],
)
def test_fields_of_one_type_go_together(from_field: str, to_field: str) -> None:
    """However deep; presence makes no difference."""
    assert faults(from_field, to_field) == []


@pytest.mark.parametrize(
    ("from_field", "to_field", "field", "reason", "said"),
    [
        ("title", "", "to_field", "REQUIRED", "is required"),
        ("x" * 256, "title", "from_field", "TOO_LONG", "is longer than 255 characters"),
        ("title", ".".join(["document", *["parent"] * 15, "key"]), "to_field", "TOO_LONG",
         "is deeper than 16 fields"),
        ("title", "document..key", "to_field", "FORMAT",
         "is no path of field names, e.g. document.key"),
        ("title", "title\n", "to_field", "FORMAT", "is no path of field names, e.g. document.key"),
        ("pages[0].key", "title", "from_field", "FORMAT",
         "is no path of field names, e.g. document.key"),
        ("document.kye", "title", "from_field", "UNKNOWN",
         'names no field of acme.v1.Document; did you mean "key"?'),
        ("document.xyz", "title", "from_field", "UNKNOWN",
         "names no field of acme.v1.Document (there are key, size, parent)"),
        ("pages.key", "title", "from_field", "TYPE",
         'leads into "pages", which is repeated acme.v1.Document and not a single message'),
        ("title", "by_name.value.key", "to_field", "TYPE",
         'leads into "by_name", which is map<string, acme.v1.Document> and not a single message'),
        ("title.key", "title", "from_field", "TYPE",
         'leads into "title", which is string and not a single message'),
        ("document.size", "title", "to_field", "TYPE", "is string, but is filled with int64"),
        ("tags", "title", "to_field", "TYPE", "is string, but is filled with repeated string"),
        ("document", "tags", "to_field", "TYPE",
         "is repeated string, but is filled with acme.v1.Document"),
        ("by_name", "pages", "to_field", "TYPE",
         "is repeated acme.v1.Document, but is filled with map<string, acme.v1.Document>"),
        ("", "document", "to_field", "TYPE",
         "is acme.v1.Document, but is filled with acme.v1.Made"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(
    from_field: str, to_field: str, field: str, reason: str, said: str
) -> None:
    """One fault an end, and of the two together only where both are right."""
    assert faults(from_field, to_field) == [(field, reason, said)]


def test_both_ends_may_be_wrong() -> None:
    """All is said at once, and what would be right is suggested as a whole path."""
    wrong = binding_faults(kind("Made"), "document.kye", kind("Send"), "nope")

    assert [(each.field, each.reason) for each in wrong] == [
        ("from_field", "UNKNOWN"),
        ("to_field", "UNKNOWN"),
    ]
    assert wrong[0].suggestions == ("document.key",)


def test_a_whole_result_fills_a_message_of_its_type() -> None:
    """With an empty from_field."""
    assert binding_faults(kind("Document"), "", kind("Send"), "document") == []


def test_a_job_without_a_result_fills_nothing() -> None:
    """The node is what is wrong."""
    result = result_of(job_type_from(Noop.DESCRIPTOR))
    wrong = binding_faults(result, "text", Echo.DESCRIPTOR, "text")

    assert [(each.field, each.reason) for each in wrong] == [("from_node", "TYPE")]


def test_the_result_of_a_type_is_found() -> None:
    """In the pool of its payload."""
    result = result_of(job_type_from(Echo.DESCRIPTOR))

    assert result is not None
    assert result.full_name == EchoResult.DESCRIPTOR.full_name
    assert binding_faults(result, "text", Append.DESCRIPTOR, "log") == []
    assert binding_faults(AppendResult.DESCRIPTOR, "done", Append.DESCRIPTOR, "count") == []


def test_only_what_is_of_one_type_goes_together() -> None:
    """Each of all types with each: what differs in signs, sizes or keys is another type; a list is
    also filled with single values."""
    all_ = kind("All")
    declared = [line.split() for line in fields().splitlines()]
    types = [" ".join(words[:-3]).removeprefix("optional ") for words in declared]

    for number, one in enumerate(types, 1):
        fits = [
            other
            for place, other in enumerate(types, 1)
            if not binding_faults(all_, f"f{number}", all_, f"f{place}")
        ]
        assert fits == [other for other in types if other in (one, f"repeated {one}")]


VALUES = {
    "double": 1.5, "float": 0.5, "bool": True, "string": "text", "bytes": b"\0\xff", "Kind": 1,
}  # fmt: skip


def a_full_one(number: int) -> Any:
    """All with a value in each field."""
    full = make("All", number)
    for field, line in zip(full.DESCRIPTOR.fields, fields().splitlines(), strict=True):
        word = line.split()[-4].rstrip(">")
        place = getattr(full, field.name)
        if word == "Document":
            value = make("Document", number, key="k", size=3)
            if line.startswith("repeated"):
                place.append(value)
            elif line.startswith("map"):
                place["1" if "string" in line else 1].CopyFrom(value)
            else:
                place.CopyFrom(value)
            continue
        scalar = VALUES.get(word, 7)
        if line.startswith("repeated"):
            place.extend([scalar, scalar])
        elif line.startswith("map"):
            place["1" if "map<string" in line else 1] = scalar
        else:
            setattr(full, field.name, scalar)
    return full


def test_each_type_is_copied_between_pools() -> None:
    """The classes of the two ends need not be of one pool; nothing else is touched."""
    source, target = a_full_one(0), make("All", 1)

    for field in source.DESCRIPTOR.fields:
        assert fill(source, field.name, target, field.name)
        assert len(target.ListFields()) == field.number

    assert target.SerializeToString(deterministic=True) == source.SerializeToString(
        deterministic=True
    )


def test_what_is_copied_replaces_what_was_there() -> None:
    """Lists, maps and messages are not merged."""
    target = make("Send", tags=["x"], document=make("Document", key="old", size=4))
    target.by_name["x"].key = "x"
    source = make("Made", tags=["a", "b"], document=make("Document", key="new"))
    source.by_name["y"].key = "y"

    for name in ("tags", "document", "by_name"):
        assert fill(source, name, target, name)

    assert list(target.tags) == ["a", "b"]
    assert target.document == make("Document", key="new")
    assert list(target.by_name) == ["y"]


def test_single_values_are_added_to_a_list() -> None:
    """To what is there, in the order in which they come; scalars and messages."""
    target = make("Send", tags=["x"], pages=[make("Document", key="first")])

    assert fill(make("Made", title="y"), "title", target, "tags")
    assert fill(make("Made", note="z"), "note", target, "tags")
    assert fill(make("Made", document=make("Document", key="k")), "document", target, "pages")
    assert not fill(make("Made"), "note", target, "tags")

    assert list(target.tags) == ["x", "y", "z"]
    assert [each.key for each in target.pages] == ["first", "k"]


@pytest.mark.parametrize(
    ("from_field", "to_field", "added"),
    [
        ("title", "tags", True),
        ("document", "pages", True),
        ("tags", "tags", False),
        ("title", "title", False),
        ("title", "pages", False),
        ("document", "by_name", False),
        ("gone", "tags", False),
        ("title", "gone", False),
    ],
)
def test_only_values_of_its_kind_are_added_to_a_list(
    from_field: str, to_field: str, added: bool
) -> None:
    """A list in the place of a list is a copy, and a map takes no values."""
    assert added == is_added(kind("Made"), from_field, kind("Send"), to_field)


def test_what_is_not_set_leaves_the_target_as_it_is() -> None:
    """A message, an optional field, and all below a message that is not there."""
    target = make("Send", title="given", note="kept")

    assert not fill(make("Made"), "document", target, "document")
    assert not fill(make("Made"), "document.key", target, "title")
    assert not fill(make("Made"), "note", target, "note")

    assert target == make("Send", title="given", note="kept")


def test_a_field_without_presence_is_copied_as_it_is() -> None:
    """Its zero is a value."""
    target = make("Send", title="given", tags=["x"])

    assert fill(make("Made"), "title", target, "note")
    assert fill(make("Made"), "tags", target, "tags")

    assert target.HasField("note")
    assert not target.tags


def test_what_holds_a_filled_field_is_there() -> None:
    """Also where the whole value is empty."""
    target = make("Send")

    assert fill(make("Document"), "", target, "document.parent")

    assert target.document.HasField("parent")


def test_a_copy_between_other_releases_is_refused() -> None:
    """The worker's types may not be those of the door that checked the binding."""
    with pytest.raises(InvalidRequest, match="names no field") as caught:
        fill(make("Made"), "gone", make("Send"), "title")

    assert caught.value.violations[0].field == "from_field"


NAMES = st.lists(st.lists(st.sampled_from("ab"), min_size=1, max_size=4).map(".".join), max_size=6)


@given(NAMES)
def test_overlaps_are_all_and_only_those(paths: list[str]) -> None:
    """Each later one with the first that is the same, holds it, or is held by it."""
    expected = []
    for number, path in enumerate(paths):
        earlier = [
            before
            for before, other in enumerate(paths[:number])
            if f"{path}.".startswith(f"{other}.") or f"{other}.".startswith(f"{path}.")
        ]
        expected += [(number, earlier[0])] if earlier else []

    assert overlaps(paths) == expected


def test_those_that_are_added_to_one_list_do_not_overlap() -> None:
    """But with what replaces the list, and with what holds it, they do."""
    assert overlaps(["tags", "tags", "tags"], [0, 1, 2]) == []
    assert overlaps(["tags", "tags", "tags"], [1, 2]) == [(1, 0), (2, 0)]
    assert overlaps(["a.tags", "a.tags", "a"], [0, 1]) == [(2, 0)]


def test_a_name_that_begins_alike_is_another() -> None:
    """ "document" does not hold "documents"."""
    assert overlaps(["document", "documents", "document_key.x"]) == []


def left_over(payload: Any, *to_fields: str) -> list[str]:
    """Violations of the payload's own rules that filling cannot mend."""
    wrong = Rules().check(payload)
    return [each.field for each in wrong if not is_filled(kind("Send"), each.field, to_fields)]


def test_rules_of_filled_fields_wait_until_they_are_filled() -> None:
    """Of the field, of what it holds, of the message and the oneof that hold it."""
    empty = make("Send")

    assert sorted(left_over(empty)) == ["document", "other", "receiver", "tags", "title"]
    assert left_over(empty, "document.key", "title", "person", "tags") == ["other"]
    assert left_over(empty, "document", "title", "company.key", "tags", "other") == []
    assert "document.size" in left_over(
        make("Send", document=make("Document", key="k")), "document.key"
    )


def test_rules_of_other_fields_are_judged_at_once() -> None:
    """Those of neighbours, and of names that begin alike."""
    payload = make("Send", tags=["long"], pages=[make("Document")])

    assert not is_filled(kind("Send"), "titles", ["title"])
    assert {"pages[0].key", "tags[0]"} <= set(left_over(payload, "document", "title"))
    assert "tags[0]" not in left_over(payload, "tags")


def test_a_rule_of_the_whole_message_waits_for_all_of_it() -> None:
    """It may be about what comes."""
    payload = make("Send", title="x" * 100)

    assert Violation("", "SIZE", "is too large") in Rules().check(payload)
    assert "" in left_over(payload)
    assert "" not in left_over(payload, "note")
