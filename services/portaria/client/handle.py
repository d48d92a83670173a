"""A job in hand: what a submit answers."""

from __future__ import annotations

from collections.abc import Generator
from datetime import timedelta
from typing import Generic, TypeVar, cast

from google.protobuf.message import Message

from portaria.client.acting import cancel_requests
from portaria.client.calls import Calls
from portaria.client.requests import get_request
from portaria.client.results import lacks_result, result_of
from portaria.client.watching import WatchOptions
from portaria.v1.job_pb2 import Job
from portaria.v1.jobs_service_pb2 import JobEvent, SubmitJobResponse
from portaria.v1.schedules_service_pb2 import TriggerScheduleResponse

ResultT = TypeVar("ResultT", bound=Message, covariant=True)


class Handle(Generic[ResultT]):
    """One job. `id` is for keeps: `client.handle(id)` finds the job again from any process.

    `submitted` is the job as the submit answered it, and `deduplicated` whether its request_id had
    stood for it already; both are empty on a handle made from an id, or by `submit_many`. That
    one says of which batch the job is: `workflow_id`.
    """

    def __init__(
        self,
        calls: Calls,
        job_id: str,
        answer: SubmitJobResponse | TriggerScheduleResponse | None = None,
        *,
        workflow_id: str = "",
    ) -> None:
        self.id = job_id
        self.submitted: Job | None = answer.job if answer else None
        self.deduplicated = answer.deduplicated if answer else False
        self.workflow_id = workflow_id
        self._calls = calls

    def get(self, *, full: bool = False) -> Job:
        """The present state; `full` adds payload, attempts and tracebacks. Raises NotFound."""
        return self._calls.unary(lambda stub: stub.GetJob, get_request(self.id, full=full)).job

    def wait(self, timeout: timedelta | None = None) -> Job:
        """The job when it is done, however it ended; waits over restarts of the door.

        Raises DeadlineExceeded after `timeout`, and NotFound.
        """
        return self._calls.wait(self.id, timeout)

    def result(self, timeout: timedelta | None = None) -> ResultT:
        """What the handler returned.

        Raises JobFailed, JobCancelled or JobExpired where the job ended otherwise, and what
        `wait` raises.
        """
        job = self.wait(timeout)
        if lacks_result(job):
            job = self.get(full=True)
        return cast("ResultT", result_of(job))  # what a submit promised for this type

    def watch(
        self,
        *,
        timeout: timedelta | None = None,
        progress_interval: timedelta | None = None,
        include_result: bool = False,
    ) -> Generator[JobEvent, None, None]:
        """The present state, then each change up to the last, over restarts of the door.

        Raises DeadlineExceeded after `timeout`, and NotFound.
        """
        options = WatchOptions(progress_interval=progress_interval, include_result=include_result)
        return self._calls.watch([self.id], options, timeout)

    def cancel(self, reason: str = "", *, force: bool = False) -> None:
        """At once where it waits; where it runs, its handler is asked, or with `force` killed.

        Nothing happens to a job that is done.
        """
        for request in cancel_requests([self.id], {}, reason=reason, force=force):
            self._calls.unary(lambda stub: stub.CancelJobs, request)

    def __repr__(self) -> str:
        return f"Handle({self.id!r})"
