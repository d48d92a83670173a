"""What is drawn: the bar of a watch, the table of a job."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from portaria.cli.detail import job_view
from portaria.cli.live import picture
from portaria.cli.rows import Row
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Attempt, Failure, Progress
from portaria_workers.mail.v1.mail_pb2 import SendEmail, SendEmailResult


def drawn(renderable, width=100) -> str:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(renderable)
    return out.getvalue()


@pytest.fixture
def row(noon) -> Row:
    return Row(
        job_id="0190c0de-0000-7000-8000-000000abcdef",
        type="portaria_workers.mail.v1.SendBulkEmail",
        state="RUNNING",
        attempt=1,
        current=43,
        total=100,
        percent=43,
        message="ana@example.com",
        created_at=noon,
    )


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_bar_holds_state_figures_attempt_and_time(row, noon, width):
    """On one line, however narrow the terminal; the handler's words below it."""
    lines = drawn(picture([row], noon + timedelta(seconds=12)), width).splitlines()

    assert len(lines) == 2
    for part in ("SendBulkEmail", "RUNNING", "━", "43 % 43/100", "attempt 1", "0:12"):
        assert part in lines[0]
    assert lines[1].strip() == "ana@example.com"
    assert all(len(line) <= width for line in lines)


def test_several_jobs_are_told_apart_by_the_end_of_their_ids(row, noon):
    """The beginning of a UUIDv7 is the time, which they share."""
    other = Row(job_id="0190c0de-0000-7000-8000-000000123456", state="PENDING")

    text = drawn(picture([row, other], noon))

    assert "…abcdef" in text
    assert "…123456" in text


def test_markup_in_a_handler_s_words_is_only_text(row, noon):
    """A message is not a style, nor a way to break the screen."""
    row.message = "[red]x[/red] [/nope]"

    assert "[red]x[/red] [/nope]" in drawn(picture([row], noon))


def test_a_job_in_full(job, at, noon, packed):
    """State, queue, attempts, times, failure, worker, result, payload without its secrets."""
    shown = job(
        state=job_pb2.JOB_STATE_SUCCEEDED,
        done=True,
        attempt=2,
        failures=1,
        worker="host.mail-1",
        start_time=at(1),
        end_time=at(3.4),
        labels={"team": "billing"},
        progress=Progress(current=1, total=1, percent=100, message="sent"),
        result=packed(SendEmailResult(message_id="<1@x>")),
        attempts=[
            Attempt(
                number=1,
                start_time=at(0),
                end_time=at(0.5),
                failure=Failure(reason="SMTP_AWAY", message="no answer"),
            ),
            Attempt(number=2, start_time=at(1), end_time=at(3.4)),
        ],
    )
    shown.spec.payload.Pack(SendEmail(to="ana@example.com", variables={"code": "hunter2"}))

    text = drawn(job_view(shown, noon))

    for part in (
        "SUCCEEDED", "mail:high", "2, 1 of 5 failures", "host.mail-1", "2.4 s", "team=billing",
        "100 % (1/1)  sent", "<1@x>", "ana@example.com", "SMTP_AWAY: no answer", "500 ms",
    ):  # fmt: skip
        assert part in text
    assert "hunter2" not in text


@pytest.mark.parametrize(
    ("state", "word"),
    [
        (job_pb2.JOB_STATE_SUCCEEDED, "ok"),
        (job_pb2.JOB_STATE_CANCELLED, "CANCELLED"),
        (job_pb2.JOB_STATE_FAILED, "FAILED"),
    ],
)
def test_an_attempt_is_ok_only_where_its_job_succeeded(job, at, noon, state, word):
    """One that was killed leaves no failure of its own."""
    ended = Attempt(number=1, start_time=at(1), end_time=at(2))
    shown = job(state=state, done=True, attempt=1, attempts=[ended])

    assert drawn(job_view(shown, noon)).splitlines()[-1].split()[-1] == word


def test_times_are_local_and_name_their_zone(job, at, noon, monkeypatch):
    """12:00 UTC is 13:00 in Luanda, and says so."""
    import time

    monkeypatch.setenv("TZ", "Africa/Luanda")
    time.tzset()
    try:
        text = drawn(job_view(job(state=job_pb2.JOB_STATE_PENDING), noon))
    finally:
        monkeypatch.undo()
        time.tzset()

    assert "2026-11-04 13:00:00 WAT" in text


def test_a_job_that_waits_says_why_and_until_when(job, at, noon):
    """The next attempt, and a pool without workers."""
    waiting = job(
        state=job_pb2.JOB_STATE_RETRYING,
        next_attempt_time=at(90),
        pending_reason=job_pb2.PENDING_REASON_NO_WORKER,
        last_failure=Failure(reason="SMTP_AWAY"),
    )

    text = drawn(job_view(waiting, noon))

    assert "(in 1 min 30 s)" in text
    assert "no worker serves its queue" in text
    assert "SMTP_AWAY" in text


def test_a_job_of_a_workflow_says_where_it_stands(job, noon):
    """Its node, and whose failure it was that it never began."""
    failure = Failure(reason="DEPENDENCY_FAILED", cause_job_id="job-of-order")
    member = job(workflow_id="flow", node_id="0.2.1", last_failure=failure)

    rows = [line.split() for line in drawn(job_view(member, noon)).splitlines()]

    assert ["workflow", "flow"] in rows
    assert ["node", "0.2.1"] in rows
    assert ["cause", "job-of-order"] in rows


def test_a_state_from_the_future_is_shown(job, noon):
    """An old command line does not break on a new door."""
    assert "STATE_99" in drawn(job_view(job(state=99, pending_reason=99), noon))
