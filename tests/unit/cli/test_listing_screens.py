"""The tables of jobs and of job types."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from portaria.cli.listing_screens import jobs_table, types_table
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Failure, Progress, RetryPolicy
from portaria.v1.jobs_service_pb2 import JobTypeInfo


def drawn(renderable, width=100) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(renderable)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.fixture
def jobs(job, at):
    return [
        job(state=job_pb2.JOB_STATE_PENDING, pending_reason=job_pb2.PENDING_REASON_QUEUE_PAUSED),
        job(
            state=job_pb2.JOB_STATE_RUNNING,
            progress=Progress(current=43, total=100, percent=43, message="page\x1b[31m 43"),
        ),
        job(
            state=job_pb2.JOB_STATE_RETRYING,
            next_attempt_time=at(600),
            last_failure=Failure(reason="SMTP_DOWN"),
        ),
        job(
            state=job_pb2.JOB_STATE_FAILED,
            done=True,
            last_failure=Failure(reason="NO_SUCH_MAILBOX", message="nobody\nis here " * 20),
        ),
        job(state=99),
    ]


@pytest.mark.parametrize("width", [80, 100, 160])
def test_a_line_for_each_job(jobs, at, noon, width):
    """The id is whole however narrow it is; no line wraps, and no word moves the cursor."""
    lines = drawn(jobs_table(jobs, noon + timedelta(seconds=90)), width)

    assert len(lines) == 6
    assert all(len(line) <= width for line in lines)
    assert all(line.startswith("0190c0de-0000-7000-8000-000000abcdef  ") for line in lines[1:])


def test_each_job_says_what_is_to_be_known(jobs, noon):
    """State, type, queue, age; why it waits, how far it is, what failed."""
    header, paused, running, retrying, failed, newer = drawn(
        jobs_table(jobs, noon + timedelta(seconds=90)), 160
    )

    assert header.split() == ["job", "state", "type", "queue", "age"]
    assert paused.split()[1:] == [
        *("PENDING", "SendEmail", "mail:high", "1", "min", "its", "queue", "is", "paused"),
    ]
    assert running.endswith("43 %  page [31m 43")
    assert retrying.endswith("in 8 min: SMTP_DOWN")
    assert "NO_SUCH_MAILBOX: nobody is here" in failed
    assert newer.split()[1] == "STATE_99"


def test_a_line_for_each_type():
    """Its defaults, whether anybody runs it, and what it is."""
    served = JobTypeInfo(
        type="portaria_workers.mail.v1.SendEmail", domain="mail", served=True, default_priority=3,
        default_retry=RetryPolicy(max_attempts=5), description="One mail to one address. " * 9,
    )  # fmt: skip
    served.timeout.FromTimedelta(timedelta(seconds=30))
    lines = drawn(types_table([served, JobTypeInfo(type="a.v1.B", domain="a")]))

    assert len(lines) == 3
    assert all(len(line) <= 100 for line in lines)
    assert lines[0].split() == ["type", "priority", "attempts", "timeout", "worker"]
    assert lines[1].split()[:6] == ["mail.SendEmail", "high", "5", "30", "s", "yes"]
    assert lines[2].split()[:1] == ["a.B"]
    assert lines[2].endswith("none")
