"""One client process of many watchers, each a stream of its own that follows one job to its end.

    python -m bench.watching ADDRESS CONNECTIONS < JOB_IDS

Opens one watch a line, all at once, over so many connections. Prints a line of JSON when all of
them have their first frame, and one when all have ended. A report of progress tells in `current`
when it was made, in nanoseconds of the monotonic clock, which all processes of a machine share.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from array import array
from collections import Counter
from collections.abc import Sequence
from typing import Any

import uvloop
from grpc import aio

from portaria.v1.jobs_service_pb2 import JobSelector, WatchJobsRequest, WatchJobsResponse

_PATH = "/portaria.v1.JobsService/WatchJobs"


class Watchers:
    """What they have seen together."""

    def __init__(self, count: int) -> None:
        self._waiting = count
        self.all_open = asyncio.Event()
        self.endings: Counter[str] = Counter()
        self.told_done = 0
        self.told_ns = array("q")
        """The moments of the reports that were told, and when they were."""

    async def follow(self, channel: aio.Channel, job_id: str) -> None:
        """Opens one watch and reads it to its end."""
        request = WatchJobsRequest(selector=JobSelector(job_ids=[job_id]))
        # Bytes in, bytes out: what is measured is the door, not its clients.
        watch: Any = channel.unary_stream(_PATH)
        frames = watch(request.SerializeToString())
        is_open = False
        try:
            async for raw in frames:
                self._note(WatchJobsResponse.FromString(raw))
                if not is_open:
                    is_open = True
                    self._opened()
        except aio.AioRpcError as error:
            if not is_open:
                self._opened()
            self.endings[f"{error.code().name}: {error.details()}"] += 1
        else:
            self.endings["OK"] += 1

    def _note(self, frame: WatchJobsResponse) -> None:
        now = time.monotonic_ns()
        for event in frame.events:
            if event.done:
                self.told_done += 1
            elif event.HasField("progress"):
                self.told_ns.extend((event.progress.current, now))

    def _opened(self) -> None:
        self._waiting -= 1
        if not self._waiting:
            self.all_open.set()


async def main(address: str, connections: int, job_ids: Sequence[str]) -> None:
    """Follows all jobs to their ends."""
    # Else gRPC would send all of them over one connection.
    apart = [("grpc.use_local_subchannel_pool", 1)]
    channels = [aio.insecure_channel(address, options=apart) for _ in range(connections)]
    await asyncio.gather(*(each.channel_ready() for each in channels))
    watchers = Watchers(len(job_ids))
    start = time.monotonic()
    following = [
        asyncio.create_task(watchers.follow(channels[number % connections], job_id))
        for number, job_id in enumerate(job_ids)
    ]
    await watchers.all_open.wait()
    seconds = time.monotonic() - start
    print(json.dumps({"open_seconds": seconds, "failed": dict(watchers.endings)}), flush=True)
    await asyncio.gather(*following)
    ended = {"endings": watchers.endings, "done": watchers.told_done}
    print(json.dumps({**ended, "told_ns": watchers.told_ns.tolist()}), flush=True)
    for each in channels:
        await each.close()


if __name__ == "__main__":
    where, lanes = sys.argv[1:]
    uvloop.run(main(where, int(lanes), sys.stdin.read().split()))
