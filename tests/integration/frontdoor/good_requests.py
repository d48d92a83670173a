"""One request for each RPC, filled as far as can be, in which nothing is wrong."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from google.protobuf.descriptor import FieldDescriptor, ServiceDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass
from google.protobuf.timestamp_pb2 import Timestamp

from buf.validate import validate_pb2
from integration.frontdoor.playing import email, submission
from portaria.core.job_type import job_type_from
from portaria.v1 import admin_service_pb2 as admin
from portaria.v1 import jobs_service_pb2 as jobs
from portaria.v1 import schedules_service_pb2 as schedules
from portaria.v1 import workflows_pb2 as workflows
from portaria.v1.job_pb2 import JobSpec, RetryPolicy, SubmitOptions

SCHEDULE, TO_DELETE = "walked", "walked-last"
NOBODY = "01a1fbdb-8e98-767f-9bde-5f0bd1943ee8"
_HOUR = 3_600
# All but the spec, whose wrong values are those of a create.
_MASK = ("when", "time_zone", "overlap", "catch_up", "max_catch_up", "catchup_window", "jitter",
         "start_time", "end_time", "labels")  # fmt: skip
# What rules of a whole message ask for.
_MORE: Mapping[str, Mapping[str, Any]] = {
    "mail.v1.SendEmail": {"variables": {"name": "Ana", "code": "1"}},
    "mail.v1.SendBulkEmail": {
        "variables": {"name": "Ana", "code": "1"},
        "recipients": [{"address": "ana@example.com"}],
    },
    "documents.v1.GenerateDocument": {"report": {}},
    "documents.v1.ExportSpreadsheet": {"document_id": "0" * 32},
    "documents.v1.GenerateReport": {"user_id": "u-17"},
    "documents.v1.ProcessDocument": {"document_id": "0" * 32},
    "documents.v1.ProcessFile": {
        "document_id": "0" * 32,
        "columns": [{"name": "value", "min": "3", "max": "5"}],
    },
    "mail.v1.SendNotification": {"recipients": ["ana@example.com"]},
    "mail.v1.SendDocument": {"document_ids": ["0" * 32]},
    "mail.v1.SuppressAddress": {"address": "ana@example.com", "reason": 2},
}


def of_services(*, done: str, waiting: str, queue: str, workflow: str) -> Mapping[str, Message]:
    """By full method name: `portaria.v1.JobsService.GetJob`. What acts on many acts on none."""
    domain, none = queue.partition(":")[0], jobs.JobSelector(job_ids=[NOBODY], labels={"no": "one"})
    spec = submission(email(variables={"name": "Ana"})).spec
    spec.options.CopyFrom(options())
    by_service: dict[ServiceDescriptor, list[Message]] = {
        jobs.DESCRIPTOR.services_by_name["JobsService"]: [
            jobs.SubmitJobRequest(request_id="r", spec=spec),
            jobs.BatchSubmitJobsRequest(request_id="r", specs=[spec, spec], labels={"c": "d"}),
            jobs.GetJobRequest(job_id=done, view=1),
            jobs.BatchGetJobsRequest(job_ids=[done], view=1),
            jobs.ListJobsRequest(selector=_selector(done), page_size=10, view=1),
            jobs.WaitJobRequest(job_id=done, timeout=Duration(seconds=1), view=1),
            jobs.UpdateJobRequest(job_id=waiting, priority=1, run_time=_in(hours=2)),
            jobs.CancelJobsRequest(selector=none, reason="r"),
            jobs.RetryJobsRequest(selector=none, priority=3, request_id="r"),
            jobs.DeleteJobsRequest(selector=none),
            jobs.ListJobTypesRequest(domain=domain),
            workflows.SubmitWorkflowRequest(
                request_id="r",
                root=_chain(spec),
                labels={"c": "d"},
                on_success=_plain(spec),
                on_failure=_plain(spec),
                deadline=_in(hours=4),
            ),
            workflows.GetWorkflowRequest(workflow_id=workflow, view=2),
            workflows.ListWorkflowsRequest(labels={"a": "b"}, only_open=True, page_size=10),
            workflows.RetryWorkflowRequest(workflow_id=workflow, request_id="r"),
            jobs.WatchJobsRequest(
                selector=jobs.JobSelector(job_ids=[done]),
                until=jobs.WATCH_UNTIL_ALL_DONE,
                progress_interval=Duration(seconds=1),
            ),
        ],
        admin.DESCRIPTOR.services_by_name["AdminService"]: [
            admin.ListQueuesRequest(domain=domain),
            admin.PauseQueueRequest(name=queue, reason="r"),
            admin.ResumeQueueRequest(name=queue),
            admin.PurgeQueueRequest(name=queue, confirm=True, older_than=Duration(seconds=1)),
            admin.ListWorkersRequest(domain=domain, page_size=10),
        ],
        schedules.DESCRIPTOR.services_by_name["SchedulesService"]: [
            schedules.CreateScheduleRequest(schedule=_schedule("walked-new")),
            schedules.GetScheduleRequest(schedule_id=SCHEDULE),
            schedules.ListSchedulesRequest(page_size=10, domain=domain),
            schedules.UpdateScheduleRequest(
                schedule=_schedule(SCHEDULE),
                update_mask=FieldMask(paths=_MASK),
            ),
            schedules.DeleteScheduleRequest(schedule_id=TO_DELETE),
            schedules.PauseScheduleRequest(schedule_id=SCHEDULE, reason="r"),
            schedules.ResumeScheduleRequest(schedule_id=SCHEDULE),
            schedules.TriggerScheduleRequest(schedule_id=SCHEDULE, request_id="r"),
            schedules.PreviewScheduleRequest(schedule=_schedule(""), count=3, after=_in(hours=1)),
            schedules.ListScheduleRunsRequest(schedule_id=SCHEDULE),
            schedules.ApplySchedulesRequest(
                owner="walked.list", release="1", schedules=[_schedule("walked-list")], force=True
            ),
        ],
    }
    return {
        method.full_name: request
        for service, requests in by_service.items()
        for method in service.methods
        for request in requests
        if request.DESCRIPTOR is method.input_type
    }


def _chain(spec: JobSpec) -> workflows.Step:
    """A step of each kind."""
    group = workflows.Group(steps=[workflows.Step(job=spec, node_id="a", on_failure=2)])
    steps = [
        workflows.Step(group=group),
        workflows.Step(chord=workflows.Chord(header=group, body=workflows.Step(job=spec))),
    ]
    steps[1].chord.header.steps[0].node_id = "b"
    return workflows.Step(chain=workflows.Chain(steps=steps), node_id="root")


def _plain(spec: JobSpec) -> JobSpec:
    """As a hook, which has no limits that its job has."""
    return JobSpec(payload=spec.payload, options=SubmitOptions(priority=2))


def _schedule(schedule_id: str) -> schedules.Schedule:
    """All that callers write of one."""
    found = schedules.Schedule(
        schedule_id=schedule_id,
        interval=Duration(seconds=_HOUR),
        time_zone="Africa/Luanda",
        overlap=schedules.OVERLAP_POLICY_ALLOW,
        catch_up=schedules.CATCH_UP_ALL,
        max_catch_up=9,
        catchup_window=Duration(seconds=_HOUR),
        jitter=Duration(seconds=1),
        start_time=_in(hours=1),
        end_time=_in(hours=9_000),
        labels={"a": "b"},
    )
    found.spec.payload.Pack(email(variables={"name": "Ana"}))
    found.spec.options.CopyFrom(options())
    for name in ("run_time", "start_before_time", "deadline"):
        found.spec.options.ClearField(name)
    return found


def of_facade(service: ServiceDescriptor) -> Mapping[str, Message]:
    """The same for a façade: payloads with what their rules require."""
    found: dict[str, Message] = {}
    for method in service.methods:
        request: Any = GetMessageClass(method.input_type)(request_id="r", options=options())
        _fill(request.job)
        name = request.job.DESCRIPTOR.full_name.removeprefix("portaria_workers.")
        for field in _MORE.get(name, ()):
            request.job.ClearField(field)
        request.job.MergeFrom(type(request.job)(**_MORE.get(name, {})))
        request.job.SetInParent()
        if job_type_from(request.job.DESCRIPTOR).at_most_once:
            request.options.ClearField("retry")
        found[method.full_name] = request
    return found


def options() -> SubmitOptions:
    """All that a submission may say, but for what excludes another or is not served yet."""
    return SubmitOptions(
        priority=3,
        run_time=_in(hours=1),
        start_before_time=_in(hours=2),
        deadline=_in(hours=3),
        timeout=Duration(seconds=60),
        result_ttl=Duration(seconds=_HOUR),
        retry=RetryPolicy(
            max_attempts=3,
            initial_backoff=Duration(seconds=5),
            max_backoff=Duration(seconds=60),
            backoff_multiplier=2,
            jitter=0.1,
            non_retryable_reasons=["NO"],
            fixed_backoffs=[Duration(seconds=1)],
        ),
        labels={"a": "b"},
        headers={"a": "b"},
    )


def _selector(done: str) -> jobs.JobSelector:
    return jobs.JobSelector(
        job_ids=[done],
        workflow_id=NOBODY,
        types=["portaria_workers.mail.v1.SendEmail"],
        domains=["mail"],
        queues=["mail:high"],
        states=[9],
        labels={"a": "b"},
        created_after=_in(hours=-1),
        created_before=_in(hours=1),
    )


def _in(*, hours: int) -> Timestamp:
    return Timestamp(seconds=int(time.time()) + hours * _HOUR)


def _fill(message: Any) -> None:
    """Gives each field that needs one a value that its rules allow."""
    for field in message.DESCRIPTOR.fields:
        rules = field.GetOptions().Extensions[validate_pb2.field]
        if field.is_repeated:
            if rules.repeated.min_items and field.message_type is not None:
                _fill(getattr(message, field.name).add())
        elif field.type == FieldDescriptor.TYPE_STRING and (rules.required or rules.string.min_len):
            allowed = next(iter(getattr(rules.string, "in")), "x")
            setattr(message, field.name, "ana@example.com" if rules.string.email else allowed)
        elif field.type == FieldDescriptor.TYPE_UINT32 and rules.uint32.gte:
            setattr(message, field.name, rules.uint32.gte)
