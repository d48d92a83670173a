"""What may change in a .proto file while jobs of the old one wait, and what may not."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto

from portaria.codegen.generate import image
from portaria.core.evolution import breaks

OLD = """syntax = "proto3";
package acme.v1;
import "portaria/v1/job_type.proto";

message Reserve {
  option (portaria.v1.job_type) = {
    domain: "stock" effect: EFFECT_IDEMPOTENT result_type: "acme.v1.Reserved"
  };
  reserved 9, 20 to 22;
  reserved "gone";
  string sku = 1;
  int32 count = 2;
  repeated string tags = 3;
  map<string, int32> places = 4;
  Kind kind = 5;
  oneof buyer {
    string person = 6;
    string company = 7;
  }
  optional string note = 8;
  Size size = 10;
  message Size { double width = 1; }
  message Spare {}
  enum Kind {
    reserved 9;
    KIND_UNSPECIFIED = 0;
    KIND_FAST = 1;
  }
}
message Reserved { string id = 1; }
message ReserveRequest { Reserve job = 1; }
service StockService { rpc Reserve(ReserveRequest) returns (Reserved); }
"""

EXTENDS = {
    "a field is new": ("string sku = 1;", "string sku = 1; string more = 11;"),
    "a message is new": ("message Reserved {", "message Other {} message Reserved {"),
    "a value is new": ("KIND_FAST = 1;", "KIND_FAST = 1; KIND_SLOW = 2;"),
    "an RPC is new": (
        "service StockService {", "service StockService { rpc B(Reserved) returns (Reserved);"
    ),
    "a field goes, its number and name reserved": (
        "int32 count = 2;", 'reserved 2; reserved "count";'
    ),
    "a value goes, its number and name reserved": (
        "KIND_FAST = 1;", 'reserved 1; reserved "KIND_FAST";'
    ),
    "more is reserved": ("reserved 9, 20 to 22;", "reserved 9, 20 to 30;"),
}  # fmt: skip
MEANS_THE_SAME = {
    "a span of reserved numbers in two": ("20 to 22;", "20, 21 to 22;"),
    "nothing": ("", ""),
    "a sign": ("int32 count", "uint32 count"),
    "presence": ("optional string note", "string note"),
    "the order": ("string sku = 1;\n  int32 count = 2;", "int32 count = 2;\n  string sku = 1;"),
    "another description": ('domain: "stock"', 'domain: "stock" description: "Reserves."'),
    "another timeout": ('domain: "stock"', 'domain: "stock" timeout: {seconds: 9}'),
}
GONE = "is gone, and its number and name are not reserved"
OPTION = OLD[OLD.index("  option") : OLD.index("  reserved 9, ")]
BREAKS = {
    "string sku = 1": ("int64 sku = 1", "Reserve.sku (field 1): its type string became int64"),
    "string sku": ("string code", "Reserve.sku (field 1): was renamed to code"),
    "sku = 1": ('sku = 1 [json_name = "s"]', "Reserve.sku (field 1): its JSON name sku became s"),
    " sku = 1": (" sku = 12", f"Reserve.sku (field 1): {GONE}"),
    "int32 count = 2;": ("", f"Reserve.count (field 2): {GONE}"),
    "  int32 count = 2;": ("reserved 2;", f"Reserve.count (field 2): {GONE}"),
    "repeated ": ("", "Reserve.tags (field 3): repeated became optional"),
    ", int32>": (
        ", string>", "Reserve.PlacesEntry.value (field 2): its type int32 became string"
    ),
    "Size size": (
        "Reserved size",
        "Reserve.size (field 10): its type acme.v1.Reserve.Size became acme.v1.Reserved",
    ),
    "string sku = 1;": (
        "oneof x { string sku = 1; }", "Reserve.sku (field 1): moved from no oneof to x"
    ),
    "double width": ("string width", "Reserve.Size.width (field 1): its type double became string"),
    "  message Spare {}\n": ("", "Reserve.Spare: the message is gone"),
    "20 to 22": ("20, 22", "Reserve: 21 is not reserved any more"),
    'reserved "gone";': ("", 'Reserve: "gone" is not reserved any more'),
    "KIND_FAST = 1;": ("", f"Reserve.Kind.KIND_FAST (value 1): {GONE}"),
    "KIND_FAST": ("KIND_QUICK", "Reserve.Kind.KIND_FAST (value 1): was renamed"),
    "Kind kind": (
        "int32 kind", "Reserve.kind (field 5): its type acme.v1.Reserve.Kind became int32"
    ),
    'domain: "stock"': ('domain: "shop"', 'Reserve: its domain "stock" became "shop"'),
    'result_type: "acme.v1.Reserved"': (
        "", "Reserve: its result_type acme.v1.Reserved became none"
    ),
    OPTION: ("", "Reserve: is no job type any more"),
    "map<string, int32> places": (
        "message PlacesEntry { string key = 1; int32 value = 2; } repeated PlacesEntry places",
        "Reserve.PlacesEntry: a map became a list of messages, or the other way round",
    ),
    "rpc Reserve(": ("rpc Take(", "StockService.Reserve: the RPC is gone"),
    "(ReserveRequest)": ("(Reserved)", "StockService.Reserve: its request or response changed"),
    "service StockService": ("service ShopService", "StockService: the service is gone"),
}  # fmt: skip
"""What is written otherwise -> how, and what is said of it."""


@cache
def compiled(text: str) -> FileDescriptorProto:
    """A file as protoc reads it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "acme/v1/acme.proto"
        path.parent.mkdir(parents=True)
        path.write_text(text)
        files = {each.name: each for each in image(Path(folder)).file}
    found = files["acme/v1/acme.proto"]
    found.ClearField("source_code_info")
    return found


