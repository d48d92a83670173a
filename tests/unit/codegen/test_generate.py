"""generate: from a team's .proto to what Python imports."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from portaria.cli.exits import Refused
from portaria.cli.generate import generate as command
from portaria.codegen.generate import GenerateError, generate, image

TOP = Path(__file__).parents[3]
PROTO = """syntax = "proto3";
package team.stock.v1;
import "buf/validate/validate.proto";
import "portaria/v1/job_type.proto";

message Count {
  option (portaria.v1.job_type) = { domain: "stock" effect: EFFECT_IDEMPOTENT };
  string place = 1 [(buf.validate.field).string.min_len = 1];
}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Another team's import root, with one file."""
    folder = tmp_path / "team/stock/v1"
    folder.mkdir(parents=True)
    (folder / "stock.proto").write_text(PROTO)
    return tmp_path


def test_a_file_becomes_messages_hints_facade_and_stubs(root: Path) -> None:
    """All of it, named in the answer; and it can be imported."""
    written = {str(path.relative_to(root)) for path in generate(root, root)}

    here = "team/stock/v1/"
    assert written == {
        "team/__init__.py", "team/stock/__init__.py", f"{here}__init__.py",
        f"{here}stock_pb2.py", f"{here}stock_pb2.pyi",
        f"{here}stock_service.proto", f"{here}stock_service_pb2.py", f"{here}stock_service_pb2.pyi",
        f"{here}stock_service_pb2_grpc.py", f"{here}stock_service_pb2_grpc.pyi",
    }  # fmt: skip
    assert all((root / path).exists() for path in written)
    code = "from team.stock.v1 import stock_service_pb2_grpc as s; print(s.StockServiceStub)"
    subprocess.run([sys.executable, "-c", code], cwd=root, check=True, capture_output=True)


def test_protoc_says_what_is_wrong(root: Path) -> None:
    """File, line and its own words; nothing is written."""
    (root / "team/stock/v1/stock.proto").write_text(PROTO.replace("string place", "strin place"))

    with pytest.raises(GenerateError) as refusal:
        generate(root, root)

    assert 'team/stock/v1/stock.proto:8:3: "strin" is not defined' in str(refusal.value)
    assert [path.name for path in root.rglob("*.py")] == []


def test_a_missing_import_is_named(root: Path) -> None:
    """The commonest mistake of a new file."""
    (root / "team/stock/v1/stock.proto").write_text(PROTO.replace("job_type.proto", "jobs.proto"))

    with pytest.raises(GenerateError, match=r"portaria/v1/jobs\.proto"):
        generate(root, root)


def test_an_image_holds_comments_and_imports(root: Path) -> None:
    """As buf's lint reads it."""
    files = {file.name: file for file in image(root).file}

    assert "portaria/v1/job_type.proto" in files
    assert "buf/validate/validate.proto" in files
    assert files["team/stock/v1/stock.proto"].HasField("source_code_info")


def test_an_image_for_callers_holds_the_whole_api(root: Path) -> None:
    """Another team's types and façade, what submits and watches, and how errors read."""
    generate(root, root)

    theirs = {file.name: file for file in image(root, for_callers=True).file}

    assert "team/stock/v1/stock_service.proto" in theirs
    assert theirs["portaria/v1/jobs_service.proto"].service[0].name == "JobsService"
    assert {"portaria/v1/errors.proto", "google/rpc/error_details.proto"} <= theirs.keys()


def test_an_image_for_callers_keeps_internals_out() -> None:
    """What only door and workers read is no part of the API."""
    ours = {file.name for file in image(TOP / "proto", for_callers=True).file}

    assert {"portaria/v1/admin_service.proto", "portaria_workers/mail/v1/mail.proto"} <= ours
    assert not [name for name in ours if "internal" in name]


def test_stubs_and_image_are_not_made_at_once(root: Path) -> None:
    """--out places what --image would not write: one of them was meant otherwise."""
    arguments = [str(root), "--out", str(root), "--image", str(root / "team.binpb")]

    with pytest.raises(Refused, match="--image"):
        command.main(arguments, standalone_mode=False)

    assert not (root / "team.binpb").exists()
