"""No-op jobs of Portaria: admitted and sealed as the door does it, written without the calls."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Noop
from portaria.admission.rules import Rules
from portaria.core.ids import new_request_id
from portaria.core.seal import KeyRing
from portaria.intake.admission import Admission, Admitted
from portaria.intake.catalogue import Catalogue
from portaria.jobs.discovery import load_files
from portaria.store import calls
from portaria.v1.jobs_service_pb2 import BatchSubmitJobsRequest, SubmitJobRequest

PACKAGE = "acme_jobs"
POOL = "lab"
QUEUE = "lab:default"
_BATCH = 500


def noop_request() -> SubmitJobRequest:
    """A submission of one no-op job."""
    request = SubmitJobRequest(request_id=new_request_id())
    request.spec.payload.Pack(Noop())
    return request


def noop_batch(size: int) -> BatchSubmitJobsRequest:
    """As many no-op jobs by one call; the request_id is the caller's to set."""
    return BatchSubmitJobsRequest(specs=[noop_request().spec] * size)


def admission(ring: KeyRing) -> Admission:
    """What the door checks submissions with."""
    catalogue = Catalogue(load_files([PACKAGE]))
    catalogue.learn({})
    return Admission(catalogue=catalogue, rules=Rules(), keys=ring, namespace="default")


def admitted_noop(admission: Admission) -> Admitted:
    """One no-op job as the door would hand it to the store."""
    return admission.admit(noop_request())


def fill(
    redis: Redis, ring: KeyRing, count: int, due_ms: Callable[[], int] = lambda: 0
) -> list[str]:
    """Hands in so many no-op jobs; answers their ids.

    `due_ms` says when one is due, in milliseconds since 1970; by default at once.
    """
    admit, job_ids = admission(ring), []
    text = calls.submit(admitted_noop(admit).submission).script.text
    digest = redis.script_load(text)
    for start in range(0, count, _BATCH):
        pipeline = redis.pipeline(transaction=False)
        for _ in range(min(_BATCH, count - start)):
            job = replace(admitted_noop(admit).submission, run_at_ms=due_ms())
            job_ids.append(job.job_id)
            call = calls.submit(job)
            pipeline.evalsha(digest, len(call.keys), *call.keys, *call.arguments)
        pipeline.execute()
    return job_ids