def changed(before: str, after: str) -> FileDescriptorProto:
    """The file with a change."""
    assert before in OLD
    return compiled(OLD.replace(before, after, 1))


@pytest.mark.parametrize("change", EXTENDS.values(), ids=EXTENDS)
def test_what_extends_breaks_nothing_and_is_not_undone(change: tuple[str, str]) -> None:
    """The way back would break what was written since: an older release is known by that."""
    new = changed(*change)

    assert breaks(compiled(OLD), new) == []
    assert breaks(new, compiled(OLD)) != []


@pytest.mark.parametrize("change", MEANS_THE_SAME.values(), ids=MEANS_THE_SAME)
def test_what_means_the_same_goes_both_ways(change: tuple[str, str]) -> None:
    """On the wire and in JSON."""
    new = changed(*change)

    assert (breaks(compiled(OLD), new), breaks(new, compiled(OLD))) == ([], [])


@pytest.mark.parametrize("before", BREAKS, ids=lambda text: text.split("{")[0])
def test_what_breaks_is_named(before: str) -> None:
    """With the full name of what breaks, and its number."""
    after, said = BREAKS[before]

    assert f"acme.v1.{said}" in breaks(compiled(OLD), changed(before, after))


def test_package_and_syntax_stay() -> None:
    """Everything in the file would be something else."""
    moved, older = compiled(OLD), FileDescriptorProto()
    older.CopyFrom(moved)
    older.syntax = "proto2"

    assert breaks(moved, older) == ["acme/v1/acme.proto: its syntax changed"]
    older.package = "acme.v2"
    assert breaks(moved, older) == ['acme/v1/acme.proto: package "acme.v1" became "acme.v2"']


def test_a_new_field_may_not_take_what_was_reserved() -> None:
    """Neither the number nor the name: something may still be written with it."""
    freed = OLD.replace("reserved 9, 20 to 22;", "").replace('reserved "gone";', "")
    number = compiled(freed.replace("string sku = 1;", "string sku = 1; string x = 21;"))
    name = compiled(freed.replace("string sku = 1;", "string sku = 1; string gone = 30;"))

    assert "acme.v1.Reserve.x (field 21): takes a number that was reserved" in breaks(
        compiled(OLD), number
    )
    assert "acme.v1.Reserve.gone (field 30): takes a name that was reserved" in breaks(
        compiled(OLD), name
    )


def test_proto2_has_more_that_may_break() -> None:
    """What others require, defaults that readers count on, and extensions."""
    text = """syntax = "proto2";
package acme.v1;
message A {
  required string must = 1;
  optional int32 size = 2 [default = 5];
  extensions 100 to 199;
}
extend A { optional string more = 100; }
"""
    old = compiled(text)

    def said(before: str, after: str) -> list[str]:
        return breaks(old, compiled(text.replace(before, after)))

    gone = 'reserved 1; reserved "must";'
    assert said("required string must = 1;", gone) == [
        "acme.v1.A.must (field 1): is gone, and others require it"
    ]
    assert said("required", "optional") == ["acme.v1.A.must (field 1): required became optional"]
    assert said("default = 5", "default = 6") == ["acme.v1.A.size (field 2): its default changed"]
    assert len(said("optional string more", "optional int32 more")) == 1
    assert said("extend A { optional string more = 100; }", "") == [
        "acme/v1/acme.proto: the extension more (field 100) is gone"
    ]


def test_everything_that_breaks_is_said_at_once() -> None:
    """One deploy, one list."""
    text = OLD.replace("string sku = 1", "int64 sku = 1").replace("KIND_FAST = 1;", "")

    assert len(breaks(compiled(OLD), compiled(text))) == 2
