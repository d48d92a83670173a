"""Bulk mail against a bare smtplib loop that sends the same rendered messages.

Both sides send one message to each recipient over one connection to the same sandbox, which keeps
each as a file, and both have sent some before. Ours: one SendBulkEmail, from its start to its end
by the job's own times, through a real worker; it checks, renders, records the intent and the end of
each mail in Redis, and reports progress. Theirs: the loop alone; its messages are rendered before.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path

from bench.cpu import cpu_seconds
from bench.figures import ratios, short, spread
from bench.newsletter import newsletter
from bench.report import Check, Section
from bench.sides import PYTHONPATH
from portaria.up.redis_server import Durability, RedisServer
from portaria.v1.job_pb2 import Job
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmailResult
from stack import Process, Stack

OURS, BARE = "SendBulkEmail", "smtplib loop"
WANTED = {Durability.OFF: 0.8, Durability.ALWAYS: 0.6}
_WARM_UP = 50
_PATIENCE = timedelta(seconds=120)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """One round of one side."""

    per_second: float
    """Recipients."""
    sender_us: float = 0.0
    """Microseconds of processor time a recipient, of the worker's processes."""


def measure(durability: Durability, *, recipients: int, rounds: int) -> Section:
    """Each round sends once with each side, in turn one and the other first."""
    found: dict[str, list[Sent]] = {OURS: [], BARE: []}
    with (
        tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder,
        RedisServer(Path(folder) / "redis", durability=durability) as server,
    ):
        stack = Stack(server, Path(folder))
        try:
            stack.door()
            worker = stack.worker("mail")
            _ours(stack, worker, _WARM_UP)
            for number in range(rounds):
                for side in (OURS, BARE) if number % 2 == 0 else (BARE, OURS):
                    sent = (
                        _ours(stack, worker, recipients)
                        if side == OURS
                        else _bare(stack, recipients)
                    )
                    found[side].append(sent)
                    _forget_mails(stack)
        finally:
            stack.close()
    return _section(durability, recipients, found)


def _ours(stack: Stack, worker: Process, recipients: int) -> Sent:
    used = cpu_seconds([worker.pid])
    job = stack.client.submit(newsletter(recipients)).wait(_PATIENCE)
    cpu = cpu_seconds([worker.pid]) - used
    result = SendBulkEmailResult()
    if not job.result.Unpack(result) or result.sent != recipients:
        raise RuntimeError(f"not everybody got it: {result} {job.last_failure}")
    return Sent(per_second=recipients / _seconds(job), sender_us=cpu / recipients * 1e6)


def _seconds(job: Job) -> float:
    return (job.end_time.ToMilliseconds() - job.start_time.ToMilliseconds()) / 1e3


def _bare(stack: Stack, recipients: int) -> Sent:
    program = (sys.executable, "-m", "bench.baseline_smtp")
    command = (*program, stack.smtp.url, str(recipients), str(_WARM_UP))
    env = {**stack.env, "PYTHONPATH": PYTHONPATH}
    said = subprocess.run(command, env=env, check=True, capture_output=True, text=True)
    return Sent(per_second=recipients / float(said.stdout))


def _forget_mails(stack: Stack) -> None:
    for path in stack.smtp.files():
        path.unlink()


def _section(durability: Durability, recipients: int, found: dict[str, list[Sent]]) -> Section:
    rates = {name: [each.per_second for each in rounds] for name, rounds in found.items()}
    section = Section(
        title=f"bulk mail to {recipients:,}, AOF {durability.value}",
        note="Medians; × bare is round by round, with the least and the most.",
        columns=("", "recipients/s", "× bare", "worker CPU µs/recipient"),
    )
    for name, rounds in found.items():
        times, cpu = ratios(rates[name], rates[BARE]), spread([each.sender_us for each in rounds])
        rate = spread(rates[name])
        section.rows.append((name, str(rate), str(times), short(cpu.median)))
        section.figures[name] = {
            "recipients": recipients,
            "per_second": rate,
            "times_bare": times,
            "cpu_us": cpu,
            "rounds": [asdict(each) for each in rounds],
        }
    times = ratios(rates[OURS], rates[BARE])
    check = Check(what=f"{OURS}, against {BARE}", figure=times, wanted=WANTED[durability])
    section.checks.append(check)
    return section
