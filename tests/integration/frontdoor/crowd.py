"""Many watchers at once, each a stream of its own, over some connections."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from grpc import aio

from integration.frontdoor.watching import words
from portaria.v1.jobs_service_pb2 import JobEvent, JobSelector, WatchJobsRequest
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub


@dataclass(slots=True)
class Follower:
    """One watcher of one job."""

    job_id: str
    events: list[JobEvent] = field(default_factory=list)
    cursor: str = ""
    ended: str = ""
    """OK, or the status of the stream."""

    def words(self) -> str:
        """What it was told, each event in a word."""
        assert {each.job_id for each in self.events} <= {self.job_id}
        return " ".join(words(self.events))

    async def follow(self, jobs: JobsServiceStub, opened: asyncio.Semaphore) -> None:
        """From its cursor on to the end of the stream; `opened` is released at the first frame."""
        selector, is_open = JobSelector(job_ids=[self.job_id]), False
        request = WatchJobsRequest(selector=selector, cursor=self.cursor)
        try:
            async for frame in jobs.WatchJobs(request, timeout=60):
                self.events += frame.events
                self.cursor = frame.cursor
                if not is_open:
                    is_open = True
                    opened.release()
            self.ended = "OK"
        except aio.AioRpcError as error:
            self.ended = f"{error.code().name}: {error.details()}"
        finally:
            if not is_open:
                opened.release()


class Crowd:
    """Followers of a door; use it on one event loop."""

    def __init__(self, job_ids: Sequence[str]) -> None:
        self.followers = [Follower(job_id) for job_id in job_ids]
        self._following: list[asyncio.Task[None]] = []
        self._channels: list[aio.Channel] = []

    async def open(self, address: str, *, connections: int = 10) -> None:
        """Asks for all watches at once, and waits until each has its first frame, or has failed."""
        opened = asyncio.Semaphore(0)
        # Else gRPC would send all of them over one connection.
        apart = [("grpc.use_local_subchannel_pool", 1)]
        self._channels = [aio.insecure_channel(address, options=apart) for _ in range(connections)]
        stubs = [JobsServiceStub(channel) for channel in self._channels]
        self._following = [
            asyncio.create_task(follower.follow(stubs[number % connections], opened))
            for number, follower in enumerate(self.followers)
        ]
        for _ in self.followers:
            await opened.acquire()

    async def ended(self) -> Counter[str]:
        """Waits until all streams have ended; how."""
        await asyncio.gather(*self._following)
        for channel in self._channels:
            await channel.close()
        return Counter(each.ended for each in self.followers)

    def words(self) -> Counter[str]:
        """What followers were told."""
        return Counter(each.words() for each in self.followers)
