"""Submits jobs without a door, for tests of what lies behind it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from datetime import timedelta
from typing import Any

from google.protobuf.message import Message
from redis import Redis

from portaria.core.ids import new_job_id, new_request_id
from portaria.core.job_type import descriptor_of, job_type_from
from portaria.core.retry import retry_to_proto
from portaria.core.seal import load_key_ring
from portaria.core.states import State
from portaria.internal.v1.envelope_pb2 import Envelope, Outcome
from portaria.store import JobRecord, Store, Submission, calls
from portaria.v1.job_pb2 import Failure
from stack.eventually import eventually
from stack.stack import Stack


class Lab:
    """Hands in jobs of acme_jobs.lab and looks at them."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.redis: Redis = Redis.from_url(stack.redis_server.url)
        self.store = Store(self.redis)
        self.ring = load_key_ring(stack.data_dir / "signing.key")

    def submit(
        self,
        payload: Message,
        *,
        priority: str = "default",
        timeout: timedelta | None = None,
        delay: timedelta = timedelta(),
        start_before: timedelta | None = None,
        deadline: timedelta | None = None,
        job_id: str = "",
        change: Callable[[Envelope], object] = lambda _: None,
    ) -> str:
        """Queues a job; `change` may spoil its envelope before it is sealed."""
        job_type = job_type_from(descriptor_of(type(payload)))
        job_id, queue = job_id or new_job_id(), f"{job_type.domain}:{priority}"
        envelope = Envelope(
            namespace="default", job_id=job_id, domain=job_type.domain, effect=job_type.effect
        )
        envelope.spec.payload.Pack(payload)
        envelope.spec.options.timeout.FromTimedelta(timeout or job_type.timeout)
        envelope.spec.options.retry.CopyFrom(retry_to_proto(job_type.retry))
        change(envelope)
        sealed = self.ring.seal(f"domain/{job_type.domain}", envelope.SerializeToString())
        self.submit_sealed(
            job_id,
            queue,
            job_type.name,
            sealed,
            delay,
            before_ms=self._moment(start_before),
            deadline_ms=self._moment(deadline),
            at_most_once=job_type.at_most_once,
            timeout=timeout or job_type.timeout,
        )
        return job_id

    def _moment(self, ahead: timedelta | None) -> int:
        """Milliseconds by the clock of Redis; 0 for none."""
        if ahead is None:
            return 0
        seconds, micros = self.redis.time()
        return int(seconds) * 1000 + int(micros) // 1000 + int(ahead.total_seconds() * 1000)

    def submit_sealed(
        self,
        job_id: str,
        queue: str,
        name: str,
        sealed: bytes,
        delay: timedelta = timedelta(),
        *,
        before_ms: int = 0,
        deadline_ms: int = 0,
        at_most_once: bool = False,
        timeout: timedelta = timedelta(seconds=60),
    ) -> None:
        """Queues a job with an envelope as it is."""
        submission = Submission(
            namespace="default",
            request_id=new_request_id(),
            content_hash="0",
            job_id=job_id,
            queue=queue,
            type=name,
            envelope=sealed,
            timeout_s=math.ceil(timeout.total_seconds()),
            delay_ms=int(delay.total_seconds() * 1000),
            ttl_ms=3_600_000,
            max_attempts=3,
            at_most_once=at_most_once,
            before_ms=before_ms,
            deadline_ms=deadline_ms,
        )
        self.store.run(calls.submit(submission))

    def get(self, job_id: str) -> JobRecord:
        """The record of a job that must be there."""
        record = self.store.get(job_id)
        assert record is not None
        return record

    def wait(self, job_id: str, state: State | None = None, within: float = 15.0) -> JobRecord:
        """The record once the job is in `state`, or in any terminal one."""

        def reached() -> bool:
            now = self.get(job_id).state
            return now is state if state else now.is_terminal

        eventually(reached, within, because=f"{job_id} never became {state or 'done'}")
        return self.get(job_id)

    def wait_all(self, job_ids: Iterable[str], within: float = 30.0) -> list[JobRecord]:
        """The records once all are in a terminal state."""
        return [self.wait(each, within=within) for each in job_ids]

    def failure(self, record: JobRecord) -> Failure:
        """Why it failed last."""
        return Failure.FromString(record.failure)

    def result(self, record: JobRecord, kind: type[Message]) -> Any:
        """What it returned."""
        outcome = Outcome.FromString(self.ring.unseal("namespace/default", record.output))
        found = kind()
        assert outcome.result.Unpack(found)
        return found

    def events(self, job_id: str) -> list[str]:
        """The states that were told of a job, in order."""
        entries: Any = self.redis.xrange("portaria:events")
        packed = [fields[b"e"].decode().split(" ") for _, fields in entries]
        return [words[1] for words in packed if words[0] == job_id]

    def close(self) -> None:
        """Closes the connection."""
        self.redis.close()
