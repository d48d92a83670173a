"""The load of a soak: raw calls, since the client would repeat what fails."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any
from uuid import UUID

import grpc
import grpc.aio

from acme_jobs.lab.v1.lab_pb2 import Echo, Noop, Wait
from portaria.v1.jobs_service_pb2 import (
    GetJobRequest,
    JobSelector,
    ListJobsRequest,
    SubmitJobRequest,
    WatchJobsRequest,
)
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub

_PATIENCE = 20.0
_KINDS = {"submit": 4, "get": 6, "list": 2, "invalid": 2, "unknown job": 2}
_MOMENTS = ("early", "after its first frame", "in the middle")
_EARLY = 0.01
"""Seconds in which most watches of a busy door get their first frame, or not."""
_SHOWN = 5
UNAVAILABLE = "answered UNAVAILABLE"


class Load:
    """The same calls for the same seed, in an order that the door's answers decide."""

    def __init__(self, seed: int, address: str, *, watches: int, calls: int) -> None:
        self._rng = Random(f"soak/{seed}")
        self._address = address
        # Spread evenly: so many calls to a watch.
        self._rest = [watches, calls]
        self._ratio = calls / max(1, watches)
        self._jobs: list[str] = []
        self._done = 0
        self.told: Counter[str] = Counter()
        self.strange: list[str] = []

    async def run(self, users: int, sample: Callable[[int], None], *, every: int) -> None:
        """All of it; `sample` is told the number of calls now and then."""
        self._sample, self._every = sample, every
        options = [("grpc.use_local_subchannel_pool", 1)]
        async with (
            grpc.aio.insecure_channel(self._address, options=options) as first,
            grpc.aio.insecure_channel(self._address, options=options) as second,
        ):
            await self._call("submit", JobsServiceStub(first))
            async with asyncio.TaskGroup() as group:
                for number in range(users):
                    group.create_task(self._use(JobsServiceStub((first, second)[number % 2])))

    async def _use(self, stub: Any) -> None:
        while any(self._rest):
            watches, calls = self._rest
            if watches and calls <= watches * self._ratio:
                self._rest[0] -= 1
                await self._watch(self._rng.choice(_MOMENTS), stub)
            else:
                self._rest[1] -= 1
                (kind,) = self._rng.choices(list(_KINDS), list(_KINDS.values()))
                await self._call(kind, stub)
            self._done += 1
            if self._done % self._every == 0:
                self._sample(self._done)

    async def _call(self, kind: str, stub: Any) -> None:
        self.told[kind] += 1
        expected = None
        try:
            match kind:
                case "submit":
                    answer = await stub.SubmitJob(self._order(), timeout=_PATIENCE)
                    self._jobs.append(answer.job.job_id)
                case "get":
                    request = GetJobRequest(job_id=self._rng.choice(self._jobs))
                    await stub.GetJob(request, timeout=_PATIENCE)
                case "list":
                    await stub.ListJobs(ListJobsRequest(page_size=5), timeout=_PATIENCE)
                case "invalid":
                    expected = grpc.StatusCode.INVALID_ARGUMENT
                    await stub.SubmitJob(self._order(valid=False), timeout=_PATIENCE)
                case _:
                    expected = grpc.StatusCode.NOT_FOUND
                    await stub.GetJob(GetJobRequest(job_id=self._uuid()), timeout=_PATIENCE)
            code = None
        except grpc.aio.AioRpcError as error:
            code = error.code()
        if code is not expected:
            self._note(kind, code)

    async def _watch(self, moment: str, stub: Any) -> None:
        """Opens a watch, and cancels it."""
        self.told[f"watch, cancelled {moment}"] += 1
        # One job, which nobody runs; or all, of which the others' submits are news.
        of_one = moment != "in the middle" and self._rng.random() < 0.5
        selector = JobSelector(domains=["lab"])
        if of_one:
            selector = JobSelector(job_ids=[self._rng.choice(self._jobs)])
        stream = stub.WatchJobs(WatchJobsRequest(selector=selector), timeout=_PATIENCE)
        try:
            if moment == "early":
                # Not at once: such a call would not even leave this process.
                await asyncio.sleep(self._rng.uniform(0.001, _EARLY))
            else:
                for _ in range(3 if moment == "in the middle" else 1):
                    await stream.read()
        except grpc.aio.AioRpcError as error:
            # The last ones of a run wait for changes that nobody makes any more.
            waits = error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not self._rest[1]
            if not waits:
                self._note(f"watch, {moment}", error.code())
            return
        stream.cancel()
        code = await stream.code()
        if code is not grpc.StatusCode.CANCELLED:
            self._note(f"watch, {moment}", code)

    def _order(self, *, valid: bool = True) -> SubmitJobRequest:
        request = SubmitJobRequest(request_id=self._uuid())
        big = Echo(text="x" * self._rng.randrange(2_000))
        request.spec.payload.Pack(
            (big if self._rng.random() < 0.3 else Noop()) if valid else Wait()
        )
        return request

    def _uuid(self) -> str:
        return str(UUID(int=self._rng.getrandbits(128), version=4))

    def _note(self, what: str, code: grpc.StatusCode | None) -> None:
        # A machine that is busy with other things may let Redis wait for its disk.
        if code is grpc.StatusCode.UNAVAILABLE:
            self.told[UNAVAILABLE] += 1
        elif len(self.strange) < _SHOWN * 20:
            self.strange.append(f"{what}: {code}")
