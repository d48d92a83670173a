"""The operators' commands against the real system: output, exit codes, a terminal."""

import json
import os
import pty
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Fail, Noop, Wait
from portaria.client.states import state_name
from portaria.core.states import PRIORITIES
from stack.eventually import eventually

pytestmark = pytest.mark.usefixtures("standing_door")


def command(*words) -> list[str]:
    return [sys.executable, "-m", "portaria.cli.main", *words]


def state_of(handle):
    """Where a job stands."""
    return state_name(handle.get().state)


@pytest.fixture
def portaria(stack):
    """Runs a command to its end; answers the finished process with its output as text."""
    _ = stack.client

    def run(*words, stdin="", **env):
        return subprocess.run(
            command(*words),
            input=stdin,
            env={**stack.env, "TZ": "UTC", **env},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


def test_a_queue_is_paused_shown_and_resumed(portaria, stack):
    """Words for people, JSON for scripts, exit code 0."""
    stack.client.submit(Noop())

    paused = portaria("pause", "lab:default", "--reason", "repairs")
    table = portaria("queues")
    data = portaria("queues", "--json")
    resumed = portaria("resume", "lab:default")

    assert (paused.returncode, paused.stdout) == (0, "lab:default is paused: 1 job waits there\n")
    assert re.search(r"^lab:default +1 .* paused: repairs *$", table.stdout, re.MULTILINE)
    assert json.loads(data.stdout)[0]["pause_reason"] == "repairs"
    assert (resumed.returncode, resumed.stdout) == (0, "lab:default runs: 1 job waits there\n")


def test_a_purge_asks_first(portaria, stack):
    """No is no; --yes does not ask; --dead-letter forgets what failed."""
    handle = stack.client.submit(Noop())

    asked = portaria("purge", "lab:default", stdin="n\n")
    still_there = state_of(handle)
    done = portaria("purge", "lab:default", "--yes")
    none = portaria("purge", "lab:default", "--yes", "--older-than", "1h", "--output", "json")

    assert (asked.returncode, asked.stdout, still_there) == (130, "", "PENDING")
    assert asked.stderr.startswith("cancel what waits in lab:default? there is no way back [y/N]")
    assert (done.returncode, done.stdout) == (0, "1 job cancelled in lab:default\n")
    assert json.loads(none.stdout) == {"queue": "lab:default", "purged": 0}


def test_a_dead_letter_is_purged(portaria, stack):
    """What failed is forgotten, and counted."""
    stack.worker("lab")
    failed = stack.client.submit(Fail(times=1, how=Fail.HOW_PERMANENT))
    eventually(lambda: state_of(failed) == "FAILED")

    done = portaria("purge", "lab:default", "--dead-letter", "--yes")

    assert (done.returncode, done.stdout) == (0, "1 job forgotten in lab:default\n")
    assert portaria("jobs", "get", failed.id).returncode == 2


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("pause", "lab:low"), 2, 'cannot pause lab:low: no queue "lab:low"'),
        (("resume", "lab"), 2, "cannot resume lab:\n  name   "),
        (("purge", "LAB:low", "--yes"), 2, "cannot purge LAB:low:\n  name   "),
        (("purge", "lab:low"), 2, "there is nobody to ask: give --yes"),
        (("pause", "foo"), 2, "name   is no queue: expected DOMAIN:PRIORITY, e.g. mail:high"),
        (("purge", "lab:low", "--yes", "--older-than", "soon"), 2, '"soon" is not a duration'),
        (("queues", "--domain", "x" * 64), 2, "cannot list queues:\n  domain   "),
        (("inspect", "everything"), 2, "No such command 'everything'"),
        (("completion", "tcsh"), 2, "'tcsh' is not one of"),
    ],
)
def test_what_is_wrong_is_told_in_words(portaria, words, code, said):
    """Exit code 2, the field, and never a traceback."""
    done = portaria(*words)

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_a_door_that_is_not_there_is_exit_code_3(portaria):
    """For every command that asks it."""
    commands = (("queues",), ("workers",), ("top", "--once"), ("inspect", "ping"))

    def run(words):
        return portaria(*words, PORTARIA_ADDRESS="127.0.0.1:1")

    with ThreadPoolExecutor() as pool:  # each waits for seconds
        ended = list(pool.map(run, commands))

    for done in ended:
        assert done.returncode == 3
        assert "cannot reach the door at 127.0.0.1:1" in done.stderr


def test_where_nothing_is_it_is_said(portaria):
    """Rather than an empty table; a ping that nobody answers is exit code 3."""
    assert portaria("queues").stdout.startswith("no queue: nothing was submitted yet")
    assert portaria("workers").stdout.startswith("no worker: start one with")
    for name, words in (("active", "nothing runs"), ("scheduled", "nothing is scheduled")):
        assert portaria("inspect", name).stdout == f"{words}\n"
    ping = portaria("inspect", "ping")
    assert (ping.returncode, ping.stdout) == (3, "no worker runs\n")


