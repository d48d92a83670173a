"""Hands jobs in: for the core RPC and for every façade."""

from __future__ import annotations

from dataclasses import dataclass

from portaria.admission.names import CORE, Names
from portaria.core.errors import AlreadyExists, NotFound, RequestIdReused
from portaria.frontdoor.convert import Converter, submitted_to_proto
from portaria.frontdoor.prompt import PromptStore
from portaria.intake.admission import Admission, Admitted
from portaria.store import Submitted, calls
from portaria.v1.job_pb2 import JOB_VIEW_BASIC, Job
from portaria.v1.jobs_service_pb2 import SubmitJobRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """From a request to an acknowledged job."""

    admission: Admission
    store: PromptStore
    converter: Converter

    async def submit(self, request: SubmitJobRequest, *, names: Names = CORE) -> tuple[Job, bool]:
        """The job, and whether an earlier request had handed it in. Takes the request over.

        Raises InvalidRequest, RequestIdReused, AlreadyExists, StoreUnavailable, StoreFull.
        """
        admitted = self.admission.admit(request, names=names)
        if request.validate_only:
            return submitted_to_proto(admitted, None), False
        submitted = await self.store.run(calls.submit(admitted.submission))
        return await self.answer(admitted, submitted)

    async def answer(self, admitted: Admitted, submitted: Submitted) -> tuple[Job, bool]:
        """What became of a submission, as `submit` answers it."""
        if submitted.reused:
            raise RequestIdReused(
                "the request_id stands for other content", metadata={"job_id": submitted.job_id}
            )
        if submitted.held:
            raise AlreadyExists(
                "another open job holds the unique_key", metadata={"job_id": submitted.job_id}
            )
        if submitted.deduplicated:
            return await self._existing(submitted.job_id), True
        return submitted_to_proto(admitted, submitted), False

    async def _existing(self, job_id: str) -> Job:
        look = await self.store.look([job_id])
        if look.records[0] is None:
            raise NotFound(f"job {job_id} was handed in by this request_id, and purged since")
        return self.converter.job_to_proto(look.records[0], look.generation, JOB_VIEW_BASIC)
