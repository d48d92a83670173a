"""Watches of jobs that nobody named, against the real door."""

import json
import re
import signal
import subprocess
import sys
from datetime import timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, Fail, Noop
from portaria.client import AsyncClient, DeadlineExceeded, InvalidRequest, NotFound
from portaria.v1 import job_pb2
from stack import eventually

pytestmark = pytest.mark.usefixtures("standing_door")

SUCCEEDED = job_pb2.JOB_STATE_SUCCEEDED
SOON = timedelta(seconds=20)
UNKNOWN_ID = "0190c0de-0000-7000-8000-000000000000"


async def test_a_batch_is_watched_as_one(stack):
    """By both clients: each job's present state and changes; the end comes with the last job."""
    many = list(stack.client.submit_many(Echo(text=str(number)) for number in range(20)))
    watch = stack.client.watch(workflow_id=many[0].workflow_id, timeout=SOON)
    first = [next(watch) for _ in many]

    stack.worker("lab")
    last = {event.job_id: event.state for event in watch if event.done}

    assert {event.job_id for event in first} == {each.id for each in many}
    assert {event.WhichOneof("event") for event in first} == {"snapshot"}
    assert last == {each.id: SUCCEEDED for each in many}
    async with AsyncClient(stack.address) as client:
        again = client.watch(workflow_id=many[0].workflow_id, timeout=SOON)
        assert [event.job_id async for event in again if event.done] == [each.id for each in many]


async def test_what_jobs_have_in_common_is_watched_from_a_cursor_on(stack):
    """List, then watch: only what matches, without an end of its own."""
    cursor = stack.client.page(1).cursor
    wanted = stack.client.submit(Noop(), labels={"team": "a"})
    stack.client.submit(Noop(), labels={"team": "b"})
    typed = stack.client.submit(Echo(), labels={"team": "b"})

    by_label = stack.client.watch(labels={"team": "a"}, cursor=cursor, timeout=SOON)
    async with AsyncClient(stack.address) as client:
        by_type = client.watch(types=[Echo], cursor=cursor, timeout=SOON)
        assert (await anext(by_type)).job_id == typed.id
        await by_type.aclose()

    assert next(by_label).job_id == wanted.id
    wanted.cancel()
    assert next(by_label).done
    later = stack.client.submit(Noop(), labels={"team": "a"})
    assert next(by_label).job_id == later.id
    by_label.close()


def test_a_watch_for_ever_ends_with_its_timeout(stack):
    """And a workflow that is not there at once."""
    with pytest.raises(DeadlineExceeded, match="the selected jobs"):
        list(stack.client.watch(domains=["lab"], timeout=timedelta(milliseconds=300)))
    with pytest.raises(NotFound):
        list(stack.client.watch(workflow_id=UNKNOWN_ID))
    with pytest.raises(InvalidRequest) as refused:
        list(stack.client.watch(queues=["nonsense"]))
    assert [each.field for each in refused.value.violations] == ["selector.queues[0]"]


def test_a_command_follows_a_batch(stack):
    """A line for each change, the sum at the end, an exit code that counts."""
    good = [handle.id for handle in stack.client.submit_many([Noop(), Noop()])]
    bad = list(stack.client.submit_many([Noop(), Fail(times=1, how=Fail.HOW_PERMANENT)]))
    workflow = stack.client.get(good[0]).workflow_id
    stack.worker("lab")
    stack.client.handle(bad[1].id).wait(SOON)

    lines = _portaria(stack, "watch", "--workflow", workflow)
    as_json = _portaria(stack, "watch", "--workflow", bad[0].workflow_id, "--json")
    unknown = _portaria(stack, "watch", "--workflow", UNKNOWN_ID)
    endless = _portaria(stack, "watch", "--label", "a=b", "--timeout", "300ms")

    assert (lines.returncode, lines.stderr) == (0, "2 SUCCEEDED\n")
    assert all(job_id in lines.stdout for job_id in good)
    events = [json.loads(line) for line in as_json.stdout.splitlines()]
    assert {event["job_id"] for event in events} == {each.id for each in bad}
    assert (as_json.returncode, as_json.stderr) == (1, "1 SUCCEEDED, 1 FAILED\n")
    assert (unknown.returncode, "no such workflow" in unknown.stderr) == (2, True)
    assert (endless.returncode, "not done" in endless.stderr) == (3, True)


def test_a_command_that_is_interrupted_tells_the_sum(stack):
    """Ctrl-C is how a watch without an end of its own ends."""
    _ = stack.client
    stack.worker("lab")
    watch = stack.processes.portaria("watch", "watch", "--type", "lab.Noop")

    handles = []
    eventually(lambda: handles.append(stack.client.submit(Noop())) or "SUCCEEDED" in watch.output())
    watch.send(signal.SIGINT)

    assert watch.wait(10) == 130
    assert re.search(r"^\d+ SUCCEEDED$", watch.output(), re.MULTILINE)


def _portaria(stack, *words) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "portaria.cli.main", *words],
        env=stack.env,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
