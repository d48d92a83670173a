"""Workflows by the SDK, against the real door and a real worker."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from acme_jobs.lab.v1.lab_pb2 import Echo, Fail, Noop, Wait
from portaria.client import (
    AsyncClient,
    DeadlineExceeded,
    InvalidRequest,
    NotFound,
    NotRetryable,
    RequestIdReused,
    Step,
    WorkflowHandle,
    WorkflowNotFound,
    chain,
    chord,
    group,
    step,
)
from portaria.client.states import state_name
from portaria.v1.job_pb2 import Failure, RetryPolicy, SubmitOptions
from portaria.v1.jobs_service_pb2 import JobEvent
from portaria.v1.workflows_pb2 import Workflow
from stack import Stack, eventually

pytestmark = pytest.mark.usefixtures("standing_door")

SOON = timedelta(seconds=20)
UNKNOWN_ID = "0190c0de-0000-7fff-8000-000000000000"
ONCE = RetryPolicy(max_attempts=1)


def states(found: Workflow) -> dict[str, str]:
    """Of each node by its name."""
    return {each.node_id: state_name(each.state) for each in found.nodes}


def needs(gate: Path, log: Path, node: str) -> Step:
    """A job that fails after a second unless the gate is open."""
    options = SubmitOptions(timeout=Duration(seconds=1), retry=ONCE)
    return step(Wait(gate=str(gate), log=str(log)), node=node, options=options)


def lines(path: Path) -> int:
    """How often a job began."""
    return len(path.read_text().splitlines()) if path.exists() else 0


def follow(handle: WorkflowHandle) -> tuple[list[JobEvent], threading.Thread]:
    """Watches in a thread; answers the growing list of events."""
    told: list[JobEvent] = []

    def collect() -> None:
        told.extend(iter(handle.watch(timeout=SOON)))

    watcher = threading.Thread(target=collect, daemon=True)
    watcher.start()
    return told, watcher


def test_steps_run_one_after_the_other_and_side_by_side(stack: Stack) -> None:
    """Each job's result is found by the name of its node, or by its place."""
    stack.worker("lab")
    root = chain(
        step(Echo(text="first"), node="first"),
        group(Echo(text=f"part {each}") for each in range(3)),
        chord([Noop(), Noop()], step(Echo(text="last"), node="last")),
    )

    handle = stack.client.submit_workflow(root, labels={"team": "billing"})
    found = handle.wait(SOON)

    assert (state_name(found.state), found.done) == ("SUCCEEDED", True)
    assert (found.progress.current, found.progress.total) == (7, 7)
    assert dict(found.labels) == {"team": "billing"}
    assert handle.job("first").result().text == "first"
    assert [handle.job(f"0.1.{each}").result().text for each in range(3)] == [
        "part 0", "part 1", "part 2",
    ]  # fmt: skip
    full = stack.client.workflow(handle.workflow_id).get(nodes=True)
    assert set(states(full).values()) == {"SUCCEEDED"}
    assert [each.node_id for each in full.nodes] == [
        "0", "first", "0.1", "0.1.0", "0.1.1", "0.1.2",
        "0.2", "0.2.0", "0.2.0.0", "0.2.0.1", "last",
    ]  # fmt: skip
    job = handle.job("last").get()
    assert (job.workflow_id, job.node_id) == (handle.workflow_id, "last")
    assert job.labels["team"] == "billing"


def test_what_follows_waits(stack: Stack) -> None:
    """Only the entry of a chain may run."""
    handle = stack.client.submit_workflow(chain(Noop(), group(Noop(), Noop()), Noop()))

    found = handle.get(nodes=True)

    assert (state_name(found.state), found.done) == ("RUNNING", False)
    jobs = [state_name(each.state) for each in found.nodes if each.job_id]
    assert jobs == ["PENDING", "BLOCKED", "BLOCKED", "BLOCKED"]


def test_a_failed_step_is_seen_and_a_retry_completes_it(stack: Stack, tmp_path: Path) -> None:
    """A watcher is told what failed and what will never run; what was done does not run again."""
    gate, log = tmp_path / "gate", tmp_path / "log"
    done, ran = tmp_path / "done", tmp_path / "ran"
    done.touch()
    handle = stack.client.submit_workflow(
        chain(needs(done, ran, "first"), needs(gate, log, "middle"), step(Echo(), node="last"))
    )
    told, watcher = follow(handle)
    stack.worker("lab")
    watcher.join(20)

    failed = handle.wait(SOON)
    ends = {each.job_id: each for each in told if each.done}
    by_node = {each.node_id: ends[each.job_id] for each in handle.get(nodes=True).nodes[1:]}
    assert state_name(failed.state) == "FAILED"
    assert failed.cause_job_id == handle.job("middle").id
    assert {name: state_name(each.state) for name, each in by_node.items()} == {
        "first": "SUCCEEDED", "middle": "FAILED", "last": "CANCELLED",
    }  # fmt: skip
    last = handle.job("last").get().last_failure
    assert (last.kind, last.reason) == (Failure.KIND_DEPENDENCY, "DEPENDENCY_FAILED")
    assert last.cause_job_id == failed.cause_job_id

    gate.touch()
    again = handle.retry()

    assert state_name(again.wait(SOON).state) == "SUCCEEDED"
    assert (lines(ran), lines(log)) == (1, 2)
    assert again.get().retried_from == handle.workflow_id
    assert handle.get().retried_as == again.workflow_id
    with pytest.raises(NotRetryable):
        handle.retry()
    with pytest.raises(NotRetryable):
        again.retry()


