"""Moving, cancelling, retrying and deleting jobs, by the SDK and by the command."""

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, Fail, Noop, Wait
from portaria.client import AlreadyBegun, AsyncClient, InvalidRequest, NotFound, NotRetryable
from portaria.client.states import state_name
from stack.eventually import eventually

pytestmark = pytest.mark.usefixtures("standing_door")

UNKNOWN_ID = "0190c0de-0000-7000-8000-000000000000"
SOON = timedelta(seconds=20)


def state(client, job_id: str) -> str:
    return state_name(client.get(job_id).state)


def test_a_client_moves_cancels_retries_and_deletes(stack):
    """Against the real door, with a real worker at the end."""
    client = stack.client
    one, two, three = (client.submit(Echo(text=each), labels={"n": each}) for each in "abc")

    moved = client.update(one.id, priority="low", run_time=datetime(2000, 1, 1, tzinfo=UTC))
    one.cancel("no more")
    count = client.cancel(types=[Echo], labels={"n": "b"}, reason="nor that")

    assert (moved.queue, count) == ("lab:low", 1)
    assert [client.get(each.id).cancel_reason for each in (one, two)] == ["no more", "nor that"]
    assert client.cancel(one.id, two.id, three.id, UNKNOWN_ID) == 1
    stack.worker("lab")
    copies = client.retry(domains=["lab"], states=["CANCELLED"])
    assert [each.job_id for each in copies] == [one.id, two.id, three.id]
    assert client.handle(copies[1].new_job_id).result(SOON).text == "b"
    eventually(lambda: all(client.get(each.new_job_id).done for each in copies))
    assert client.delete(types=["acme_jobs.lab.v1.Echo"]) == 6
    with pytest.raises(NotFound):
        one.get()


def test_a_running_job_is_killed_by_force(stack, tmp_path):
    """Its handler waits for ever."""
    stack.worker("lab")
    handle = stack.client.submit(Wait(gate=str(tmp_path / "never")))
    eventually(lambda: state(stack.client, handle.id) == "RUNNING")

    handle.cancel("enough", force=True)

    job = handle.wait(SOON)
    assert (state_name(job.state), job.cancel_reason) == ("CANCELLED", "enough")


async def test_the_async_client_has_the_same_names(stack):
    """And the same answers."""
    _ = stack.client
    async with AsyncClient(stack.address) as client:
        one, two = [await client.submit(Noop(), labels={"a": "1"}) for _ in range(2)]

        assert (await client.update(one.id, priority="high")).queue == "lab:high"
        await one.cancel("no more")
        assert await client.cancel(labels={"a": "1"}) == 1
        first = await client.retry(one.id, request_id="r1")
        assert first == await client.retry(one.id, request_id="r1")
        assert await client.delete(one.id, two.id) == 2


async def test_a_client_asks_until_nothing_is_left(stack):
    """A call acts on a thousand jobs at most."""
    assert len(list(stack.client.submit_many(Noop() for _ in range(1_050)))) == 1_050

    assert stack.client.cancel(types=[Noop]) == 1_050
    async with AsyncClient(stack.address) as client:
        assert await client.delete(types=[Noop]) == 1_050


def test_errors_are_those_of_the_door(stack):
    """Of a call, and of each item."""
    client = stack.client
    done, waits = client.submit(Noop()), client.submit(Noop())
    done.cancel()

    with pytest.raises(AlreadyBegun, match="the job is CANCELLED"):
        client.update(done.id, priority="low")
    with pytest.raises(NotFound):
        client.update(UNKNOWN_ID, priority="low")
    for call in (client.cancel, client.retry, client.delete):
        with pytest.raises(InvalidRequest, match="selector: selects nothing"):
            call()
    first, second, third = client.retry(waits.id, UNKNOWN_ID, done.id)
    assert [type(each.error) for each in (first, second)] == [NotRetryable, NotFound]
    assert (third.error, third.new_job_id != "") == (None, True)


@pytest.fixture
def portaria(stack):
    """Runs `portaria jobs …` to its end."""
    _ = stack.client

    def run(*words, stdin=""):
        return subprocess.run(
            [sys.executable, "-m", "portaria.cli.main", "jobs", *words],
            input=stdin, env={**stack.env, "TZ": "UTC"}, capture_output=True, text=True,
            timeout=30, check=False,
        )  # fmt: skip

    return run


def test_jobs_cancel(portaria, stack):
    """By ids at once; by what they have in common after a question."""
    one, two, three = (stack.client.submit(Noop(), labels={"n": each}) for each in "abc")

    named = portaria("cancel", one.id, "--reason", "no more")
    asked = portaria("cancel", "--type", "Noop", "--label", "n=b", stdin="n\n")
    nobody = portaria("cancel", "--type", "Noop", "--label", "n=b")
    selected = portaria("cancel", "--type", "Noop", "--label", "n=b", "--yes")
    again = portaria("cancel", one.id, "--json")
    unknown = portaria("cancel", three.id, UNKNOWN_ID)

    assert (named.returncode, named.stdout) == (0, "1 job cancelled\n")
    assert (asked.returncode, asked.stdout) == (130, "")
    assert "cancel every job that these options select? [y/N]" in asked.stderr
    assert (nobody.returncode, nobody.stdout) == (2, "")
    assert "there is nobody to ask: give --yes" in nobody.stderr
    assert (selected.returncode, selected.stdout) == (0, "1 job cancelled or asked to end\n")
    assert (again.returncode, json.loads(again.stdout)) == (0, {"cancelled": 0})
    assert (unknown.returncode, unknown.stdout) == (2, "1 of 2 jobs cancelled\n")
    assert unknown.stderr == f"{UNKNOWN_ID}: no such job, or it was purged\n"
    assert [state(stack.client, each.id) for each in (one, two, three)] == ["CANCELLED"] * 3
    assert json.loads(portaria("get", one.id, "--json").stdout)["job_id"] == one.id
    shown = portaria("get", one.id).stdout
    assert re.search(r"^cancelled +no more *$", shown, re.MULTILINE)


