"""Events folded into what a person sees of a job."""

from datetime import timedelta

import pytest

from portaria.cli.rows import Rows
from portaria.cli.wording import change_line, figures, length, note, stopwatch
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Failure, Progress
from portaria.v1.jobs_service_pb2 import JobEvent

RUNNING, RETRYING = job_pb2.JOB_STATE_RUNNING, job_pb2.JOB_STATE_RETRYING
ID = "0190c0de-0000-7000-8000-000000abcdef"


@pytest.fixture
def event(at):
    """An event of the job, some seconds after noon."""

    def make(seconds, state, attempt=1, done=False, **kind) -> JobEvent:
        return JobEvent(
            job_id=ID, event_time=at(seconds), state=state, attempt=attempt, done=done, **kind
        )

    return make


@pytest.fixture
def row(job, event):
    """The row of a job that runs since noon."""
    rows = Rows([ID])
    rows.apply(event(0, RUNNING, snapshot=job(state=RUNNING, worker="w1")))

    def apply(*events):
        return [rows.apply(each) for each in events][-1] if events else rows.all()[0]

    return apply


def test_progress_and_its_message_are_shown(row, event, noon):
    """A fraction where the total is known."""
    progress = Progress(current=430, total=1000, percent=43, message="sending")

    line = change_line(row(event(3, RUNNING, progress=progress)), noon)

    assert line.endswith(f"{ID}  RUNNING     attempt 1  43 % 430/1000  sending")


def test_a_retry_says_when_and_why(row, event, at, noon):
    """The wait counts down with the moment it is looked at."""
    change = JobEvent.StateChange(
        next_attempt_time=at(30), failure=Failure(reason="SMTP_AWAY", message="no answer")
    )

    retrying = row(event(10, RETRYING, state_change=change))

    assert "(in 20 s); SMTP_AWAY: no answer" in note(retrying, noon + timedelta(seconds=10))
    assert "(due); SMTP_AWAY" in note(retrying, noon + timedelta(seconds=31))


def test_a_handler_s_words_cannot_take_over_the_screen(row, event, noon):
    """Escape sequences, line breaks and novels end as one short line."""
    words = "\x1b[2J\x1b[31mgone\r\n\x9bfake line " + "x " * 500

    line = change_line(row(event(1, RUNNING, progress=Progress(current=1, message=words))), noon)

    assert line.isprintable()
    assert len(line) < 250
    assert "[2J [31mgone fake line x" in line


def test_a_new_attempt_begins_with_empty_figures(row, event):
    """What the last attempt had done says nothing about this one."""
    row(event(1, RUNNING, progress=Progress(current=9, total=10, percent=90, message="almost")))

    second = row(event(2, RUNNING, attempt=2, state_change=JobEvent.StateChange()))

    assert (second.current, second.total, second.message) == (0, 0, "")


def test_a_job_that_succeeded_is_not_at_98_percent(row, event):
    """The last report may never come; an old one beside SUCCEEDED would be wrong."""
    almost = Progress(current=98, total=100, percent=98)

    row(event(1, RUNNING, progress=almost))
    done = row(event(2, job_pb2.JOB_STATE_SUCCEEDED, done=True, state_change={}))

    assert figures(done) == ""


def test_the_end_stops_the_watch(row, event, noon):
    """The age of a done job stands still."""
    done = row(event(7, job_pb2.JOB_STATE_SUCCEEDED, done=True, state_change={}))

    assert done.done
    assert done.ended_at - done.created_at == timedelta(seconds=7)


def test_a_removed_job_says_why(row, event, noon):
    """Its last state is not shown as if it were still so."""
    gone = row(event(7, 0, removed=JobEvent.Removed(reason="PURGED")))

    assert note(gone, noon) == "was purged"


@pytest.mark.parametrize(
    ("seconds", "said", "clock"),
    [
        (-1, "0 ms", "0:00"),
        (0.85, "850 ms", "0:00"),
        (2.44, "2.4 s", "0:02"),
        (30, "30 s", "0:30"),
        (59.96, "1 min", "0:59"),
        (192, "3 min 12 s", "3:12"),
        (1800, "30 min", "30:00"),
        (3600, "1 h", "1:00:00"),
        (3600 * 5 + 240, "5 h 4 min", "5:04:00"),
        (3600 * 48, "2 d", "48:00:00"),
        (3600 * 49, "2 d 1 h", "49:00:00"),
    ],
)
def test_lengths_as_people_say_them(seconds, said, clock):
    """Never more precise than it helps."""
    assert length(timedelta(seconds=seconds)) == said
    assert stopwatch(timedelta(seconds=seconds)) == clock