def test_a_retry_under_one_request_id_makes_one_workflow(stack: Stack) -> None:
    """As a repeated submit."""
    stack.worker("lab")
    handle = stack.client.submit_workflow(Fail(times=9, how=Fail.HOW_PERMANENT))
    handle.wait(SOON)

    one = handle.retry(request_id="again")

    assert handle.retry(request_id="again").workflow_id == one.workflow_id


def test_a_workflow_is_cancelled_as_a_whole(stack: Stack, tmp_path: Path) -> None:
    """What waits at once, what runs by force."""
    stack.worker("lab")
    log = tmp_path / "log"
    stubborn = Wait(gate=str(tmp_path / "never"), log=str(log), swallow=True, stubborn=True)
    handle = stack.client.submit_workflow(chain(stubborn, group(Noop(), Noop()), Noop()))
    eventually(log.exists)

    assert handle.cancel("enough", force=True) >= 1

    found = handle.wait(SOON)
    assert state_name(found.state) == "CANCELLED"
    ends = {state_name(each.state) for each in handle.get(nodes=True).nodes if each.job_id}
    assert ends == {"CANCELLED"}
    assert handle.job("0.0").get().cancel_reason == "enough"
    assert handle.cancel() == 0


def test_a_cancel_asks_until_nothing_is_left(stack: Stack) -> None:
    """A call acts on a thousand jobs at most."""
    handle = stack.client.submit_workflow(group(Noop() for _ in range(1_050)))

    assert handle.cancel() == 1_050
    assert handle.get().done


def test_a_watch_goes_on_over_a_kill_of_the_door(stack: Stack, tmp_path: Path) -> None:
    """Every end is told once, and the wait ends."""
    door = stack.door()
    stack.worker("lab")
    gate, log = tmp_path / "gate", tmp_path / "log"
    handle = stack.client.submit_workflow(
        chain(Wait(gate=str(gate), log=str(log)), group(Noop(), Noop()), Noop())
    )
    told, watcher = follow(handle)
    waited: list[Workflow] = []
    waiter = threading.Thread(target=lambda: waited.append(handle.wait(SOON)), daemon=True)
    waiter.start()
    eventually(lambda: log.exists() and told)

    door.kill()
    gate.touch()
    door.start()
    watcher.join(20)
    waiter.join(20)

    ends = [each.job_id for each in told if each.done]
    jobs = [each.job_id for each in handle.get(nodes=True).nodes if each.job_id]
    assert sorted(ends) == sorted(jobs)
    assert [state_name(each.state) for each in waited] == ["SUCCEEDED"]


def test_workflows_are_listed(stack: Stack) -> None:
    """The newest first, batches among them; by label, and those that are open."""
    client = stack.client
    one = client.submit_workflow(chain(Noop(), Noop()), labels={"team": "a"})
    two = client.submit_workflow(group(Noop(), Noop()), labels={"team": "b"})
    batch = next(client.submit_many([Noop(), Noop()]))
    two.cancel()

    def listed(**said: object) -> list[str]:
        return [each.workflow_id for each in client.list_workflows(**said)]  # type: ignore[arg-type]

    assert listed() == [batch.workflow_id, two.workflow_id, one.workflow_id]
    assert listed(labels={"team": "a"}) == [one.workflow_id]
    assert listed(only_open=True) == [batch.workflow_id, one.workflow_id]
    found = client.workflow(batch.workflow_id).get()
    assert (found.batch, found.progress.total) == (True, 2)


def test_a_submit_is_made_once(stack: Stack) -> None:
    """By its request_id; other content under it is refused."""
    client = stack.client

    one = client.submit_workflow(chain(Noop(), Noop()), request_id="r1")
    same = client.submit_workflow(chain(Noop(), Noop()), request_id="r1")

    assert (one.deduplicated, same.deduplicated) == (False, True)
    assert one.workflow_id == same.workflow_id
    with pytest.raises(RequestIdReused):
        client.submit_workflow(chain(Noop(), Echo()), request_id="r1")


def test_what_is_only_checked_is_not_there(stack: Stack) -> None:
    """No id, and nothing in the list."""
    handle = stack.client.submit_workflow(chain(Noop(), Noop()), validate_only=True)

    assert handle.workflow_id == ""
    assert list(stack.client.list_workflows()) == []


