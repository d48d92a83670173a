"""The typed façades of domains, served from their descriptors: no code knows a job type."""

from __future__ import annotations

from functools import partial
from typing import Any

import grpc
from grpc import aio

from portaria.admission.names import FACADE
from portaria.core.errors import StoreUnavailable
from portaria.core.job_type import TYPE_URL_PREFIX
from portaria.frontdoor.submitter import Submitter
from portaria.intake.catalogue import Catalogue
from portaria.internal.v1.facade_pb2 import FacadeRequest
from portaria.v1.jobs_service_pb2 import SubmitJobRequest, SubmitJobResponse

_GRPC_S_OWN = "/grpc."


class Facades(grpc.GenericRpcHandler):
    """Each RPC of a façade is SubmitJob with a payload that the caller's compiler checked.

    Its messages are read and written as others with the same fields: see FacadeRequest; every
    response is a SubmitJobResponse.
    """

    def __init__(self, catalogue: Catalogue, submitter: Submitter) -> None:
        self._catalogue = catalogue
        self._submitter = submitter

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> grpc.RpcMethodHandler[FacadeRequest, SubmitJobResponse] | None:
        """The handler of an RPC of a façade; of any, before it is known which ones there are."""
        path = handler_call_details.method
        if path.startswith(_GRPC_S_OWN):
            return None
        is_complete = self._catalogue.is_complete  # first: it is set after what is served
        if path not in self._catalogue.served.facades and is_complete:
            return None
        make: Any = grpc.unary_unary_rpc_method_handler
        handler: grpc.RpcMethodHandler[FacadeRequest, SubmitJobResponse] = make(
            partial(self._submit, path),
            FacadeRequest.FromString,
            SubmitJobResponse.SerializeToString,
        )
        return handler

    async def _submit(
        self, path: str, request: FacadeRequest, context: aio.ServicerContext[Any, Any]
    ) -> SubmitJobResponse:
        # Asked at each call: handlers are kept by their path.
        is_complete = self._catalogue.is_complete
        job_type = self._catalogue.served.facades.get(path)
        if job_type is None:
            if not is_complete:
                raise StoreUnavailable("the job types are not known yet")
            await context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        job, deduplicated = await self._submitter.submit(_core(request, job_type), names=FACADE)
        return SubmitJobResponse(job=job, deduplicated=deduplicated)


def _core(request: FacadeRequest, job_type: str) -> SubmitJobRequest:
    """The same request of the core RPC."""
    submission = SubmitJobRequest(
        request_id=request.request_id, validate_only=request.validate_only
    )
    spec = submission.spec
    spec.SetInParent()
    if request.HasField("job"):
        spec.payload.type_url = TYPE_URL_PREFIX + job_type
        spec.payload.value = request.job
    if request.HasField("options"):
        spec.options.CopyFrom(request.options)
    return submission
