"""What mypy knows about the client. Checked, never run."""

from collections.abc import AsyncGenerator, Generator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import assert_type

from google.protobuf.message import Message

from portaria.client import (
    AsyncClient,
    AsyncHandle,
    AsyncWorkflowHandle,
    Client,
    Handle,
    JobFailed,
    Retried,
    Step,
    Tls,
    WorkflowHandle,
    chain,
    chord,
    group,
    step,
)
from portaria.v1.job_pb2 import Failure, Job, JobSpec, SubmitOptions
from portaria.v1.jobs_service_pb2 import JobEvent, JobTypeInfo, ListJobsResponse
from portaria.v1.schedules_service_pb2 import Schedule
from portaria.v1.workflows_pb2 import Workflow
from portaria_workers.mail.v1.mail_pb2 import SendEmail


def calls(client: Client) -> None:
    """The blocking client."""
    handle = client.submit(SendEmail(to="ana@example.com"), priority="high")
    assert_type(handle, Handle[Message])
    assert_type(handle.id, str)
    assert_type(handle.get(), Job)
    assert_type(handle.wait(timedelta(seconds=1)), Job)
    assert_type(handle.result(), Message)
    assert_type(handle.watch(), Generator[JobEvent, None, None])
    assert_type(client.watch("a", "b", cursor="c"), Generator[JobEvent, None, None])
    assert_type(client.watch(workflow_id="w"), Generator[JobEvent, None, None])
    client.watch(types=[SendEmail], domains=["mail"], queues=["mail:high"], labels={"a": "b"})
    client.watch(states=["FAILED"])  # type: ignore[call-arg]
    assert_type(client.submit_many([SendEmail()]), Generator[Handle[Message], None, None])
    client.submit_many((SendEmail(), SubmitOptions()) for _ in range(3))
    client.submit_many(SendEmail())  # type: ignore[arg-type]
    client.submit(SendEmail(), priority="urgent")  # type: ignore[arg-type]
    client.submit({"to": "ana@example.com"})  # type: ignore[arg-type]
    handle.wait(10)  # type: ignore[arg-type]
    assert_type(client.update("a", priority="low"), Job)
    assert_type(client.cancel("a", "b", reason="r", force=True), int)
    assert_type(client.retry(types=[SendEmail], states=["FAILED"]), list[Retried])
    assert_type(client.delete(labels={"team": "a"}), int)
    handle.cancel("no more")
    client.cancel(label={"team": "a"})  # type: ignore[call-arg]


def schedules(client: Client) -> None:
    """Periodic work."""
    every = timedelta(minutes=5)
    assert_type(client.schedules.create("a", SendEmail(), cron="0 2 * * *"), Schedule)
    client.schedules.create("a", SendEmail(), every=every, overlap="allow", catch_up="all")
    client.schedules.create("a", SendEmail(), every=5)  # type: ignore[arg-type]
    client.schedules.create("a", SendEmail(), overlap="never")  # type: ignore[arg-type]
    client.schedules.create("a", SendEmail(), con="0 2 * * *")  # type: ignore[call-arg]
    client.schedules.create("a", cron="0 2 * * *")  # type: ignore[call-arg]
    assert_type(client.schedules.update("a", cron="0 3 * * *", clear=["end_time"]), Schedule)
    assert_type(client.schedules.trigger("a"), Handle[Message])
    assert_type(client.schedules.preview(cron="0 2 * * *").times, Sequence[datetime])
    client.schedules.pause("a")  # type: ignore[call-arg]


