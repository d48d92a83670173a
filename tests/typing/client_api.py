"""What mypy knows about the client. Checked, never run."""

from collections.abc import AsyncGenerator, Generator
from datetime import timedelta
from typing import assert_type

from google.protobuf.message import Message

from portaria.client import AsyncClient, AsyncHandle, Client, Handle, JobFailed
from portaria.v1.job_pb2 import Failure, Job
from portaria.v1.jobs_service_pb2 import JobEvent
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
    client.submit(SendEmail(), priority="urgent")  # type: ignore[arg-type]
    client.submit({"to": "ana@example.com"})  # type: ignore[arg-type]
    handle.wait(10)  # type: ignore[arg-type]


async def async_calls(client: AsyncClient) -> None:
    """The client for asyncio, with the same names."""
    handle = await client.submit(SendEmail(to="ana@example.com"), delay=timedelta(minutes=1))
    assert_type(handle, AsyncHandle[Message])
    assert_type(await handle.get(full=True), Job)
    assert_type(await handle.wait(), Job)
    assert_type(await handle.result(), Message)
    assert_type(handle.watch(), AsyncGenerator[JobEvent, None])


def errors(error: JobFailed) -> None:
    """What a failed job tells."""
    assert_type(error.job, Job)
    assert_type(error.failure, Failure)
    assert_type(error.reason, str)