@pytest.mark.parametrize(
    ("root", "path"),
    [
        (lambda: chain(), "root.chain.steps"),
        (lambda: chain(Noop(), Echo(text="x" * 300_001)), "root.chain.steps[1].job.payload"),
        (lambda: group(step(Noop(), node="a"), step(Noop(), node="a")), "root.group.steps[1]."),
        (
            lambda: chain(Noop(), step(Echo(), bind={"text": "nobody.text"})),
            "root.chain.steps[1].bindings[0]",
        ),
        (
            lambda: chain(Noop(), step(Echo(), bind={"text": "0.0.text"})),
            "root.chain.steps[1].bindings[0]",
        ),
    ],
)
def test_what_is_wrong_is_told_with_its_path(
    stack: Stack, root: Callable[[], Message], path: str
) -> None:
    """And nothing is written."""
    with pytest.raises(InvalidRequest) as refused:
        stack.client.submit_workflow(root())

    assert refused.value.violations[0].field.startswith(path)
    assert list(stack.client.list_workflows()) == []


def test_what_is_not_there_is_not_found(stack: Stack) -> None:
    """A workflow, and a node of one."""
    nobody = stack.client.workflow(UNKNOWN_ID)
    handle = stack.client.submit_workflow(chain(step(Noop(), node="a"), Noop()))

    for call in (nobody.get, nobody.wait, nobody.retry, lambda: nobody.job("a")):
        with pytest.raises(WorkflowNotFound):
            call()
    with pytest.raises(NotFound, match="no such workflow"):
        next(nobody.watch())
    with pytest.raises(NotFound, match='has no job "b"'):
        handle.job("b")
    with pytest.raises(NotFound, match='has no job "0"'):
        handle.job("0")


def test_limits_of_time(stack: Stack, tmp_path: Path) -> None:
    """The caller's, and the workflow's own."""
    stack.worker("lab")
    gate = str(tmp_path / "never")
    handle = stack.client.submit_workflow(
        chain(Wait(gate=gate), Noop()), deadline=datetime.now(UTC) + timedelta(seconds=2)
    )

    with pytest.raises(DeadlineExceeded, match=r"is not done after 0\.3 s"):
        handle.wait(timedelta(seconds=0.3))

    assert state_name(handle.wait(SOON).state) == "FAILED"


def test_hooks_are_jobs(stack: Stack) -> None:
    """Each is submitted by the end or the retry that it is for."""
    stack.worker("lab")
    bad, again = Fail(times=9, how=Fail.HOW_PERMANENT), Fail(times=1)

    stack.client.submit(bad, on_success=Echo(text="no"), on_failure=Echo(text="bad"))
    stack.client.submit(again, on_success=Echo(text="good"), on_retry=Echo(text="again"))

    eventually(lambda: echoed(stack) == ["again", "bad", "good"])


def test_hooks_of_a_workflow(stack: Stack) -> None:
    """By the end of its last job."""
    stack.worker("lab")
    bad = Fail(times=9, how=Fail.HOW_PERMANENT)
    good, no = Echo(text="good"), Echo(text="no")

    stack.client.submit_workflow(chain(Noop(), Noop()), on_success=good, on_failure=no)
    stack.client.submit_workflow(chain(Noop(), bad), on_success=no, on_failure=Echo(text="bad"))

    eventually(lambda: echoed(stack) == ["bad", "good"])


def echoed(stack: Stack) -> list[str]:
    """What the hooks said."""
    done = stack.client.list(types=[Echo], states=["SUCCEEDED"])
    return sorted(stack.client.handle(each.job_id).result().text for each in done)


async def test_the_async_client_has_the_same_names(stack: Stack, tmp_path: Path) -> None:
    """And the same answers."""
    stack.door()
    stack.worker("lab")
    gate, log = tmp_path / "gate", tmp_path / "log"
    async with AsyncClient(stack.address) as client:
        handle = await client.submit_workflow(
            chain(step(Echo(text="a"), node="a"), needs(gate, log, "b")), labels={"team": "a"}
        )
        ends = [event.job_id async for event in handle.watch(timeout=SOON) if event.done]
        assert state_name((await handle.wait(SOON)).state) == "FAILED"
        assert len(ends) == 2
        assert (await (await handle.job("a")).result()).text == "a"
        gate.touch()
        again = await handle.retry()
        assert state_name((await again.wait(SOON)).state) == "SUCCEEDED"
        assert await again.cancel() == 0
        assert len((await again.get(nodes=True)).nodes) == 3
        found = [each.workflow_id async for each in client.list_workflows(labels={"team": "a"})]
        assert found == [again.workflow_id, handle.workflow_id]
        with pytest.raises(WorkflowNotFound):
            await client.workflow(UNKNOWN_ID).get()
        with pytest.raises(NotFound):
            await handle.job("nobody")
