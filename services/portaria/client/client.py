"""The blocking client."""

from collections.abc import Generator, Mapping
from datetime import datetime, timedelta
from typing import Self

from google.protobuf.message import Message

from portaria.client.calls import Calls
from portaria.client.channel import address_or_default
from portaria.client.handle import Handle
from portaria.client.requests import PriorityName, get_request, submit_request
from portaria.client.watching import WatchOptions
from portaria.v1.job_pb2 import Job, SubmitOptions
from portaria.v1.jobs_service_pb2 import JobEvent

DEFAULT_TIMEOUT = timedelta(seconds=10)
DEFAULT_PATIENCE = timedelta(minutes=5)


class Client:
    """Hands jobs to a door and follows them. Safe to share between threads; use it as a context.

    `address` is HOST:PORT, by default PORTARIA_ADDRESS, else 127.0.0.1:50051. `timeout` bounds
    each single call with its retries. `patience` is how long a watch or a wait bears a door that
    does not answer, once it has answered. Make it after a fork, not before.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        patience: timedelta = DEFAULT_PATIENCE,
    ) -> None:
        self._calls = Calls(address_or_default(address), timeout=timeout, patience=patience)

    @property
    def address(self) -> str:
        """Where the door is."""
        return self._calls.address

    def submit(
        self,
        message: Message,
        *,
        options: SubmitOptions | None = None,
        request_id: str | None = None,
        priority: PriorityName | None = None,
        delay: timedelta | None = None,
        run_time: datetime | None = None,
        labels: Mapping[str, str] | None = None,
    ) -> Handle[Message]:
        """Hands in one job; when this returns, the job is on disk.

        Repeats itself while the door is away, under one request_id, so that it makes one job at
        most. Raises InvalidRequest with everything that is wrong, RequestIdReused,
        StoreUnavailable, StoreFull, DeadlineExceeded or RpcError.
        """
        request = submit_request(
            message,
            options=options,
            request_id=request_id,
            priority=priority,
            delay=delay,
            run_time=run_time,
            labels=labels,
        )
        answer = self._calls.unary(lambda stub: stub.SubmitJob, request)
        return Handle(self._calls, answer.job.job_id, answer)

    def handle(self, job_id: str) -> Handle[Message]:
        """The handle of a job that was submitted earlier; asks nobody."""
        return Handle(self._calls, job_id)

    def get(self, job_id: str, *, full: bool = False) -> Job:
        """The present state of a job. Raises NotFound."""
        return self._calls.unary(lambda stub: stub.GetJob, get_request(job_id, full=full)).job

    def watch(
        self,
        *job_ids: str,
        cursor: str = "",
        timeout: timedelta | None = None,
        progress_interval: timedelta | None = None,
        include_result: bool = False,
    ) -> Generator[JobEvent, None, None]:
        """The present state of each job, then every change, until all are done.

        With `cursor` (of an earlier Job) what happened after it instead of the present state.
        Progress is told at most once per `progress_interval` and job (100 ms by default).
        """
        options = WatchOptions(
            cursor=cursor, progress_interval=progress_interval, include_result=include_result
        )
        return self._calls.watch(job_ids, options, timeout)

    def close(self) -> None:
        """Ends all calls of this client. Harmless when repeated."""
        self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
