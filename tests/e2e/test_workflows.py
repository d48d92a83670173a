"""The workflows that people write first, from the SDK through real processes to their results."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import pytest
from google.protobuf.message import Message

from acme_jobs.office.v1.office_pb2 import (
    BatchStarted,
    BotResult,
    Completion,
    ExecuteBot,
    GenerateReport,
    ItemDone,
    NotifyCompletion,
    PrepareData,
    PreparedData,
    ProcessBatch,
    ProcessData,
    ProcessDocument,
    ProcessItem,
    Report,
)
from portaria.client import Client, Handle, WorkflowHandle, chain, chord, group, step
from portaria.client.states import state_name
from portaria.v1.job_pb2 import Job
from portaria.v1.workflows_pb2 import Workflow
from stack import Stack

SOON = timedelta(seconds=30)
Result = TypeVar("Result", bound=Message)

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def client(stack: Stack) -> Client:
    """Of a door with a worker that runs three jobs at a time."""
    stack.door()
    stack.worker("office", concurrency=3)
    return stack.client


def succeeded(handle: WorkflowHandle) -> Workflow:
    """The workflow at its end."""
    found = handle.wait(SOON)
    assert state_name(found.state) == "SUCCEEDED", found
    return found


def result(handle: Handle[Message], kind: type[Result]) -> Result:
    """What a job returned."""
    found = handle.result(SOON)
    assert isinstance(found, kind)
    return found


def test_each_step_receives_the_result_of_the_one_before(client: Client) -> None:
    """prepare → process → report."""
    handle = client.submit_workflow(
        chain(
            step(PrepareData(figures=[3, 1, 2]), node="prepare"),
            step(ProcessData(), node="process"),
            step(GenerateReport(title="May"), node="report"),
        )
    )

    succeeded(handle)

    assert list(result(handle.job("prepare"), PreparedData).figures) == [1, 2, 3]
    assert result(handle.job("report"), Report).text == "May: 3 figures, 6 in all"


def test_three_bots_run_at_the_same_time(client: Client, tmp_path: Path) -> None:
    """None of them would end without the others."""
    bots = ["bot1", "bot2", "bot3"]
    handle = client.submit_workflow(
        group(
            step(ExecuteBot(bot_id=each, folder=str(tmp_path), bots=3), node=each) for each in bots
        )
    )

    succeeded(handle)

    found = [result(handle.job(each), BotResult) for each in bots]
    assert found == [BotResult(bot_id=each, status="success") for each in bots]


@pytest.mark.parametrize("count", [1, 300])
def test_one_notification_follows_many_documents(client: Client, count: int) -> None:
    """It has the results of all, in their order."""
    documents = [ProcessDocument(document_id=number) for number in range(1, count + 1)]
    handle = client.submit_workflow(
        chord(documents, step(NotifyCompletion(), node="notify")), labels={"team": "documents"}
    )

    found = succeeded(handle)

    completion = result(handle.job("notify"), Completion)
    assert list(completion.document_ids) == list(range(1, count + 1))
    assert found.progress.total == count + 1
    notified = list(client.list(types=[NotifyCompletion], labels={"team": "documents"}))
    assert len(notified) == 1


def test_a_notification_tells_of_documents_that_failed(client: Client) -> None:
    """Where their steps say so; otherwise it never comes, and a retry is of what failed only."""
    ids = (1, 0, 2)
    told = client.submit_workflow(
        chord(
            [step(ProcessDocument(document_id=each), on_failure="continue") for each in ids],
            step(NotifyCompletion(), node="notify"),
        )
    )
    strict = client.submit_workflow(
        chord([ProcessDocument(document_id=each) for each in ids], NotifyCompletion())
    )

    succeeded(told)

    completion = result(told.job("notify"), Completion)
    assert list(completion.document_ids) == [1, 2]
    assert list(completion.failures) == ["NO_SUCH_DOCUMENT"]
    assert state_name(strict.wait(SOON).state) == "FAILED"
    assert state_name(strict.job("0.1").get().state) == "CANCELLED"
    again = strict.retry()
    assert state_name(again.wait(SOON).state) == "FAILED"
    begun = [each for each in jobs_of(client, again) if each.attempt]
    assert [state_name(each.state) for each in begun] == ["FAILED"]


def test_a_batch_knows_the_ids_of_its_jobs(client: Client) -> None:
    """A job hands in one for each item; what it belongs to waits for them all."""
    items = [f"item {number}" for number in range(25)]
    handle = client.submit_workflow(ProcessBatch(batch_id="b1", items=items))

    found = succeeded(handle)

    started = result(handle.job("0"), BatchStarted)
    assert (started.batch_id, started.total_items) == ("b1", 25)
    assert (found.progress.current, found.progress.total) == (26, 26)
    children = client.get_many(started.job_ids)
    assert {each.workflow_id for each in children.values()} == {handle.workflow_id}
    assert [result(client.handle(each), ItemDone).item for each in started.job_ids] == items


def test_a_batch_that_is_handed_in_whole_has_one_id(client: Client) -> None:
    """Counts, progress, one stream and a wait for all of it."""
    jobs = list(client.submit_many(ProcessItem(item=str(number)) for number in range(25)))
    handle = client.workflow(jobs[0].workflow_id)

    ends = {event.job_id for event in handle.watch(timeout=SOON) if event.done}
    found = succeeded(handle)

    assert ends == {each.id for each in jobs}
    assert (found.batch, found.progress.current, found.progress.total) == (True, 25, 25)
    assert [(state_name(each.state), each.count) for each in found.counts] == [("SUCCEEDED", 25)]


def jobs_of(client: Client, handle: WorkflowHandle) -> list[Job]:
    """All of them."""
    return list(client.list(workflow_id=handle.workflow_id))
