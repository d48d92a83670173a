"""Job types that a door never saw: their workers bring them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from redis import Redis
from sqlalchemy import create_engine

from bank_jobs.handlers import METADATA
from bank_jobs.v1.bank_pb2 import Pay, PayResult
from portaria.client import Client, InvalidRequest, StoreUnavailable
from portaria.codegen.generate import generate
from portaria.core.seal import load_key_ring
from portaria.core.type_files import seal_file
from portaria.store import Store
from portaria.store.types import register
from portaria.up.health import is_serving
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED, JobSpec
from portaria.v1.jobs_service_pb2 import BatchSubmitJobsRequest
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Process, Stack, eventually

BANK = "portaria_workers,bank_jobs"
PAY, FACADE = "bank_jobs.v1.Pay", "bank_jobs.v1.BankService"
PAY_RPC = f"/{FACADE}/Pay"
NOOP = "acme_jobs.lab.v1.Noop"

PROTO = """syntax = "proto3";
package depot.v1;
import "buf/validate/validate.proto";
import "portaria/v1/job_type.proto";

message Count {
  option (portaria.v1.job_type) = {
    domain: "depot" effect: EFFECT_IDEMPOTENT result_type: "depot.v1.CountResult" HOOKS
  };
  FIELDS
}
message CountResult { int32 found = 1; }
"""
HANDLERS = """from depot.v1.depot_pb2 import Count, CountResult
from portaria.jobs import JobContext, job

@job
def count(payload: Count, ctx: JobContext) -> CountResult:
    return CountResult(found=len(payload.place))
"""
PLACE = "string place = 1 [(buf.validate.field).string.min_len = 1];"


@pytest.fixture
def stack_of_strangers(stack: Stack) -> Stack:
    """A door that knows the shipped domains only."""
    stack.door(PORTARIA_JOBS="portaria_workers")
    return stack


@dataclass(frozen=True)
class Depot:
    """A team's package, in several versions."""

    stack: Stack
    folder: Path

    def version(self, name: str, fields: str, hooks: str = "") -> dict[str, str]:
        """Writes a version; answers the settings under which it is the one."""
        text = PROTO.replace("FIELDS", fields).replace("HOOKS", hooks)
        root = self.folder / name
        (root / "depot/v1").mkdir(parents=True)
        (root / "depot/v1/depot.proto").write_text(text)
        (root / "depot/__init__.py").touch()
        (root / "depot/handlers.py").write_text(HANDLERS)
        generate(root, root)
        path = os.pathsep.join((str(root), self.stack.env["PYTHONPATH"]))
        return {"PYTHONPATH": path, "PORTARIA_JOBS": "portaria_workers,depot"}

    def refused(self, version: dict[str, str]) -> Process:
        """A worker that does not start, once it has ended."""
        worker = self.stack.processes.portaria("worker", "worker", "depot", **version)
        worker.wait(15)
        return worker


@pytest.fixture
def depot(stack_of_strangers: Stack, tmp_path: Path) -> Depot:
    """Of the stack whose door never saw it."""
    return Depot(stack_of_strangers, tmp_path / "depot")


@pytest.fixture
def database(tmp_path: Path) -> str:
    """Of the bank, with its tables."""
    address = f"sqlite:///{tmp_path}/bank.db"
    engine = create_engine(address)
    METADATA.create_all(engine)
    engine.dispose()
    return address


def job_payload(stack: Stack, job_id: str) -> AnyMessage:
    """What somebody submitted."""
    return stack.client.get(job_id, full=True).spec.payload


def served(stack: Stack) -> list[str]:
    """The types that the door tells."""
    return [each.type for each in stack.client.job_types()]


def curl(stack: Stack, rpc: str, request: object) -> subprocess.CompletedProcess[str]:
    """What `buf curl` makes of an RPC of which it knows only what reflection tells."""
    buf = Path(sys.executable).with_name("buf")
    command = [buf, "curl", "--protocol", "grpc", "--http2-prior-knowledge"]
    return subprocess.run(
        [*command, "--data", json.dumps(request), f"http://{stack.address}/{rpc}"],
        capture_output=True, text=True, check=False, cwd=stack.folder,
        env={**os.environ, "BUF_CACHE_DIR": str(stack.folder / "buf")},
    )  # fmt: skip