def workflows(client: Client) -> None:
    """Steps, and what a workflow in hand tells."""
    mail, due = SendEmail(to="ana@example.com"), datetime(2026, 5, 1, tzinfo=UTC)
    first = step(mail, node="first", on_failure="continue", bind={"to": "0.email"}, priority="low")
    assert_type(first, Step)
    assert_type(chain(first, mail), Step)
    assert_type(group(mail, [mail, first], (mail for _ in range(3)), node="many"), Step)
    assert_type(chord([mail], mail, on_failure="allow"), Step)
    step(mail, on_failure="ignore")  # type: ignore[arg-type]
    step(mail, on_failure=mail)  # type: ignore[arg-type]
    step(mail, bind=["to"])  # type: ignore[arg-type]
    chain({"to": "ana@example.com"})  # type: ignore[dict-item]
    chord([mail])  # type: ignore[call-arg]
    handle = client.submit_workflow(chain(first, mail), on_failure=mail, deadline=due)
    assert_type(handle, WorkflowHandle)
    assert_type(handle.workflow_id, str)
    assert_type(handle.get(nodes=True), Workflow)
    assert_type(handle.wait(timedelta(seconds=1)), Workflow)
    assert_type(handle.watch(), Generator[JobEvent, None, None])
    assert_type(handle.cancel("no more", force=True), int)
    assert_type(handle.retry(), WorkflowHandle)
    assert_type(handle.job("first"), Handle[Message])
    assert_type(client.workflow("w"), WorkflowHandle)
    assert_type(client.list_workflows(only_open=True), Generator[Workflow, None, None])
    client.submit(mail, on_success=mail, on_retry=JobSpec())


def reading(client: Client) -> None:
    """Many jobs at once, pages of a search, and job types."""
    assert_type(client.get_many(["a", "b"], full=True), dict[str, Job])
    listing = client.list(types=[SendEmail, "a.v1.B"], states=["FAILED"], oldest_first=True)
    assert_type(listing, Generator[Job, None, None])
    assert_type(client.page(10, token="t", labels={"team": "billing"}), ListJobsResponse)
    assert_type(client.job_types("mail"), Sequence[JobTypeInfo])
    client.list(state="FAILED")  # type: ignore[call-arg]


async def async_reading(client: AsyncClient) -> None:
    """The same for asyncio."""
    assert_type(await client.get_many(["a", "b"]), dict[str, Job])
    assert_type(client.list(queues=["mail:high"]), AsyncGenerator[Job, None])
    assert_type(await client.page(workflow_id="w"), ListJobsResponse)
    assert_type(await client.job_types(), Sequence[JobTypeInfo])


async def async_calls(client: AsyncClient) -> None:
    """The client for asyncio, with the same names."""
    handle = await client.submit(SendEmail(to="ana@example.com"), delay=timedelta(minutes=1))
    assert_type(handle, AsyncHandle[Message])
    assert_type(await handle.get(full=True), Job)
    assert_type(await handle.wait(), Job)
    assert_type(await handle.result(), Message)
    assert_type(handle.watch(), AsyncGenerator[JobEvent, None])
    assert_type(client.watch(workflow_id="w"), AsyncGenerator[JobEvent, None])
    client.watch(created_after=None)  # type: ignore[call-arg]
    many = client.submit_many([SendEmail()])
    assert_type(many, AsyncGenerator[AsyncHandle[Message], None])


async def async_acting(client: AsyncClient) -> None:
    """What is done to jobs, for asyncio."""
    assert_type(await client.update("a", priority="low"), Job)
    assert_type(await client.cancel("a", domains=["mail"]), int)
    assert_type(await client.retry("a", request_id="r"), list[Retried])
    assert_type(await client.delete("a"), int)
    await client.handle("a").cancel(force=True)


async def async_workflows(client: AsyncClient) -> None:
    """The same for asyncio."""
    handle = await client.submit_workflow(chain(SendEmail()), labels={"team": "a"})
    assert_type(handle, AsyncWorkflowHandle)
    assert_type(await handle.wait(), Workflow)
    assert_type(handle.watch(), AsyncGenerator[JobEvent, None])
    assert_type(await handle.retry(), AsyncWorkflowHandle)
    assert_type(await handle.job("0.0"), AsyncHandle[Message])
    assert_type(client.list_workflows(labels={"team": "a"}), AsyncGenerator[Workflow, None])


def tls() -> None:
    """Certificates."""
    Client("door.example:50051", tls=Tls(ca_file="ca.pem"))
    AsyncClient(tls=Tls(ca_file=Path("ca.pem"), cert_file="a.pem", key_file="a.key"))
    Client(tls=True)  # type: ignore[arg-type]


def errors(error: JobFailed) -> None:
    """What a failed job tells."""
    assert_type(error.job, Job)
    assert_type(error.failure, Failure)
    assert_type(error.reason, str)