def test_jobs_cancel_of_what_runs(portaria, stack):
    """What is only asked to end, or being killed, is not called cancelled."""
    stack.worker("lab")
    stubborn = Wait(gate=str(stack.folder / "gate"), swallow=True, stubborn=True)
    running, waiting = stack.client.submit(stubborn), stack.client.submit(Noop(), delay=SOON)
    eventually(lambda: state(stack.client, running.id) == "RUNNING")

    asked = portaria("cancel", running.id, waiting.id)
    again = portaria("cancel", running.id)
    killed = portaria("cancel", running.id, "--force")

    assert (asked.returncode, asked.stdout) == (0, "1 job cancelled, 1 asked to end\n")
    assert (again.returncode, again.stdout) == (0, "0 of 1 jobs cancelled\n")
    assert again.stderr == f"{running.id}: was asked to end before; --force kills it\n"
    assert (killed.returncode, killed.stdout, killed.stderr) == (0, "1 job being killed\n", "")
    eventually(lambda: state(stack.client, running.id) == "CANCELLED")
    shown = portaria("get", running.id, "--full").stdout
    assert "CANCELLED: killed: it was cancelled with force" in shown
    assert " ok" not in shown


def test_jobs_retry(portaria, stack):
    """A line for each; what cannot be is on stderr, and makes exit code 2."""
    stack.worker("lab")
    bad = stack.client.submit(Fail(times=1, how=Fail.HOW_PERMANENT))
    bad.wait(SOON)

    done = portaria("retry", bad.id, "--priority", "low")
    again = portaria("retry", bad.id)
    data = portaria("retry", bad.id, "--json")
    nothing = portaria("retry", "--label", "no=such", "--yes")

    assert done.returncode == 0
    new_id = re.fullmatch(rf"{bad.id} is handed in again as (\S+)\n", done.stdout)[1]
    assert stack.client.get(new_id).queue == "lab:low"
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr == f"cannot retry {bad.id}: the job was handed in again already\n"
    assert json.loads(data.stdout)[0]["reason"] == "NOT_RETRYABLE"
    assert (nothing.returncode, nothing.stdout) == (0, "no job to retry\n")


def test_jobs_delete(portaria, stack):
    """What is done; what waits stays."""
    one, two = stack.client.submit(Noop()), stack.client.submit(Noop())
    one.cancel()

    done = portaria("delete", one.id, two.id)
    unknown = portaria("delete", UNKNOWN_ID, two.id.upper())
    data = portaria("delete", "--domain", "lab", "--yes", "--output", "json")

    assert (done.returncode, done.stdout) == (0, "1 of 2 jobs deleted\n")
    assert done.stderr == f"{two.id}: is PENDING: only what is done is deleted\n"
    assert (unknown.returncode, unknown.stdout) == (2, "0 of 2 jobs deleted\n")
    assert unknown.stderr == f"{UNKNOWN_ID}: no such job, or it was purged\n{done.stderr}"
    assert json.loads(data.stdout) == {"deleted": 0}
    assert state(stack.client, two.id) == "PENDING"


def test_jobs_update(portaria, stack):
    """Shows the job as it is then."""
    handle = stack.client.submit(Noop())

    put_off = portaria("update", handle.id, "--delay", "1h", "--priority", "high")
    data = portaria("update", handle.id, "--at", "2000-01-01T00:00:00+00:00", "--json")
    nothing = portaria("update", handle.id)
    handle.cancel()
    late = portaria("update", handle.id, "--priority", "low")

    assert put_off.returncode == 0
    assert re.search(r"SCHEDULED.*lab:high", put_off.stdout, re.DOTALL)
    assert json.loads(data.stdout)["job_id"] == handle.id
    assert nothing.returncode == 2
    assert "give a priority, a run_time, or both" in nothing.stderr
    assert (late.returncode, late.stderr) == (
        2, f"cannot update {handle.id}: the job is CANCELLED\n",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cancel",), "name jobs: by ID, or by --type"),
        (("delete", "--yes"), "name jobs: by ID, or by --type"),
        (("cancel", "x"), "is not a UUID"),
        (("cancel", "--state", "DEAD"), "'DEAD' is not one of"),
        (("cancel", "--type", "Nop", "--yes"), "Noop"),
        (("delete", "--queue", "lab:*", "--yes"), "selector.queues[0]"),
        (("update", "x", "--delay", "1h", "--at", "2000-01-01T00:00:00Z"), "--delay excludes --at"),
    ],
)
def test_wrong_usage_is_exit_code_2(portaria, words, said):
    """With words, and without a traceback."""
    done = portaria(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "Traceback" not in done.stderr