def test_a_new_type_is_deployed_by_starting_a_worker(
    stack_of_strangers: Stack, database: str, tmp_path: Path
) -> None:
    """Refused before, as unknown; then submitted, run, watched and listed."""
    stack = stack_of_strangers
    pay = Pay(database=database, log=str(tmp_path / "log"))
    with pytest.raises(InvalidRequest, match="type that is not known here"):
        stack.client.submit(pay)

    stack.worker("bank", PORTARIA_JOBS=BANK)
    eventually(lambda: PAY in served(stack), 5)
    handle = stack.client.submit(pay)
    last = list(handle.watch())[-1]
    paid: PayResult = handle.result()

    assert (last.done, paid.attempt) == (True, 1)
    assert [job.job_id for job in stack.client.list(types=[PAY])] == [handle.id]


def test_its_facade_is_called_by_whoever_asks_reflection(
    stack_of_strangers: Stack, database: str, tmp_path: Path
) -> None:
    """Its rules are checked, with paths of the façade's own request."""
    stack = stack_of_strangers
    stack.worker("bank", PORTARIA_JOBS=BANK)
    eventually(lambda: PAY in served(stack), 5)
    job = {"database": database, "log": str(tmp_path / "log")}

    good = curl(stack, f"{FACADE}/Pay", {"job": job, "requestId": "r1"})
    again = curl(stack, f"{FACADE}/Pay", {"job": job, "requestId": "r1"})
    bad = curl(stack, f"{FACADE}/Pay", {"job": {"log": "x"}, "requestId": "r2"})

    first, second = json.loads(good.stdout), json.loads(again.stdout)
    assert first["job"]["type"] == PAY
    assert (second["job"]["jobId"], second["deduplicated"]) == (first["job"]["jobId"], True)
    assert stack.client.handle(first["job"]["jobId"]).wait().state == JOB_STATE_SUCCEEDED
    assert bad.returncode != 0
    assert "job.database: is required" in bad.stderr


def test_what_breaks_a_registered_type_is_refused_by_name(depot: Depot) -> None:
    """By a worker, and before by `portaria types check`; what was registered goes on."""
    stack = depot.stack
    first = depot.version("first", PLACE)
    second = depot.version("second", "int64 place = 1;")
    check = ("-m", "portaria.cli.main", "types", "check")
    worker = stack.worker("depot", **first)
    eventually(lambda: "depot.v1.Count" in served(stack), 5)

    refusal = depot.refused(second)
    checked = stack.processes.python("check", *check, **second)
    fine = stack.processes.python("check", *check, **first)

    said = "depot.v1.Count.place (field 1): its type string became int64"
    assert (refusal.exit_code, checked.wait(15), fine.wait(15)) == (2, 2, 0)
    assert said in refusal.output()
    assert said in checked.output()
    assert "the same  depot/v1/depot.proto" in fine.output()
    assert "Traceback" not in refusal.output() + checked.output()
    assert worker.running


def test_a_type_whose_hook_cannot_be_is_refused_by_name(depot: Depot) -> None:
    """Before a deploy, by `portaria types check`; one that is none keeps a worker from starting."""
    stack = depot.stack
    strict = depot.version("strict", PLACE, 'on_failure: "depot.v1.Count"')
    none = depot.version("none", PLACE, 'on_retry: "depot.v1.CountResult"')
    check = ("-m", "portaria.cli.main", "types", "check")

    checks = [stack.processes.python("check", *check, **each) for each in (strict, none)]
    worker = depot.refused(none)

    said = (
        "on_failure is depot.v1.Count, which may not be empty: place is required",
        "on_retry names no job type: depot.v1.CountResult",
    )
    assert [each.wait(15) for each in checks] == [2, 2]
    assert (worker.exit_code, stack.redis.exists("portaria:types")) == (2, 0)
    for process, words in zip((*checks, worker), (*said, said[1]), strict=True):
        assert f"job type depot.v1.Count: {words}" in process.output()
        assert "Traceback" not in process.output()


