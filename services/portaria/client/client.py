"""The blocking client."""

from collections.abc import Generator, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Self, Unpack

from google.protobuf.message import Message

from portaria.client.acting import Acting
from portaria.client.admin import Operations
from portaria.client.calls import Calls
from portaria.client.channel import address_or_default
from portaria.client.handle import Handle
from portaria.client.many import MOST_JOBS, Chunks, ManyJob, OnError, chunks_of
from portaria.client.reading import Reading
from portaria.client.requests import PriorityName, get_request, submit_request
from portaria.client.schedules import Schedules
from portaria.client.selecting import Lasting
from portaria.client.tls import Tls, pem_or_default
from portaria.client.watching import WatchOptions
from portaria.client.workflows import Workflows
from portaria.core.errors import PortariaError
from portaria.v1.job_pb2 import Job, SubmitOptions
from portaria.v1.jobs_service_pb2 import JobEvent

DEFAULT_TIMEOUT = timedelta(seconds=10)
DEFAULT_PATIENCE = timedelta(minutes=5)


class Client(Operations, Acting, Reading, Workflows):
    """Hands jobs to a door and follows them. Safe to share between threads; use it as a context.

    `address` is HOST:PORT, by default PORTARIA_ADDRESS, else 127.0.0.1:50051. Several doors are
    the addresses of one name, or a list IP:PORT,IP:PORT: calls and watches are spread over those
    that answer, and what one of them breaks off goes on at another. `timeout` bounds each single
    call with its retries. `patience` is how long a watch or a wait bears that no door answers, once
    one has. Make it after a fork, not before. `schedules` is for periodic work, see Schedules.

    `tls` is Tls(ca_file=…), by default what PORTARIA_TLS_CA_FILE and the two of the client
    say; where nothing is said, the door is called without TLS. With it, a list is of one IP.
    Raises ConfigurationError.
    """

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout: timedelta = DEFAULT_TIMEOUT,
        patience: timedelta = DEFAULT_PATIENCE,
        tls: Tls | None = None,
    ) -> None:
        self._calls = Calls(
            address_or_default(address),
            timeout=timeout,
            patience=patience,
            pem=pem_or_default(tls),
        )
        self.schedules = Schedules(self._calls)

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
        on_success: Message | None = None,
        on_failure: Message | None = None,
        on_retry: Message | None = None,
    ) -> Handle[Message]:
        """Hands in one job; when this returns, the job is on disk.

        Repeats itself while the door is away, under one request_id, so that it makes one job at
        most. Its end submits `on_success` or `on_failure`, and each retry `on_retry`: payloads, or
        whole JobSpecs. Raises InvalidRequest with everything that is wrong, RequestIdReused,
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
            on_success=on_success,
            on_failure=on_failure,
            on_retry=on_retry,
        )
        answer = self._calls.unary(lambda stub: stub.SubmitJob, request)
        return Handle(self._calls, answer.job.job_id, answer)

    def submit_many(
        self,
        jobs: Iterable[ManyJob],
        *,
        chunk: int = MOST_JOBS,
        labels: Mapping[str, str] | None = None,
        request_id: str | None = None,
        on_error: OnError | None = None,
    ) -> Generator[Handle[Message], None, None]:
        """Hands in messages, or pairs of message and options, in calls of up to `chunk` jobs.

        Takes from `jobs` and submits only as its handles are taken, so that both may be endless.
        `labels` are put on every job that has not the same one. Each call is all or nothing, and
        the first one that is refused ends it all, as `submit` does; fields count over all jobs:
        `specs[1203].payload.to`. With `on_error`, bad jobs are told to it and left out instead.

        With `request_id`, the n-th call is made under `{request_id}.{n}`: whoever repeats all of it
        makes no second job.
        """
        collecting = Chunks(size=chunk, labels=labels, request_id=request_id, on_error=on_error)
        for each in chunks_of(jobs, collecting):
            try:
                answer = self._calls.unary(lambda stub: stub.BatchSubmitJobs, each.request)
            except PortariaError as error:
                raise each.refused(error) from None
            for job_id in each.accepted(answer, on_error):
                yield Handle(self._calls, job_id, workflow_id=answer.workflow_id)

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
        **selection: Unpack[Lasting],
    ) -> Generator[JobEvent, None, None]:
        """The present state of each job, then every change, until all are done.

        client.watch(workflow_id=handle.workflow_id) does so for the jobs of a batch.
        client.watch(types=[SendEmail], labels={"team": "billing"}) tells what happens from now on
        to all jobs that have this in common, and goes on for ever; it raises CursorExpired in the
        rare case that it was cut off for so long that something was missed.

        With `cursor` (of an earlier Job) what happened after it instead of the present state.
        Progress is told at most once per `progress_interval` and job (100 ms by default).
        """
        options = WatchOptions(
            cursor=cursor,
            progress_interval=progress_interval,
            include_result=include_result,
            selection=selection,
        )
        return self._calls.watch(job_ids, options, timeout)

    def close(self) -> None:
        """Ends all calls of this client. Harmless when repeated."""
        self._calls.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
