"""A door that does what a test tells it to: real gRPC, real statuses, faults on purpose."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta

import grpc
from google.protobuf.any_pb2 import Any
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from portaria.v1.jobs_service_pb2_grpc import (
    JobsServiceServicer,
    add_JobsServiceServicer_to_server,
)


@dataclass(frozen=True)
class Fault:
    """A status to end a call with; `reason` makes it one of ours."""

    code: grpc.StatusCode
    words: str = "on purpose"
    reason: str = ""
    retry_after: timedelta | None = None

    def end(self, context: grpc.ServicerContext) -> None:
        """Ends the call."""
        status = status_pb2.Status(code=self.code.value[0], message=self.words)
        if self.reason:
            info = error_details_pb2.ErrorInfo(reason=self.reason, domain="portaria.v1")
            self._add(status, info)
        if self.retry_after is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromTimedelta(self.retry_after)
            self._add(status, retry)
        if status.details:
            context.abort_with_status(rpc_status.to_status(status))
        context.abort(self.code, self.words)

    @staticmethod
    def _add(status: status_pb2.Status, detail: object) -> None:
        packed = Any()
        packed.Pack(detail)
        status.details.append(packed)


@dataclass
class FaultyDoor(JobsServiceServicer):
    """Answers each call with the next answer of its script, and keeps the requests.

    An answer is a response, a list of frames and faults, a Fault, or a function of the request.
    """

    address: str = ""
    answers: dict[str, deque[object]] = field(default_factory=dict)
    requests: list[object] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """What the caller gave each single call."""
    server: grpc.Server | None = None

    def will(self, method: str, *answers: object) -> None:
        """Adds to the script of a method."""
        self.answers.setdefault(method, deque()).extend(answers)

    def start(self) -> None:
        """Serves, at the same address as before if there was one."""
        self.server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        add_JobsServiceServicer_to_server(self, self.server)
        port = self.server.add_insecure_port(self.address or "127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        self.server.start()

    def stop(self) -> None:
        """Is gone at once; open calls are cut."""
        if self.server is not None:
            self.server.stop(grace=None).wait()
            self.server = None

    def SubmitJob(self, request: object, context: grpc.ServicerContext) -> object:
        return self._one("SubmitJob", request, context)

    def GetJob(self, request: object, context: grpc.ServicerContext) -> object:
        return self._one("GetJob", request, context)

    def WaitJob(self, request: object, context: grpc.ServicerContext) -> object:
        return self._one("WaitJob", request, context)

    def SubmitWorkflow(self, request: object, context: grpc.ServicerContext) -> object:
        return self._one("SubmitWorkflow", request, context)

    def RetryWorkflow(self, request: object, context: grpc.ServicerContext) -> object:
        return self._one("RetryWorkflow", request, context)

    def GetWorkflow(self, request: object, context: grpc.ServicerContext) -> object:
        return self._one("GetWorkflow", request, context)

    def WatchJobs(self, request: object, context: grpc.ServicerContext) -> Iterator[object]:
        self.requests.append(request)
        for part in self._next("WatchJobs", context):  # type: ignore[attr-defined]
            if isinstance(part, Fault):
                part.end(context)
            yield part

    def _one(self, method: str, request: object, context: grpc.ServicerContext) -> object:
        self.requests.append(request)
        self.seconds.append(context.time_remaining())
        answer = self._next(method, context)
        if isinstance(answer, Fault):
            answer.end(context)
        return answer(request) if callable(answer) else answer

    def _next(self, method: str, context: grpc.ServicerContext) -> object:
        script = self.answers.get(method)
        if not script:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, f"no further {method} in the script")
        return script.popleft()
