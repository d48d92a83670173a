"""`portaria jobs list` and `portaria types`, and the client's lists, against the real system."""

import asyncio
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, Fail, Noop
from portaria.client import AsyncClient, InvalidRequest
from portaria.client.states import state_name
from portaria.v1.job_pb2 import PENDING_REASON_NO_WORKER
from stack.eventually import eventually

pytestmark = pytest.mark.usefixtures("standing_door")


@pytest.fixture
def portaria(stack):
    """Runs a command to its end; answers the finished process with its output as text."""
    _ = stack.client

    def run(*words, **env):
        return subprocess.run(
            [sys.executable, "-m", "portaria.cli.main", *words],
            env={**stack.env, "TZ": "UTC", **env},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


def shown(done) -> list[str]:
    """The ids in a table, after its header."""
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()[1:]]


# --- commands -------------------------------------------------------------------------------------


def test_jobs_are_listed_for_people_and_for_scripts(portaria, stack):
    """A table, the newest first; with --json one object a line."""
    first = stack.client.submit(Noop(), labels={"team": "billing"})
    second = stack.client.submit(Echo(text="a"), priority="low")
    # Who works is looked up once a second.
    eventually(lambda: second.get().pending_reason == PENDING_REASON_NO_WORKER)

    table, lines = portaria("jobs", "list"), portaria("jobs", "list", "--json")

    assert shown(table) == [second.id, first.id]
    assert "no worker serves its queue" in table.stdout
    jobs = [json.loads(line) for line in lines.stdout.splitlines()]
    assert [job["job_id"] for job in jobs] == [second.id, first.id]
    assert jobs[0]["pending_reason"] == "PENDING_REASON_NO_WORKER"


def test_each_option_selects(portaria, stack):
    """They are ANDed; names of types in short, states in any case."""
    stack.worker("lab")
    failed = stack.client.submit(Fail(times=1, how=Fail.HOW_PERMANENT), labels={"team": "billing"})
    done = stack.client.submit(Echo(text="a"), labels={"team": "billing", "site": "1"})
    eventually(lambda: state_name(failed.get().state) == "FAILED")
    eventually(lambda: state_name(done.get().state) == "SUCCEEDED")

    for words, expected in (
        (("--state", "failed"), [failed.id]),
        (("--state", "FAILED", "--state", "SUCCEEDED"), [done.id, failed.id]),
        (("--type", "Echo"), [done.id]),
        (("--type", "lab.Fail", "--state", "succeeded"), []),
        (("--queue", "lab:default", "--oldest-first"), [failed.id, done.id]),
        (("--label", "team=billing", "--label", "site=1"), [done.id]),
        (("--since", "1h", "--domain", "lab"), [done.id, failed.id]),
        (("--older-than", "1h"), []),
        (("--workflow", "none"), []),
    ):
        found = portaria("jobs", "list", *words)
        if expected:
            assert shown(found) == expected
        else:
            assert found.stdout == "no such job\n"


def test_types_of_other_teams_are_known_by_the_door(portaria, stack):
    """In short, though this machine's PORTARIA_JOBS has them not; to make one it must."""
    job = stack.client.submit(Noop())
    mine = {"PORTARIA_JOBS": "portaria_workers"}

    for name in ("lab.Noop", "Noop"):
        assert shown(portaria("jobs", "list", "--type", name, **mine)) == [job.id]
    watched = portaria("watch", "--type", "lab.Noop", "--timeout", "300ms", **mine)
    unknown = portaria("jobs", "list", "--type", "lab.Nop", **mine)
    made = portaria("submit", "lab.Noop", **mine)

    assert (watched.returncode, "not done" in watched.stderr) == (3, True)
    assert unknown.returncode == made.returncode == 2
    assert 'no job type "lab.Nop"; did you mean "lab.Noop"? (known: ' in unknown.stderr
    assert 'no job type "lab.Noop"' in made.stderr
    assert "\n  not in PORTARIA_JOBS: " in made.stderr


def test_a_limit_is_told(portaria, stack):
    """Where there is more than is shown."""
    made = [stack.client.submit(Noop()).id for _ in range(3)]

    some, all_of_them = portaria("jobs", "list", "--limit", "2"), portaria("jobs", "list")

    assert (shown(some), shown(all_of_them)) == (made[:0:-1], made[::-1])
    assert some.stderr == "and more: --limit shows more than 2\n"
    assert all_of_them.stderr == ""
    assert len(portaria("jobs", "list", "--json", "--limit", "1").stdout.splitlines()) == 1


