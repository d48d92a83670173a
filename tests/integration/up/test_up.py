"""`portaria up`: everything on one machine, and nothing of it afterwards."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import psutil
import pytest
from google.protobuf.duration_pb2 import Duration

from acme_jobs.lab.v1.lab_pb2 import Wait
from portaria.client import Client
from portaria.up.redis_server import RedisServer
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED, RetryPolicy, SubmitOptions
from portaria_workers.mail.v1.mail_pb2 import SendEmail
from stack import Process, Processes, eventually

MAIL = SendEmail(to="ana@example.com", template="welcome", variables={"name": "Ana"})
# A mail server that is away for a moment does not cost ten seconds.
HASTY = SubmitOptions(
    retry=RetryPolicy(max_attempts=50, initial_backoff=Duration(nanos=50_000_000), jitter=0)
)
ANY = "127.0.0.1:0"
Up = Callable[..., Process]


@pytest.fixture
def up(processes: Processes, tmp_path: Path) -> Iterator[Up]:
    """Starts a `portaria up` in `data`; fails a test after which any process is left."""
    family: set[psutil.Process] = set()

    def start(*arguments: str, **env: str) -> Process:
        env = {"PORTARIA_DATA_DIR": str(tmp_path / "data"), "PORTARIA_LISTEN": ANY, **env}
        process = processes.portaria("up", "up", *arguments, **env)
        process.wait_for("Portaria is up", within=30)
        family.update(process.descendants())
        return process

    yield start
    processes.stop()
    eventually(lambda: not [each for each in family if _lives(each)])


def test_a_second_terminal_reads_the_env_file_and_its_mail_arrives(up: Up, tmp_path: Path) -> None:
    """What `up` says is enough to submit a mail and to find it; Ctrl-C ends all of it in order."""
    process = up()
    env = _sourced(tmp_path / "data/env")

    with Client(env["PORTARIA_ADDRESS"]) as client:
        job = client.submit(MAIL).wait(timedelta(seconds=20))
    process.send(signal.SIGINT)

    assert job.state == JOB_STATE_SUCCEEDED
    assert process.wait(20) == 0
    [mail] = (tmp_path / "data/mail").glob("*.eml")
    assert b"To: ana@example.com" in mail.read_bytes()
    assert f"sandbox, keeps mails in {tmp_path}/data/mail" in process.output()


def test_every_command_that_it_shows_works(up: Up, processes: Processes, tmp_path: Path) -> None:
    """What stands under "In another terminal" can be typed as it stands."""
    shown = up().output().partition("In another terminal:\n")[2].splitlines()
    source, *commands = [line.strip() for line in shown if line.startswith("  ")]

    said = [
        subprocess.run(
            ["bash", "-c", f"{source}; {command}{' --burst' * ('rq worker' in command)}"],
            env=processes.env,
            cwd=processes.folder,
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        for command in commands
    ]

    assert len(said) == 4
    assert '"message_id"' in said[0].stdout
    assert json.loads(said[1].stdout)["job"]["type"] == "portaria_workers.mail.v1.SendEmail"
    # That of maintenance is counted once the self-test has come, every five minutes.
    assert re.search(r"^[23] workers", said[2].stdout, re.M)


def test_a_part_that_is_killed_comes_back_at_its_address(up: Up, tmp_path: Path) -> None:
    """kill -9 of each part in turn: it is started again, and clients go on where they were."""
    process = up()
    env = _sourced(tmp_path / "data/env")
    with Client(env["PORTARIA_ADDRESS"]) as client:
        first = client.submit(MAIL)

        for name in ("redis", "door", "smtp", "worker-mail", "scheduler-1"):
            _part(process, name).kill()
            process.wait_for(f"{name} works again", within=20)
            job = client.submit(MAIL, options=HASTY).wait(timedelta(seconds=20))

            assert job.state == JOB_STATE_SUCCEEDED
            assert f"{name} ended (killed by SIGKILL); starting it again" in process.output()
        assert first.get().state == JOB_STATE_SUCCEEDED


def test_a_second_terminal_stores_a_file_and_links_to_it(
    up: Up, processes: Processes, tmp_path: Path
) -> None:
    """The tables are there, and what serves links comes back at its address when it is killed."""
    process = up(PORTARIA_JOBS="acme_jobs")
    env = _sourced(tmp_path / "data/env")
    (tmp_path / "a.txt").write_text("content")

    put = processes.portaria("put", "documents", "put", tmp_path / "a.txt", **env)
    assert put.wait(20) == 0, put.tail()
    link = processes.portaria("link", "documents", "link", put.output().strip(), **env)
    assert link.wait(20) == 0, link.tail()
    _part(process, "downloads").kill()
    process.wait_for("downloads works again", within=20)

    with urllib.request.urlopen(link.output().strip(), timeout=10) as answer:
        assert answer.read() == b"content"
    assert link.output().startswith(env["PORTARIA_DOWNLOADS_BASE"] + "/")


def test_a_database_that_is_away_is_said(processes: Processes, tmp_path: Path) -> None:
    """Before anything starts, and without the password."""
    env = {
        "PORTARIA_DATA_DIR": str(tmp_path / "data"),
        "PORTARIA_LISTEN": ANY,
        "PORTARIA_DATABASE_URL": "postgresql://ana:s3cret-w0rd@127.0.0.1:9/x",
    }
    process = processes.portaria("up", "up", **env)

    code = process.wait(20)

    assert code == 2
    assert process.output() == (
        "PORTARIA_DATABASE_URL: that database cannot be used; unset it to have a file\n"
    )


def test_kill_minus_nine_of_it_leaves_nothing(up: Up) -> None:
    """Whatever happens to `up`, no Redis, door, sandbox, worker or worker's child outlives it."""
    process = up()
    # A worker is announced before it forks its children.
    eventually(lambda: len(process.descendants()) >= 6, 10)
    family = process.descendants()

    process.kill()

    eventually(lambda: not [each for each in family if _lives(each)])


