"""A bare door: grpc.aio on uvloop, one process, one call of the same script, the same answer.

    PORTARIA_REDIS_URL=… python -m bench.baseline_door ADDRESS

It has no rules, seals, interceptors, deadlines. GetJob is the bare round trip: answered at once.
"""

import asyncio
import os
import sys
from dataclasses import replace
from typing import Any

import uvloop
from grpc import aio
from redis.asyncio import Redis

from bench.noop_jobs import admission, admitted_noop
from portaria.core.ids import member_id, new_job_id, new_workflow_id
from portaria.core.seal import KeyRing
from portaria.frontdoor.convert import submitted_to_proto
from portaria.store import Submitted, calls, keys
from portaria.store.batch import Batch, Slice, kind_of, write_slice
from portaria.store.scripts import script
from portaria.v1 import jobs_service_pb2 as pb
from portaria.v1.jobs_service_pb2_grpc import JobsServiceServicer, add_JobsServiceServicer_to_server


class BareDoor(JobsServiceServicer):
    """Writes one job, made beforehand, again and again under a new id."""

    def __init__(self, redis: Redis) -> None:
        admitted = admitted_noop(admission(KeyRing([bytes(32)])))
        self.redis, self.call = redis, calls.submit(admitted.submission)
        self.submission = admitted.submission
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

    async def BatchSubmitJobs(
        self, request: pb.BatchSubmitJobsRequest, context: Any
    ) -> pb.BatchSubmitJobsResponse:
        batch = Batch(
            namespace="default",
            request_id=request.request_id,
            content_hash="0" * 32,
            batch_id=new_workflow_id(),
            size=len(request.specs),
        )
        job = replace(self.submission, workflow_id=batch.batch_id)
        members = [(number, 1, job.envelope, "", "", b"") for number in range(batch.size)]
        call = write_slice(batch, Slice(0, batch.size, [kind_of(job)], members))
        await self.redis.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)
        ids = [member_id(batch.batch_id, number) for number in range(batch.size)]
        results = [pb.BatchSubmitResult(job_id=job_id) for job_id in ids]
        return pb.BatchSubmitJobsResponse(workflow_id=batch.batch_id, results=results)

    async def GetJob(self, request: pb.GetJobRequest, context: Any) -> pb.GetJobResponse:
        return pb.GetJobResponse()


async def serve(address: str) -> None:
    redis = Redis.from_url(os.environ["PORTARIA_REDIS_URL"])
    door = BareDoor(redis)  # type: ignore[abstract] # three calls are enough
    for name in ("submit", "batch"):
        await redis.script_load(script(name).text)
    server = aio.server()
    add_JobsServiceServicer_to_server(door, server)
    server.add_insecure_port(address)
    await server.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
