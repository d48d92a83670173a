"""Every RPC of a door's process, called with bytes, and what no answer to them may ever be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message import Message
from google.rpc import error_details_pb2

from acme_jobs.lab.v1.lab_pb2 import Noop
from integration.frontdoor.good_requests import SCHEDULE, TO_DELETE, of_facade, of_services
from integration.frontdoor.playing import Refusal, submission
from integration.frontdoor.scheduling import schedule
from integration.frontdoor.wrong_values import Wrong, wrong_values
from portaria.jobs.discovery import load_files
from portaria.v1 import admin_service_pb2, jobs_service_pb2, schedules_service_pb2
from portaria.v1.errors_pb2 import ErrorReason
from portaria.v1.jobs_service_pb2 import CancelJobsRequest, JobSelector
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from portaria.v1.schedules_service_pb2 import OVERLAP_POLICY_ALLOW, CreateScheduleRequest
from portaria.v1.schedules_service_pb2_grpc import SchedulesServiceStub
from portaria.v1.workflows_pb2 import SubmitWorkflowRequest
from stack import Stack

_SECONDS = 20.0
_BROKEN = {
    grpc.StatusCode.INTERNAL,
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.CANCELLED,
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.DEADLINE_EXCEEDED,
}
_AS_IN_A_CREATE = {
    "UpdateSchedule": "schedule.spec.",
    "PreviewSchedule": "schedule.spec.",
    "ApplySchedules": "schedules[0].spec.",
    # A hook like the other one.
    "SubmitWorkflow": "on_failure.",
}


@dataclass(frozen=True, slots=True)
class Rpc:
    """One method, and a request in which nothing is wrong."""

    method: MethodDescriptor
    good: Message
    without: str = ""
    """A part that another RPC of the service has, too, and that is walked there."""

    @property
    def is_core(self) -> bool:
        """Whether it is not one of many that are served by the same code."""
        return "job" not in self.method.input_type.fields_by_name

    def wrong_values(self) -> Iterator[Wrong]:
        """For each of its fields."""
        for each in wrong_values(self.good):
            if not (self.without and each.path.startswith(self.without)):
                yield each

    @property
    def name(self) -> str:
        """For a person."""
        return f"{self.method.containing_service.name}.{self.method.name}"

    @property
    def is_watch(self) -> bool:
        """Whether it answers with a stream."""
        return bool(self.method.server_streaming)

    def ask(self, channel: grpc.Channel, raw: bytes) -> Pending:
        """Sends a request."""
        path = f"/{self.method.containing_service.full_name}/{self.method.name}"
        if self.is_watch:
            return Pending(channel.unary_stream(path)(raw, timeout=_SECONDS), stream=True)
        return Pending(channel.unary_unary(path).future(raw, timeout=_SECONDS), stream=False)


class Pending:
    """A call that was sent."""

    def __init__(self, call: Any, *, stream: bool) -> None:
        self._call = call
        self._stream = stream

    def refusal(self) -> Refusal | None:
        """What it was answered; None where it was accepted. A watch is ended after a frame."""
        try:
            if self._stream:
                next(self._call, None)
                self._call.cancel()
            else:
                self._call.result()
        except grpc.RpcError:
            return Refusal(self._call)
        return None


class WalkedDoor:
    """A door's process, all of its RPCs, and what they need to find in the store."""

    def __init__(self, stack: Stack) -> None:
        # Each refused call is a line at the level of info.
        self.process = stack.door(PORTARIA_LOG_LEVEL="warning")
        self.channel = grpc.insecure_channel(stack.address)
        self._redis = stack.redis
        done = stack.client.submit(Noop(), priority="low")
        done.cancel()
        waiting = stack.client.submit(Noop(), priority="low", delay=timedelta(hours=9))
        queue = done.get().queue
        self._make_schedules()
        workflow = self._make_workflow()
        goods = dict(of_services(done=done.id, waiting=waiting.id, queue=queue, workflow=workflow))
        services = [
            jobs_service_pb2.DESCRIPTOR.services_by_name["JobsService"],
            admin_service_pb2.DESCRIPTOR.services_by_name["AdminService"],
            schedules_service_pb2.DESCRIPTOR.services_by_name["SchedulesService"],
        ]
        for name in load_files(["portaria_workers", "acme_jobs"]):
            file = descriptor_pool.Default().FindFileByName(name)
            for service in file.services_by_name.values():
                goods |= of_facade(service)
                services.append(service)
        methods = [method for service in services for method in service.methods]
        # Watches last, since a door that is watched writes that it is.
        methods.sort(key=lambda method: bool(method.server_streaming))
        self.rpcs = [
            Rpc(method, goods[method.full_name], _walked_elsewhere(method)) for method in methods
        ]

    def _make_schedules(self) -> None:
        stub = SchedulesServiceStub(self.channel)
        for schedule_id in (SCHEDULE, TO_DELETE):
            made = schedule(schedule_id, Noop(), overlap=OVERLAP_POLICY_ALLOW)
            stub.CreateSchedule(CreateScheduleRequest(schedule=made), timeout=_SECONDS)

    def _make_workflow(self) -> str:
        """One that may be handed in again."""
        stub = JobsServiceStub(self.channel)
        request = SubmitWorkflowRequest(request_id="walked")
        request.root.job.payload.Pack(Noop())
        made = stub.SubmitWorkflow(request, timeout=_SECONDS).workflow.workflow_id
        cancel = CancelJobsRequest(selector=JobSelector(workflow_id=made))
        stub.CancelJobs(cancel, timeout=_SECONDS)
        return str(made)

    def changes(self) -> int:
        """How often anything in the store was changed."""
        info: Any = self._redis.info("persistence")
        return int(info["rdb_changes_since_last_save"])

    def serves(self) -> bool:
        """Whether a good request is answered."""
        raw = submission(Noop()).SerializeToString()
        submit = next(each for each in self.rpcs if each.method.name == "SubmitJob")
        return submit.ask(self.channel, raw).refusal() is None

    def traces(self) -> list[str]:
        """Lines of its log that tell of a fault of ours."""
        lines = self.process.output().splitlines()
        return [each for each in lines if "Traceback" in each or '"level": "error"' in each]


def _walked_elsewhere(method: MethodDescriptor) -> str:
    """The part of a request that is that of another RPC."""
    if method.index > 0 and "job" in method.input_type.fields_by_name:
        return "options."  # of a façade, and not the first
    return _AS_IN_A_CREATE.get(method.name, "")


def broken(refusal: Refusal | None) -> Iterator[str]:
    """What is wrong with an answer, whatever was asked."""
    if refusal is None:
        return
    if refusal.code in _BROKEN:
        yield f"{refusal.code.name} {refusal.message}"
        return
    if "Traceback" in str(refusal.status) or 'File "' in str(refusal.status):
        yield f"a trace in {refusal.status}"
    if refusal.status is None:
        yield f"{refusal.code.name} without details: {refusal.message}"
        return
    if f"ERROR_REASON_{refusal.reason}" not in ErrorReason.DESCRIPTOR.values_by_name:
        yield f"the unknown reason {refusal.reason}"
    if refusal.code is grpc.StatusCode.INVALID_ARGUMENT:
        bad = refusal.detail(error_details_pb2.BadRequest).field_violations
        if not bad or not all(each.field and each.reason and each.description for each in bad):
            yield f"INVALID_ARGUMENT that names no field: {refusal.message}"
