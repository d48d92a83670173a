"""What is printed of a watch that has no end of its own."""

import click
import pytest

from portaria.cli.following import print_selected
from portaria.core.clock import SystemClock
from portaria.core.errors import DeadlineExceeded
from portaria.v1.job_pb2 import JOB_STATE_FAILED, JOB_STATE_RUNNING, JOB_STATE_SUCCEEDED
from portaria.v1.jobs_service_pb2 import JobEvent


def _two_ends_then(error: BaseException):
    for job_id, state in (("a", JOB_STATE_FAILED), ("b", JOB_STATE_SUCCEEDED)):
        change = JobEvent.StateChange(previous=JOB_STATE_RUNNING)
        yield JobEvent(job_id=job_id, state=state, done=True, state_change=change)
    raise error


@pytest.mark.parametrize(
    ("end", "raised", "before"),
    [
        (KeyboardInterrupt(), click.Abort, "\n"),
        (DeadlineExceeded("the time was up"), DeadlineExceeded, ""),
    ],
    ids=repr,
)
def test_the_sum_is_told_however_the_watch_ends(end, raised, before, capsys):
    """By Ctrl-C, on a line below the terminal's ^C, and by its time, too."""
    with pytest.raises(raised):
        print_selected(_two_ends_then(end), SystemClock(), as_json=False)

    assert capsys.readouterr().err == f"{before}1 FAILED, 1 SUCCEEDED\n"
