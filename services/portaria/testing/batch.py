"""BatchSubmitJobs without a door. Unlike there, a held unique_key leaves the jobs before it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from google.rpc.status_pb2 import Status

from portaria.client.statuses import ERROR_DOMAIN
from portaria.core.errors import AlreadyExists, InvalidRequest, PortariaError, Violation
from portaria.core.ids import new_workflow_id
from portaria.testing.admission import Admitted, admit
from portaria.testing.kernel import Kernel
from portaria.v1.job_pb2 import JobSpec
from portaria.v1.jobs_service_pb2 import (
    BatchSubmitJobsRequest,
    BatchSubmitJobsResponse,
    BatchSubmitResult,
    SubmitJobRequest,
)

_Judged = Admitted | PortariaError


def submit_batch(kernel: Kernel, request: BatchSubmitJobsRequest) -> BatchSubmitJobsResponse:
    """Hands in all jobs, or with allow_partial the good ones. Raises as the door does."""
    judged = [_judged(number, spec, request) for number, spec in enumerate(request.specs)]
    wrong = [
        each for error in judged if isinstance(error, InvalidRequest) for each in error.violations
    ]
    if not judged:
        wrong.append(Violation("specs", "TOO_FEW", "must have at least 1 item"))
    if wrong and not (judged and request.allow_partial):
        raise InvalidRequest(wrong)
    if request.validate_only:
        return BatchSubmitJobsResponse(
            results=[
                BatchSubmitResult(error=_status(each) if isinstance(each, PortariaError) else None)
                for each in judged
            ]
        )
    return _written(kernel, request, judged)


def _written(
    kernel: Kernel, request: BatchSubmitJobsRequest, judged: list[_Judged]
) -> BatchSubmitJobsResponse:
    answer = BatchSubmitJobsResponse()
    content, workflow_id = _content_hash(request), new_workflow_id()
    for number, each in enumerate(judged):
        result = answer.results.add()
        if isinstance(each, PortariaError):
            result.error.CopyFrom(_status(each))
            continue
        # No caller's request_id has a blank. The first one stands for the batch.
        own = f"{request.request_id} {number}" if answer.workflow_id else request.request_id
        try:
            record, known = kernel.submit(replace(each, request_id=own, content_hash=content))
        except AlreadyExists as error:
            if not request.allow_partial or error.reason != AlreadyExists.reason:
                raise
            result.error.CopyFrom(_status(error))
            continue
        if not known:
            record.job.workflow_id = workflow_id
        answer.deduplicated = answer.deduplicated or known
        answer.workflow_id = answer.workflow_id or record.job.workflow_id or workflow_id
        result.job_id = record.job.job_id
    return answer


def _judged(number: int, spec: JobSpec, request: BatchSubmitJobsRequest) -> _Judged:
    single = SubmitJobRequest(spec=spec, request_id=request.request_id)
    if request.labels:
        single.spec.options.labels.update({**request.labels, **spec.options.labels})
    try:
        return admit(single)
    except InvalidRequest as error:
        place = f"specs[{number}]"
        return InvalidRequest(
            [replace(each, field=each.field.replace("spec", place, 1)) for each in error.violations]
        )


def _content_hash(request: BatchSubmitJobsRequest) -> str:
    kept = BatchSubmitJobsRequest()
    kept.CopyFrom(request)
    kept.ClearField("request_id")
    for spec in kept.specs:
        if spec.HasField("options"):
            spec.options.ClearField("headers")
    return hashlib.blake2b(kept.SerializeToString(deterministic=True)).hexdigest()


def _status(error: PortariaError) -> Status:
    """As the door puts it into the result of one job."""
    code = grpc.StatusCode.ALREADY_EXISTS
    details: list[Message] = [
        error_details_pb2.ErrorInfo(
            reason=error.reason, domain=ERROR_DOMAIN, metadata=error.metadata
        )
    ]
    if isinstance(error, InvalidRequest):
        code = grpc.StatusCode.INVALID_ARGUMENT
        bad = error_details_pb2.BadRequest()
        for each in error.violations:
            bad.field_violations.add(
                field=each.field, reason=each.reason, description=each.description
            )
        details.append(bad)
    status = Status(code=code.value[0], message=error.message)
    for detail in details:
        packed = AnyMessage()
        packed.Pack(detail)
        status.details.append(packed)
    return status
