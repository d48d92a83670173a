"""Hands jobs in: for the core RPC and for every façade."""

from __future__ import annotations

from dataclasses import dataclass

from portaria.admission.names import CORE, Names
from portaria.core.errors import AlreadyExists, NotFound, ParentNotRunning, RequestIdReused
from portaria.core.ids import is_job_id
from portaria.core.seal import SealBroken
from portaria.frontdoor.convert import Converter, submitted_to_proto
from portaria.frontdoor.ownership import is_ours
from portaria.frontdoor.prompt import PromptStore
from portaria.intake.admission import Admission, Admitted, Parent
from portaria.logs import logger
from portaria.store import Submitted, calls
from portaria.store.workflows import aread_workflows
from portaria.v1.job_pb2 import JOB_VIEW_BASIC, Job, SubmitOptions
from portaria.v1.jobs_service_pb2 import SubmitJobRequest
from portaria.workflows.plan import Plans
from portaria.workflows.sharing import share


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitter:
    """From a request to an acknowledged job."""

    admission: Admission
    store: PromptStore
    converter: Converter
    plans: Plans
    namespace: str

    async def submit(self, request: SubmitJobRequest, *, names: Names = CORE) -> tuple[Job, bool]:
        """The job, and whether an earlier request had handed it in. Takes the request over.

        Raises InvalidRequest, RequestIdReused, AlreadyExists, ParentNotRunning, StoreUnavailable,
        StoreFull.
        """
        # What is no id is refused by its rule.
        named = is_job_id(request.parent_job_id)
        parent = await self._parent(request) if named else None
        admitted = self.admission.admit(request, names=names, parent=parent)
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
        if submitted.orphan:
            raise ParentNotRunning("the job of parent_job_id does not run")
        if submitted.deduplicated:
            return await self._existing(submitted.job_id), True
        return submitted_to_proto(admitted, submitted), False

    async def _parent(self, request: SubmitJobRequest) -> Parent:
        """What the new job belongs to; it gets the labels and the deadline of its workflow."""
        job_id = request.parent_job_id
        record = await self.store.get(job_id)
        # Whether it runs, the script says, once it knows that this is no repeat.
        if not is_ours(record, self.namespace):
            raise ParentNotRunning("the job of parent_job_id does not run")
        if not record.tag.workflow_id:
            return Parent(job_id, "", "")
        await self._share(request.spec.options, record.tag.workflow_id)
        # It tells the join that its parent tells, and counts as its parent does; a batch has none.
        join, _, spared, _ = (record.link or "0 - 0 -").split(" ")
        return Parent(job_id, record.tag.workflow_id, f"{join} kid {spared} -")

    async def _share(self, options: SubmitOptions, workflow_id: str) -> None:
        workflows = await self.store.read(lambda store: aread_workflows(store.redis, [workflow_id]))
        if workflows[0] is None or not workflows[0].head:
            return
        try:
            share(options, self.plans.head(workflows[0].head, workflow_id))
        except SealBroken as error:
            logger().error("head withheld", workflow_id=workflow_id, why=str(error))

    async def _existing(self, job_id: str) -> Job:
        look = await self.store.look([job_id])
        if look.records[0] is None:
            raise NotFound(f"job {job_id} was handed in by this request_id, and purged since")
        return self.converter.job_to_proto(look.records[0], look.generation, JOB_VIEW_BASIC)
