"""A bare door: grpc.aio on uvloop, one process, one call of the same script, the same answer.

    PORTARIA_REDIS_URL=… python -m bench.baseline_door ADDRESS

It has no rules, seals, interceptors, deadlines. GetJob is the bare round trip: answered at once.
"""

import asyncio
import os
import sys
from typing import Any

import uvloop
from grpc import aio
from redis.asyncio import Redis

from bench.noop_jobs import admission, admitted_noop
from portaria.core.ids import new_job_id
from portaria.core.seal import KeyRing
from portaria.frontdoor.convert import submitted_to_proto
from portaria.store import Submitted, calls, keys
from portaria.v1 import jobs_service_pb2 as pb
from portaria.v1.jobs_service_pb2_grpc import JobsServiceServicer, add_JobsServiceServicer_to_server


class BareDoor(JobsServiceServicer):
    """Writes one job, made beforehand, again and again under a new id."""

    def __init__(self, redis: Redis) -> None:
        admitted = admitted_noop(admission(KeyRing([bytes(32)])))
        self.redis, self.call = redis, calls.submit(admitted.submission)
        self.job = submitted_to_proto(
            admitted, Submitted(new_job_id(), False, False, False, 1, "1-0", "0")
        )

    async def SubmitJob(self, request: pb.SubmitJobRequest, context: Any) -> pb.SubmitJobResponse:
        job_id, names, values = new_job_id(), self.call.keys, self.call.arguments
        fresh = (keys.request("default", request.request_id), keys.job(job_id))
        given = (*fresh, *names[2:], values[0], job_id, *values[2:])
        await self.redis.evalsha(self.call.script.sha, len(names), *given)
        response = pb.SubmitJobResponse(job=self.job)
        response.job.job_id = job_id
        return response

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        return pb.GetJobResponse()


async def serve(address: str) -> None:
    redis = Redis.from_url(os.environ["PORTARIA_REDIS_URL"])
    door = BareDoor(redis)  # type: ignore[abstract] # two calls are enough
    await redis.script_load(door.call.script.text)
    server = aio.server()
    add_JobsServiceServicer_to_server(door, server)
    server.add_insecure_port(address)
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