def test_hooks_of_a_type_are_served_with_it(depot: Depot) -> None:
    """A door that never saw it fires them for jobs without their own."""
    stack = depot.stack
    hook = 'on_success: "acme_jobs.lab.v1.Noop"'
    version = depot.version("hooked", PLACE, hook)
    version["PORTARIA_JOBS"] += ",acme_jobs"
    stack.worker("depot", **version)
    eventually(lambda: "depot.v1.Count" in served(stack), 5)

    request = {"job": {"place": "x"}, "requestId": "r1"}
    answer = curl(stack, "depot.v1.DepotService/Count", request)

    job_id = json.loads(answer.stdout)["job"]["jobId"]
    job = stack.client.handle(job_id).wait(timedelta(seconds=10))
    assert job.state == JOB_STATE_SUCCEEDED
    (hook,) = stack.client.list(types=[NOOP])
    assert hook.parent_job_id == job_id
    specs = [JobSpec(payload=job_payload(stack, job_id)) for _ in range(3)]
    batch = JobsServiceStub(grpc.insecure_channel(stack.address)).BatchSubmitJobs(
        BatchSubmitJobsRequest(specs=specs, request_id="r2")
    )
    ids = {each.job_id for each in batch.results}

    def parents() -> list[str]:
        return [each.parent_job_id for each in stack.client.list(types=[NOOP])]

    eventually(lambda: len(parents()) == 4, 10)
    assert set(parents()) == {job_id, *ids}


def test_an_older_release_starts_beside_a_newer_one(depot: Depot) -> None:
    """And takes nothing away: a rolling deploy, or the way back from one."""
    stack = depot.stack
    old = depot.version("old", PLACE)
    new = depot.version("new", f"{PLACE} string shelf = 2;")
    stack.worker("depot", **new)
    eventually(lambda: "depot.v1.Count" in served(stack), 5)

    before = stack.redis.get("portaria:types:revision")
    stack.worker("depot", **old).wait_for("a newer release registered these job types")

    assert stack.redis.get("portaria:types:revision") == before
    files = {file.name: file for file in stack.client.descriptors("depot").file}
    count = files["depot/v1/depot.proto"].message_type[0]
    assert [field.name for field in count.field] == ["place", "shelf"]


def test_a_break_that_is_meant_replaces_the_type(depot: Depot) -> None:
    """`portaria types register --breaking`; then the old release does not start any more."""
    stack = depot.stack
    first = depot.version("first", PLACE)
    second = depot.version("second", "int64 place = 1;")
    register = ("-m", "portaria.cli.main", "types", "register")
    assert stack.processes.python("register", *register, **first).wait(15) == 0

    refused = stack.processes.python("register", *register, **second)
    assert refused.wait(15) == 2
    meant = stack.processes.python("register", *register, "--breaking", **second)

    assert meant.wait(15) == 0
    assert "changed   depot/v1/depot.proto" in meant.output()
    assert depot.refused(first).exit_code == 2

    def place_is_a_number() -> bool:
        files = {file.name: file for file in stack.client.descriptors("depot").file}
        return files["depot/v1/depot.proto"].message_type[0].field[0].type == 3

    eventually(place_is_a_number, 5)


def test_types_of_all_workers_are_back_after_redis_was_emptied(stack_of_strangers: Stack) -> None:
    """A door forgets nothing; one that starts later learns from the workers that run."""
    stack = stack_of_strangers
    stack.worker("bank", PORTARIA_JOBS=BANK)
    stack.worker("lab", PORTARIA_JOBS="portaria_workers,acme_jobs")
    eventually(lambda: {PAY, NOOP} <= set(served(stack)), 5)

    stack.redis.flushall()

    assert {PAY, NOOP} <= set(served(stack))
    files = {"bank_jobs/v1/bank.proto", "acme_jobs/lab/v1/lab.proto"}
    eventually(lambda: files <= set(stack.redis.hkeys("portaria:types")), 15)
    later = stack.door(PORTARIA_JOBS="portaria_workers")
    with Client(later.address) as client:
        assert {PAY, NOOP} <= {each.type for each in client.job_types()}


