"""Façades: one RPC a job type, derived from the messages alone."""

from __future__ import annotations

from portaria.codegen.facade import facades, is_facade, job_types_of
from portaria.v1.job_type_pb2 import JobTypeOptions
from unit.core.descriptors import IDEMPOTENT, file, message

EXPECTED = """syntax = "proto3";

// Generated from the job types of this package; do not edit.
package acme.stock.v1;

import "portaria/v1/job.proto";
import "acme/stock/v1/stock.proto";

// The typed face of the job types of the domain "stock_room": each RPC is
// portaria.v1.JobsService.SubmitJob with a payload that the compiler checks.
service StockRoomService {
  // Counts what is there.
  rpc Count(CountRequest) returns (CountResponse);

  rpc Move(MoveRequest) returns (MoveResponse);
}

message CountRequest {
  Count job = 1;
  portaria.v1.SubmitOptions options = 2;
  // As in portaria.v1.SubmitJobRequest.
  string request_id = 3;
  // Checks everything, writes nothing; the job in the answer has no id.
  bool validate_only = 4;
}

message CountResponse {
  portaria.v1.Job job = 1;
  bool deduplicated = 2;
}

message MoveRequest {
  Move job = 1;
  portaria.v1.SubmitOptions options = 2;
  // As in portaria.v1.SubmitJobRequest.
  string request_id = 3;
  // Checks everything, writes nothing; the job in the answer has no id.
  bool validate_only = 4;
}

message MoveResponse {
  portaria.v1.Job job = 1;
  bool deduplicated = 2;
}
"""


def stock(domain: str = "stock_room", description: str = "") -> JobTypeOptions:
    return JobTypeOptions(domain=domain, effect=IDEMPOTENT, description=description)


def test_a_facade_is_this_text() -> None:
    """Word for word: it is committed, and read by people."""
    types = [
        message("Count", stock(description="Counts what is there.")),
        message("Plain"),
        message("Move", stock()),
    ]

    made = facades([file(types)])

    assert made == {"acme/stock/v1/stock_room_service.proto": EXPECTED}


def test_types_of_one_domain_in_two_files_share_a_facade() -> None:
    """And both files are imported, once."""
    first = file([message("Count", stock("stock"))], name="acme/stock/v1/a.proto")
    second = file([message("Move", stock("stock"))], name="acme/stock/v1/b.proto")

    ((path, text),) = facades([second, first]).items()

    assert path == "acme/stock/v1/stock_service.proto"
    assert 'import "acme/stock/v1/a.proto";\nimport "acme/stock/v1/b.proto";\n' in text
    assert text.count("service StockService {") == 1


def test_each_domain_of_a_file_has_its_own_facade() -> None:
    """A worker of one domain need not know the other."""
    types = [message("Count", stock("stock")), message("Pay", stock("bill"))]

    made = facades([file(types)])

    assert sorted(made) == [
        "acme/stock/v1/bill_service.proto", "acme/stock/v1/stock_service.proto",
    ]  # fmt: skip
    assert "rpc Pay" not in made["acme/stock/v1/stock_service.proto"]


def test_no_job_type_no_facade() -> None:
    """Messages alone call for nothing."""
    found = file([message("Plain")])

    assert job_types_of(found) == []
    assert facades([found]) == {}


def test_a_facade_is_known_by_its_head() -> None:
    """A service that somebody wrote is never taken for one, nor overwritten."""
    assert is_facade("acme/stock/v1/stock_service.proto", EXPECTED)
    assert not is_facade("acme/stock/v1/stock.proto", EXPECTED)
    assert not is_facade("acme/stock/v1/stock_service.proto", 'syntax = "proto3";\nservice A {}')