def test_two_copies_run_side_by_side_and_never_in_one_directory(
    up: Up, processes: Processes, tmp_path: Path
) -> None:
    """Two directories have their own ports; a second copy in one of them is refused."""
    one, two = up(), up(PORTARIA_DATA_DIR=str(tmp_path / "other"))
    env = {"PORTARIA_DATA_DIR": str(tmp_path / "data"), "PORTARIA_LISTEN": ANY}
    third = processes.portaria("third", "up", **env)

    code = third.wait(20)

    assert code == 2
    assert f"in use by another portaria up (process {one.pid})" in third.output()
    addresses = [
        _sourced(tmp_path / name / "env")["PORTARIA_ADDRESS"] for name in ("data", "other")
    ]
    assert len(set(addresses)) == 2
    assert two.running


def test_servers_of_somebody_else_are_used(
    up: Up, redis_server: RedisServer, tmp_path: Path
) -> None:
    """With PORTARIA_REDIS_URL and PORTARIA_SMTP_URL no Redis and no sandbox is started."""
    process = up(PORTARIA_REDIS_URL=redis_server.url, PORTARIA_SMTP_URL="smtp://mail.example:25")

    programs = {" ".join(_command(each)) for each in process.descendants()}
    process.stop()

    assert not any("redis-server" in program or "sandbox" in program for program in programs)
    assert _sourced(tmp_path / "data/env")["PORTARIA_REDIS_URL"] == redis_server.url
    assert redis_server.answers()


def test_what_cannot_start_is_said_at_once(processes: Processes, tmp_path: Path) -> None:
    """A package that is not there: exit code 2, one message, no trace, and nothing is left."""
    env = {"PORTARIA_LISTEN": ANY, "PORTARIA_JOBS": "no_such_jobs"}
    process = processes.portaria("up", "up", **env)

    code = process.wait(20)

    assert code == 2
    assert 'PORTARIA_JOBS: cannot import "no_such_jobs"' in process.output()
    assert "Traceback" not in process.output()
    assert not process.descendants()


def test_a_part_that_fails_is_quoted_and_the_others_are_stopped(
    processes: Processes, tmp_path: Path
) -> None:
    """A key file that cannot be used: its words, exit code 2, and nothing is left."""
    (tmp_path / "key").write_text("not a key")
    env = {
        "PORTARIA_DATA_DIR": str(tmp_path / "data"),
        "PORTARIA_LISTEN": ANY,
        "PORTARIA_SIGNING_KEY_FILE": str(tmp_path / "key"),
    }
    process = processes.portaria("up", "up", **env)

    code = process.wait(30)

    assert code == 2
    assert "a key is 64 hex digits" in process.output()
    assert "Traceback" not in process.output()


def test_the_second_ctrl_c_does_not_wait_for_a_running_job(up: Up, tmp_path: Path) -> None:
    """The first one lets a job finish, for as long as the grace; the second one ends it now."""
    process = up(PORTARIA_JOBS="acme_jobs", PORTARIA_GRACE_SECONDS="600")
    env, log = _sourced(tmp_path / "data/env"), tmp_path / "begun"
    with Client(env["PORTARIA_ADDRESS"]) as client:
        client.submit(Wait(gate=str(tmp_path / "never"), log=str(log)))
        eventually(log.exists)

        process.send(signal.SIGINT)
        process.wait_for("Ctrl-C again does not wait")
        process.send(signal.SIGINT)

    assert process.wait(10) == 0


def test_logs_are_shown_when_asked_for(up: Up) -> None:
    """With --logs, each line with the part that wrote it."""
    process = up("--logs")

    process.wait_for(r"^worker-mail +.*worker ready")


def _sourced(path: Path) -> dict[str, str]:
    """The variables that a shell has after it sourced the file."""
    shell = f"set -a; . {shlex.quote(str(path))}; env -0"
    said = subprocess.run(
        ["sh", "-c", shell], capture_output=True, text=True, check=True, env={"PATH": os.defpath}
    ).stdout
    return dict(entry.split("=", 1) for entry in said.split("\0") if entry)


def _part(process: Process, name: str) -> psutil.Process:
    """The process of a part, as its command tells."""
    return next(
        each
        for each in process.descendants()
        if each.ppid() == process.pid and _is(_command(each), name)
    )


def _is(command: list[str], part: str) -> bool:
    match part:
        case "redis":
            return "redis-server" in command[0]
        case "smtp":
            return any(word.endswith(".sandbox") for word in command)
        case "door":
            return "serve" in command
        case "downloads":
            return "downloads" in command
        case "scheduler-1":
            return "scheduler" in command
        case _:
            return "worker" in command and "mail" in command


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
