"""A door in this process on real sockets, and a worker played by hand."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import grpc
import uvloop
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub
from grpc_status import rpc_status
from redis import Redis

from portaria.core.seal import KeyRing, load_key_ring
from portaria.frontdoor.main import Running
from portaria.frontdoor.parts import Bounds
from portaria.internal.v1.envelope_pb2 import Envelope, Outcome
from portaria.settings import Settings
from portaria.store import Claim, Finished, Store, Submission, Verdict, calls
from portaria.store.connect import connect
from portaria.v1.job_pb2 import Failure, Job, Progress
from portaria.v1.jobs_service_pb2 import GetJobRequest, SubmitJobRequest, SubmitJobResponse
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from portaria_workers.mail.v1.mail_pb2 import SendEmail
from stack import eventually

Value = TypeVar("Value")
Detail = TypeVar("Detail", bound=Message)

QUEUES = ("mail:critical", "mail:high", "mail:default", "mail:low")


class Loop:
    """One event loop for all doors of a test run: gRPC has one poller in a process."""

    def __init__(self) -> None:
        self._loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, Value], within: float = 20.0) -> Value:
        """Runs a coroutine to its end."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(within)

    def close(self) -> None:
        """Stops it."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


class Door:
    """A door that listens, and a channel to it."""

    def __init__(self, loop: Loop, running: Running) -> None:
        self._loop = loop
        self.running = running
        self.address = loop.run(running.start())
        self.channel = grpc.insecure_channel(self.address)
        self.jobs = JobsServiceStub(self.channel)

    def health(self, service: str = "") -> int:
        """What a health check is answered."""
        request = health_pb2.HealthCheckRequest(service=service)
        status: int = HealthStub(self.channel).Check(request, timeout=5).status
        return status

    def is_serving(self) -> bool:
        """Whether it is ready for calls."""
        return self.health() == health_pb2.HealthCheckResponse.SERVING

    def submit(self, payload: Message | None = None, **given: Any) -> Job:
        """Hands in a mail, or another payload."""
        answer: SubmitJobResponse = self.jobs.SubmitJob(submission(payload, **given), timeout=5)
        return answer.job

    def get(self, job_id: str, **given: Any) -> Job:
        """The present state of a job."""
        return self.jobs.GetJob(GetJobRequest(job_id=job_id, **given), timeout=5).job

    def drain(self) -> None:
        """What SIGTERM does."""
        self._loop.run(self.running.drain())

    def call(self, function: Callable[[], Value]) -> Value:
        """Calls a function on the door's own loop."""

        async def calling() -> Value:
            return function()

        return self._loop.run(calling())

    def run(self, work: Coroutine[Any, Any, Value]) -> Value:
        """Runs a coroutine on the door's own loop."""
        return self._loop.run(work)

    def close(self) -> None:
        """Ends it at once."""
        self.channel.close()
        self._loop.run(self.running.close())


@contextmanager
def opened(loop: Loop, settings: Settings, *, ready: bool = True, **given: Any) -> Iterator[Door]:
    """A door that listens until the end of the block; `ready` waits until it serves."""

    async def build() -> Running:
        return Running(settings, Bounds(**given))

    door = Door(loop, loop.run(build()))
    try:
        if ready:
            eventually(door.is_serving)
        yield door
    finally:
        door.close()


def email(to: str = "ana@example.com", **given: Any) -> SendEmail:
    """A mail in which nothing is wrong."""
    given = {"template": "welcome", "variables": {"name": "Ana"}, **given}
    return SendEmail(to=to, **given)


def submission(
    payload: Message | None = None, *, request_id: str = "", **options: Any
) -> SubmitJobRequest:
    """A request; the rest are options."""
    request = SubmitJobRequest(request_id=request_id or uuid.uuid4().hex)
    request.spec.payload.Pack(payload or email())
    if options:
        request.spec.options.MergeFrom(type(request.spec.options)(**options))
    return request


