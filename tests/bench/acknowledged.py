"""How soon a mail is acknowledged while the mail server takes 4 to 5 seconds for each.

One caller submits one activation mail after the other; a real worker hands them to a sandbox that
answers each after 4.5 s, so that nearly all of them still wait when the last one is acknowledged.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import grpc

from bench.figures import percentile, short
from bench.report import Check, Section
from portaria.core.ids import new_request_id
from portaria.up.redis_server import Durability, RedisServer
from portaria.v1.jobs_service_pb2 import SubmitJobRequest
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from portaria_workers.mail.v1.mail_pb2 import SendActivationEmail
from stack import Stack

WANTED_MS = 20.0
SERVER_SECONDS = 4.5
_WARM_UP = 20


def measure(*, submits: int) -> Section:
    """So many submits, one after another."""
    with (
        tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder,
        RedisServer(Path(folder) / "redis", durability=Durability.ALWAYS) as server,
    ):
        stack = Stack(server, Path(folder))
        try:
            stack.sandbox("--delay", str(SERVER_SECONDS))
            door = stack.door()
            stack.worker("mail")
            with grpc.insecure_channel(door.address) as channel:
                jobs = JobsServiceStub(channel)
                seconds = [_submit(jobs, number) for number in range(_WARM_UP + submits)][_WARM_UP:]
            mails = len(stack.smtp.files())
        finally:
            stack.close()
    return _section(seconds, mails)


def _submit(jobs: JobsServiceStub, number: int) -> float:
    mail = SendActivationEmail(
        to=f"pessoa.{number}@example.com", name="Ana", code="4711", user_id="7"
    )
    request = SubmitJobRequest(request_id=new_request_id())
    request.spec.payload.Pack(mail)
    start = time.perf_counter()
    jobs.SubmitJob(request)
    return time.perf_counter() - start


def _section(seconds: list[float], mails: int) -> Section:
    section = Section(
        title="mails acknowledged while the mail server takes 4.5 s each, AOF always",
        note=f"{len(seconds)} submits, one after another; the server took {mails} meanwhile.",
        columns=("", "p50 ms", "p99 ms", "longest ms"),
    )
    shown = [percentile(seconds, share) * 1e3 for share in (0.5, 0.99, 1.0)]
    section.rows.append(("submit → acknowledged", *map(short, shown)))
    section.figures["acknowledged"] = dict(
        zip(("p50_ms", "p99_ms", "longest_ms"), shown, strict=True), mails=mails
    )
    check = Check(
        what="submit → acknowledged, p99",
        figure=shown[1],
        wanted=WANTED_MS,
        unit="ms",
        at_most=True,
    )
    section.checks.append(check)
    return section