def test_inspect_shows_each_aspect_of_the_workers(portaria, stack, tmp_path):
    """As tables and as JSON; under the names that Celery's users know."""
    gate = tmp_path / "gate"
    stack.worker("lab", arguments=("--name", "porter"), PORTARIA_MAX_JOBS_PER_CHILD="77")
    job = stack.client.submit(Wait(gate=str(gate)))
    eventually(lambda: state_of(job) == "RUNNING")

    def shown(name):
        done = portaria("inspect", name, "--json")
        assert done.returncode == 0
        assert "porter-1" in portaria("inspect", name).stdout
        return json.loads(done.stdout)

    (active,) = shown("active")
    assert (active["worker"], active["job_id"]) == ("porter-1", job.id)
    assert "lab.Wait" in portaria("inspect", "active").stdout
    assert "acme_jobs.lab.v1.Noop" in shown("registered")["porter-1"]
    assert shown("conf")["porter-1"]["max_jobs_per_child"] == "77"
    assert shown("ping") == {"porter-1": "pong"}
    assert shown("stats")["porter-1"]["running"] == 1
    reserved = portaria("inspect", "reserved")
    assert (reserved.returncode, reserved.stdout) == (0, "nothing is reserved\n")
    eventually(lambda: re.search(r"porter-1 +busy +lab +…", portaria("workers").stdout))
    gate.touch()


def test_what_is_not_due_is_listed_by_its_moment(portaria, stack):
    """Whatever came in first; as a table and as JSON."""
    later = stack.client.submit(Noop(), delay=timedelta(hours=2))
    sooner = stack.client.submit(Noop(), delay=timedelta(minutes=30), priority="low")
    stack.client.submit(Noop())

    table = portaria("inspect", "scheduled").stdout.splitlines()[1:]
    data = json.loads(portaria("inspect", "scheduled", "--domain", "lab", "--json").stdout)

    assert [line.split()[:3] for line in table] == [
        [sooner.id, "lab.Noop", "lab:low"], [later.id, "lab.Noop", "lab:default"],
    ]  # fmt: skip
    assert re.search(r"in (29 min \d+ s|30 min) *$", table[0])
    assert {job["job_id"] for job in data} == {sooner.id, later.id}


def test_top_prints_one_picture_where_nobody_looks(portaria, stack):
    """With --once, or into a pipe; no line is longer than the terminal is said to be."""
    stack.worker("lab", arguments=("--name", "porter"))

    for words in (("top", "--once"), ("top",)):
        done = portaria(*words, COLUMNS="100")

        assert done.returncode == 0
        lines = done.stdout.splitlines()
        assert lines[0].startswith("portaria  127.0.0.1:")
        assert all(f"lab:{each}" in done.stdout for each in PRIORITIES)
        assert "porter-1" in done.stdout
        assert max(map(len, lines)) <= 100


@pytest.mark.parametrize("key", [b"q", b"\x03"])
def test_on_a_terminal_top_is_live_until_a_key(stack, key):
    """It is drawn anew by itself; q and Ctrl-C end it with 0 and leave the terminal as it was."""
    _ = stack.client
    screen, end = pty.openpty()
    with subprocess.Popen(
        command("top", "--every", "200ms"), stdin=end, stdout=end, stderr=end,
        env={**stack.env, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "30"},
        start_new_session=True, preexec_fn=_take_terminal,
    ) as watching:  # fmt: skip
        os.close(end)
        os.set_blocking(screen, False)
        drawn = bytearray()

        def shows(*parts: str) -> bool:
            with suppress(OSError):  # nothing new, or the other end is closed
                drawn.extend(os.read(screen, 65536))
            return all(part in drawn.decode(errors="replace") for part in parts)

        eventually(lambda: shows("portaria", "no queue yet"))
        stack.client.submit(Noop())
        eventually(lambda: shows("lab:default"))
        os.write(screen, key)
        code = watching.wait(10)
        shows()
    os.close(screen)

    text = drawn.decode(errors="replace")
    assert code == 0
    assert "Traceback" not in text
    assert text.count("\x1b[?1049h") == text.count("\x1b[?1049l") == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_to_complete(portaria, shell):
    """The script names our variable; asked through it, the commands come."""
    script = portaria("completion", shell)
    asked = portaria(_PORTARIA_COMPLETE="bash_complete", COMP_WORDS="portaria wor", COMP_CWORD="1")

    assert script.returncode == 0
    assert "_PORTARIA_COMPLETE" in script.stdout
    assert set(asked.stdout.split()) == {"plain,worker", "plain,workers", "plain,workflows"}


def _take_terminal() -> None:
    """So that Ctrl-C on it reaches the process."""
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
