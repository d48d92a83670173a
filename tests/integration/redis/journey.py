"""What a system must be able to do, whatever stands between it and its Redis."""

from __future__ import annotations

from datetime import timedelta

from google.protobuf.duration_pb2 import Duration

from acme_jobs.lab.v1.lab_pb2 import Echo, EchoResult, Fail, Steps
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED
from stack import Stack

_PATIENCE = timedelta(seconds=25)


def work_goes(stack: Stack) -> None:
    """Submit, run, progress, retry, watch: each as it is promised."""
    pause = Duration(nanos=60_000_000)
    steps = stack.client.submit(Steps(count=20, pause=pause), priority="high")
    retried = stack.client.submit(Fail(times=1, how=Fail.HOW_ERROR))
    delayed = stack.client.submit(Echo(text="late"), delay=timedelta(milliseconds=300))

    seen = list(steps.watch(timeout=_PATIENCE, progress_interval=timedelta(milliseconds=50)))

    assert max(event.progress.current for event in seen) >= 2
    assert seen[-1].state == JOB_STATE_SUCCEEDED
    again = retried.wait(_PATIENCE)
    assert (again.state, again.attempt) == (JOB_STATE_SUCCEEDED, 2)
    result = delayed.result(_PATIENCE)
    assert isinstance(result, EchoResult)
    assert result.text == "late"