class Worker:
    """Claims and finishes jobs as a worker would, with the scripts and nothing else."""

    def __init__(self, settings: Settings) -> None:
        self.store = Store(connect(settings.redis_url))
        self.keys: KeyRing = load_key_ring(settings.key_file)
        self._turns = 0

    def claim(self, *queues: str) -> Claim:
        """The next job, begun."""
        (claim,) = self._turn(queues or QUEUES, want=1).claims
        return claim

    def envelope(self, claim: Claim) -> Envelope:
        """What the door sealed."""
        domain = claim.queue.partition(":")[0]
        return Envelope.FromString(self.keys.unseal(f"domain/{domain}", claim.envelope))

    def report(self, claim: Claim, current: int, total: int, *, word: str = "held") -> None:
        """Tells progress, and is answered `word`."""
        report = Progress(current=current, total=total).SerializeToString()
        assert self.store.run(calls.progress(claim.job_id, claim.token, report)) == word

    def succeed(self, claim: Claim, result: Message | None = None, *, as_job: str = "") -> None:
        """Ends a run well; `as_job` seals the result for another job."""
        outcome = Outcome(namespace="default", job_id=as_job or claim.job_id)
        if result is not None:
            outcome.result.Pack(result)
        sealed = self.keys.seal("namespace/default", outcome.SerializeToString())
        self._finish(claim, Verdict.SUCCEEDED, output=sealed)

    def fail(self, claim: Claim, *, retry_ms: int | None = None, reason: str = "SMTP_DOWN") -> None:
        """Ends a run badly, for good or for a while."""
        failure = Failure(kind=Failure.KIND_ERROR, reason=reason, message="no", traceback="line 1")
        verdict = Verdict.FAILED if retry_ms is None else Verdict.RETRY
        packed = failure.SerializeToString()
        self._finish(claim, verdict, wait_ms=retry_ms or 0, failure=packed)

    def promote(self) -> int:
        """Queues what is due."""
        return self.store.run(calls.promote()).moved

    def close(self) -> None:
        """Closes its connections."""
        self.store.redis.close()

    def _finish(self, claim: Claim, verdict: Verdict, **given: Any) -> None:
        done = Finished(job_id=claim.job_id, token=claim.token, verdict=verdict, **given)
        assert list(self._turn((), finished=[done]).taken) == [True]

    def _turn(self, queues: Any, *, want: int = 0, finished: Any = ()) -> calls.Turn:
        self._turns += 1
        return self.store.run(
            calls.turn(
                worker="played",
                incarnation="first",
                token=f"turn{self._turns}",
                queues=queues,
                want=want,
                finished=finished,
            )
        )


def write_job(store: Store, keys: KeyRing, **given: Any) -> None:
    """A job straight into the store, as no door would."""
    namespace = given.get("namespace", "default")
    envelope = Envelope(namespace=namespace, job_id=given["job_id"])
    defaults: dict[str, Any] = {
        "namespace": namespace,
        "request_id": uuid.uuid4().hex,
        "content_hash": "0",
        "queue": "mail:high",
        "type": "portaria_workers.mail.v1.SendEmail",
        "envelope": keys.seal("domain/mail", envelope.SerializeToString()),
        "timeout_s": 60,
        "ttl_ms": 60_000,
        "max_attempts": 3,
    }
    store.run(calls.submit(Submission(**{**defaults, **given})))


def keyspace(redis: Redis) -> set[bytes]:
    """All keys."""
    return set(redis.scan_iter())


class Refusal:
    """A call that failed, with its details."""

    def __init__(self, error: grpc.RpcError) -> None:
        self.code = error.code()
        self.message: str = error.details() or ""
        self.trailers = dict(error.trailing_metadata() or ())
        self.status: status_pb2.Status | None = rpc_status.from_call(error)

    @property
    def reason(self) -> str:
        """Of the ErrorInfo."""
        info = self.detail(error_details_pb2.ErrorInfo)
        assert info.domain == "portaria.v1"
        return info.reason

    @property
    def fields(self) -> dict[str, str]:
        """Path -> reason of each violation."""
        return {each.field: each.reason for each in self.violations}

    @property
    def violations(self) -> list[Any]:
        """Of the BadRequest."""
        return list(self.detail(error_details_pb2.BadRequest).field_violations)

    def detail(self, kind: type[Detail]) -> Detail:
        """The detail of one kind; there must be one."""
        assert self.status is not None, self.message
        for packed in self.status.details:
            found = kind()
            if packed.Unpack(found):
                return found
        raise AssertionError(f"no {kind.__name__} in {self.status}")


def refused(function: Callable[..., Any], *arguments: Any, **given: Any) -> Refusal:
    """Calls an RPC that must fail; a stream is read to its end."""
    try:
        answer = function(*arguments, **{"timeout": 10, **given})
        if isinstance(answer, grpc.Call) and not isinstance(answer, Message):
            list(answer)
    except grpc.RpcError as error:
        return Refusal(error)
    raise AssertionError("the call succeeded")