def test_without_jobs_it_is_said(portaria):
    """And nothing at all as JSON."""
    assert portaria("jobs", "list").stdout == "no job\n"
    assert portaria("jobs", "list", "--json").stdout == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--state", "WAITING"), "'WAITING' is not one of"),
        (("--type", "Nothing"), 'no job type "Nothing"'),
        (("--label", "team"), '"team" is not KEY=VALUE'),
        (("--since", "soon"), '"soon" is not a duration'),
        (("--limit", "0"), "0 is not in the range"),
        (("--queue", "mail"), "cannot list jobs:\n  selector.queues[0]   is no queue: expected"),
    ],
)
def test_what_is_wrong_is_told_in_words(portaria, words, said):
    """Exit code 2, and never a traceback."""
    done = portaria("jobs", "list", *words)

    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_types_say_whether_anybody_serves_them(portaria, stack):
    """Within seconds after a worker begins."""
    before = portaria("types", "--domain", "lab")
    stack.worker("lab")

    def served() -> bool:
        found = json.loads(portaria("types", "--json").stdout)
        return {each["domain"] for each in found if each.get("served")} == {"lab"}

    eventually(served)
    after = portaria("types")

    assert " none" in before.stdout
    assert "lab.Noop" in before.stdout
    assert "mail.SendEmail" in after.stdout
    assert all(" yes " in f"{line} " for line in after.stdout.splitlines() if "lab." in line)
    assert portaria("types", "--domain", "nobody").stdout == "no job type of nobody\n"


def test_a_door_that_is_not_there_is_exit_code_3(portaria):
    """For each of them."""

    def run(words):
        return portaria(*words, PORTARIA_ADDRESS="127.0.0.1:1")

    with ThreadPoolExecutor() as pool:  # each waits for seconds
        ended = list(pool.map(run, (("jobs", "list"), ("types",))))

    assert [done.returncode for done in ended] == [3, 3]


# --- the client -----------------------------------------------------------------------------------


def test_the_client_reads_many_jobs(stack):
    """By their ids, and every page of a list; lazily."""
    client = stack.client
    made = [client.submit(Noop(), labels={"half": str(n % 2)}).id for n in range(450)]

    odd = client.list(labels={"half": "1"}, types=[Noop], oldest_first=True)
    page = client.page(10, types=[Noop])
    second = client.page(10, types=[Noop], token=page.next_page_token)

    assert list(client.get_many([*made, made[0]])) == made
    assert client.get_many([made[0], "01a1fcc2-a861-73b1-9d91-194f6edc5d17"]).keys() == {made[0]}
    assert next(odd).job_id == made[1]
    assert [job.job_id for job in odd] == made[3::2]
    assert [job.job_id for job in (*page.jobs, *second.jobs)] == made[::-1][:20]
    assert page.cursor == second.cursor
    assert client.get_many([]) == {}
    with pytest.raises(InvalidRequest, match=r"page_token"):
        client.page(10, token=page.next_page_token)


def test_jobs_too_large_for_one_answer_are_asked_for_in_parts(stack):
    """Nobody needs to know how much a message may hold."""
    made = [stack.client.submit(Echo(text="x" * 250_000)).id for _ in range(40)]

    found = stack.client.get_many(made, full=True)

    assert list(found) == made
    assert all(job.spec.HasField("payload") for job in found.values())
    assert [job.job_id for job in stack.client.list(full=True)] == made[::-1]


def test_the_asyncio_client_reads_the_same(stack):
    """Under the same names."""
    made = [stack.client.submit(Noop()).id for _ in range(3)]

    async def reading():
        async with AsyncClient(stack.client.address) as client:
            return (
                list(await client.get_many(made)),
                [job.job_id async for job in client.list(oldest_first=True)],
                [job.job_id for job in (await client.page(2)).jobs],
                {each.type for each in await client.job_types("lab")},
                {file.name for file in (await client.descriptors("lab")).file},
            )

    many, listed, page, types, files = asyncio.run(reading())

    assert many == listed == made
    assert page == made[:0:-1]
    assert types == {each.type for each in stack.client.job_types("lab")}
    assert files == {file.name for file in stack.client.descriptors("lab").file}
    assert "acme_jobs/lab/v1/lab.proto" in files


def test_what_the_wire_could_not_carry_is_refused_by_the_client(stack):
    """With its path."""
    with pytest.raises(InvalidRequest, match=r"selector\.states"):
        next(stack.client.list(states=["WAITING"]))
    with pytest.raises(InvalidRequest, match="page_size"):
        stack.client.page(-1)
