"""`portaria serve` as a process, and callers that nobody here wrote."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import grpc
import pytest

from integration.frontdoor.playing import Refusal, submission
from portaria.up.redis_server import RedisServer
from portaria.v1.jobs_service_pb2 import WaitJobRequest
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Process, Processes, eventually


@pytest.fixture
def env(redis_server: RedisServer, tmp_path: Path) -> dict[str, str]:
    """What the door's process is told."""
    return {
        "PORTARIA_REDIS_URL": redis_server.url,
        "PORTARIA_DATA_DIR": str(tmp_path / "data"),
        "PORTARIA_LISTEN": "127.0.0.1:0",
    }


def _serve(processes: Processes, env: dict[str, str], *arguments: str | Path) -> Process:
    return processes.portaria("door", "serve", *arguments, **env)


def _ready(process: Process) -> str:
    line = json.loads(process.wait_for("door listening"))
    process.wait_for("redis reached")
    return str(line["address"])


def test_it_says_where_it_listens(
    processes: Processes, env: dict[str, str], tmp_path: Path
) -> None:
    """In the log and in the ready file, with the real port."""
    ready = tmp_path / "ready"

    door = _serve(processes, env, "--ready-file", ready)
    address = _ready(door)

    assert ready.read_text() == f"{address}\n"
    assert not address.endswith(":0")
    assert JobsServiceStub(grpc.insecure_channel(address)).SubmitJob(submission()).job.job_id


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_it(
    number: signal.Signals, processes: Processes, env: dict[str, str]
) -> None:
    """Open waits end with SHUTTING_DOWN, the exit code is 0."""
    door = _serve(processes, env)
    jobs = JobsServiceStub(grpc.insecure_channel(_ready(door)))
    job_id = jobs.SubmitJob(submission()).job.job_id
    waiting = jobs.WaitJob.future(WaitJobRequest(job_id=job_id), timeout=20)
    eventually(lambda: jobs.SubmitJob(submission()))

    door.send(number)

    with pytest.raises(grpc.RpcError) as raised:
        waiting.result(timeout=10)
    assert Refusal(raised.value).reason == "SHUTTING_DOWN"
    assert door.wait(10) == 0
    assert "door stopped" in door.output()


def test_faults_of_the_settings_are_told_in_words(
    processes: Processes, env: dict[str, str]
) -> None:
    """All of them, exit code 2, no trace."""
    door = _serve(
        processes,
        {**env, "PORTARIA_LISTEN": "nowhere", "PORTARIA_LISTENN": "x", "PORTARIA_JOBS": ""},
    )

    assert door.wait(10) == 2
    for words in ("PORTARIA_LISTEN: ", "PORTARIA_LISTENN: no such setting", "PORTARIA_JOBS: "):
        assert words in door.output()
    assert "Traceback" not in door.output()


@pytest.mark.parametrize(
    ("setting", "value", "words"),
    [
        ("PORTARIA_JOBS", "no_such_package", 'cannot import "no_such_package"'),
        ("PORTARIA_SIGNING_KEY_FILE", "{tmp}/bad.key", "a key is 64 hex digits"),
    ],
)
def test_what_cannot_work_is_told_at_start(
    setting: str,
    value: str,
    words: str,
    processes: Processes,
    env: dict[str, str],
    tmp_path: Path,
) -> None:
    """Packages that are not there and keys that are none: exit code 2, no trace."""
    (tmp_path / "bad.key").write_text("secret")

    door = _serve(processes, {**env, setting: value.format(tmp=tmp_path)})

    assert door.wait(10) == 2
    assert words in door.output()
    assert "Traceback" not in door.output()


def test_a_port_in_use_is_told(processes: Processes, env: dict[str, str]) -> None:
    """Two doors never share a port by mistake."""
    address = _ready(_serve(processes, env))

    second = _serve(processes, env, "--listen", address)

    assert second.wait(10) == 2
    assert f"cannot listen on {address}" in second.output()


def test_a_redis_that_can_lose_jobs_is_warned_of(
    processes: Processes, env: dict[str, str], redis_server: RedisServer
) -> None:
    """At start, each setting by name."""
    from redis import Redis

    with Redis.from_url(redis_server.url) as redis:
        redis.config_set("appendfsync", "everysec")
        door = _serve(processes, env)
        try:
            line = door.wait_for("may lose acknowledged jobs")
        finally:
            redis.config_set("appendfsync", "always")

    assert "appendfsync is everysec" in line


class Buf:
    """`buf curl`, which knows our services from reflection only."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __call__(self, *arguments: str, data: object = None) -> str:
        """Calls one method, or lists; fails with what buf says."""
        command = [str(Path(sys.executable).with_name("buf")), "curl", "--protocol", "grpc"]
        command += ["--http2-prior-knowledge"]
        if data is not None:
            command += ["--data", json.dumps(data)]
        *options, path = arguments
        done = subprocess.run(
            [*command, *options, f"http://{self._address}/{path}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def test_a_foreign_client_lists_submits_and_watches(
    processes: Processes, env: dict[str, str]
) -> None:
    """Through the façade, through Any, and as a stream; by reflection alone."""
    buf = Buf(_ready(_serve(processes, env)))
    mail = {"to": "ana@example.com", "template": "welcome", "variables": {"name": "Ana"}}
    packed = {"@type": "type.googleapis.com/portaria_workers.mail.v1.SendEmail", **mail}

    services = buf("--list-services", "").split()
    through_facade = json.loads(
        buf(
            "portaria_workers.mail.v1.MailService/SendEmail",
            data={"job": mail, "requestId": "r1"},
        )
    )
    through_any = json.loads(
        buf(
            "portaria.v1.JobsService/SubmitJob",
            data={"spec": {"payload": packed}, "requestId": "r1"},
        )
    )
    full = json.loads(
        buf(
            "portaria.v1.JobsService/GetJob",
            data={"jobId": through_any["job"]["jobId"], "view": "JOB_VIEW_FULL"},
        )
    )

    assert set(services) >= {
        "portaria.v1.JobsService",
        "portaria.v1.AdminService",
        "portaria.v1.SchedulesService",
        "portaria_workers.mail.v1.MailService",
    }
    assert through_any["deduplicated"]
    assert through_facade["job"]["jobId"] == through_any["job"]["jobId"]
    assert full["job"]["spec"]["payload"] == packed