def test_a_worker_with_another_key_takes_nothing_away(
    stack_of_strangers: Stack, tmp_path: Path
) -> None:
    """What it cannot open stays as it is."""
    stack = stack_of_strangers
    stack.worker("bank", PORTARIA_JOBS=BANK)
    redis = Redis.from_url(stack.redis_server.url)
    before = redis.hget("portaria:types", "bank_jobs/v1/bank.proto")

    stranger = stack.worker(
        "lab",
        PORTARIA_JOBS="portaria_workers,acme_jobs",
        PORTARIA_SIGNING_KEY_FILE=str(tmp_path / "another.key"),
    )

    stranger.wait_for("a registered file is not believed")
    eventually(lambda: stack.redis.hexists("portaria:types", "acme_jobs/lab/v1/lab.proto"), 5)
    assert redis.hget("portaria:types", "bank_jobs/v1/bank.proto") == before
    redis.close()
    eventually(lambda: PAY in served(stack), 5)


def test_a_file_that_nobody_here_can_use_stops_no_others(stack_of_strangers: Stack) -> None:
    """Such as one of a newer release, with a platform file that this one does not have."""
    stack = stack_of_strangers
    future = FileDescriptorProto(
        name="future/v1/future.proto",
        package="future.v1",
        syntax="proto3",
        dependency=["portaria/v1/future.proto"],
    )
    ring = load_key_ring(stack.data_dir / "signing.key")
    sealed = seal_file(ring, future)
    redis = Redis.from_url(stack.redis_server.url)
    Store(redis).run(register("", "one", {future.name: sealed}))
    redis.close()

    stack.worker("bank", PORTARIA_JOBS=BANK)

    eventually(lambda: PAY in served(stack), 5)
    stack.processes.started[0].wait_for("cannot be used")


def code_of_call(address: str, path: str) -> grpc.StatusCode:
    """Of an empty request to any RPC, from which nothing good comes."""
    with grpc.insecure_channel(address) as channel, pytest.raises(grpc.RpcError) as failure:
        channel.unary_unary(path)(b"", timeout=5)
    code: grpc.StatusCode = failure.value.code()
    return code


def test_a_door_that_knows_nothing_yet_refuses_no_type_for_good(
    stack_of_strangers: Stack, database: str, tmp_path: Path
) -> None:
    """While Redis is away at its start, a type of others is not unknown: the caller tries again."""
    stack = stack_of_strangers
    stack.worker("bank", PORTARIA_JOBS=BANK)
    stack.redis_server.process.kill()
    door = stack.processes.portaria(
        "door", "serve", PORTARIA_JOBS="portaria_workers", PORTARIA_LISTEN="127.0.0.1:0"
    )
    address = json.loads(door.wait_for("door listening"))["address"]
    pay = Pay(database=database, log=str(tmp_path / "log"))

    with Client(address, timeout=timedelta(seconds=1)) as client:
        with pytest.raises(StoreUnavailable):
            client.submit(pay)
        assert not is_serving(address, within=0.2)
        assert code_of_call(address, PAY_RPC) is grpc.StatusCode.UNAVAILABLE
        assert code_of_call(address, "/made.up/Name") is grpc.StatusCode.UNAVAILABLE
        assert code_of_call(address, "/grpc.made.up/Name") is grpc.StatusCode.UNIMPLEMENTED
        stack.restart_redis()
        eventually(lambda: is_serving(address, within=0.2), 15)
        assert client.submit(pay).id
    assert code_of_call(address, PAY_RPC) is grpc.StatusCode.INVALID_ARGUMENT
    assert code_of_call(address, "/made.up/Name") is grpc.StatusCode.UNIMPLEMENTED


def test_nobody_without_the_key_teaches_a_door_anything(depot: Depot) -> None:
    """What is not sealed is left out, with a word; the rest is served."""
    stack = depot.stack
    stack.worker("bank", PORTARIA_JOBS=BANK)
    eventually(lambda: PAY in served(stack), 5)
    file = next(each for each in stack.client.descriptors("bank").file if "bank.proto" in each.name)
    file.name, file.package = "evil/v1/evil.proto", "evil.v1"
    ring = load_key_ring(stack.data_dir / "signing.key")
    forged = seal_file(ring, file)[:-1] + b"\0"

    with stack.redis.pipeline(transaction=True) as pipeline:
        pipeline.hset("portaria:types", file.name, forged)
        pipeline.set("portaria:types:revision", "forged")
        pipeline.execute()

    door = stack.processes.started[0]
    door.wait_for("a registered file is not believed")
    assert PAY in served(stack)
    assert not any("evil" in each for each in served(stack))
