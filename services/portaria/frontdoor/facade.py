"""The typed façades of domains, served from their descriptors: no code knows a job type."""

from __future__ import annotations

from typing import Any

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from grpc import aio

from portaria.core.job_type import TYPE_URL_PREFIX
from portaria.frontdoor.names import FACADE
from portaria.frontdoor.submitter import Submitter
from portaria.v1.jobs_service_pb2 import SubmitJobRequest


def facade_handler(service: ServiceDescriptor, submitter: Submitter) -> grpc.GenericRpcHandler:
    """Each RPC of a façade is SubmitJob with a payload that the caller's compiler checked."""
    handlers = {method.name: _handler(method, submitter) for method in service.methods}
    return grpc.method_handlers_generic_handler(service.full_name, handlers)


def _handler(
    method: MethodDescriptor, submitter: Submitter
) -> grpc.RpcMethodHandler[Message, Message]:
    request_type: Any = message_factory.GetMessageClass(method.input_type)
    response_type: Any = message_factory.GetMessageClass(method.output_type)

    async def submit(request: Any, context: aio.ServicerContext[Any, Any]) -> Message:
        payload = request.job if request.HasField("job") else None
        job, deduplicated = await submitter.submit(
            _submission(request), payload=payload, names=FACADE
        )
        answer: Message = response_type(job=job, deduplicated=deduplicated)
        return answer

    make: Any = grpc.unary_unary_rpc_method_handler
    handler: grpc.RpcMethodHandler[Message, Message] = make(
        submit, request_type.FromString, response_type.SerializeToString
    )
    return handler


def _submission(request: Any) -> SubmitJobRequest:
    submission = SubmitJobRequest(
        request_id=request.request_id, validate_only=request.validate_only
    )
    spec = submission.spec
    spec.SetInParent()
    if request.HasField("job"):
        spec.payload.type_url = TYPE_URL_PREFIX + request.job.DESCRIPTOR.full_name
        spec.payload.value = request.job.SerializeToString()
    if request.HasField("options"):
        spec.options.CopyFrom(request.options)
    return submission
