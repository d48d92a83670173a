"""The calling commands against the real system: output, exit codes, a terminal."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
import termios
from contextlib import ExitStack, closing, suppress

import pytest

from acme_jobs.lab.v1.lab_pb2 import Noop, Wait
from stack.eventually import eventually

pytestmark = pytest.mark.usefixtures("standing_door")


@pytest.fixture
def portaria(stack):
    """Runs a command to its end; answers the finished process with its output as text."""
    _ = stack.client

    def run(*words, stdin="", at=(), **env):
        return subprocess.run(
            [*at, *command(*words)],
            input=stdin,
            env={**stack.env, "TZ": "UTC", **env},
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


# Stdin is a terminal, or not there at all.
TERMINAL = (
    sys.executable,
    "-c",
    "import os, pty, subprocess, sys\n"
    "_, end = pty.openpty()\n"
    "sys.exit(subprocess.run(sys.argv[1:], stdin=end).returncode)",
)
CLOSED = ("sh", "-c", 'exec "$0" "$@" <&-')


def command(*words) -> list[str]:
    return [sys.executable, "-m", "portaria.cli.main", *words]


def test_bad_input_reads_as_designed(portaria):
    """Every violation with its field, the own value, the nearest right one; exit code 2."""
    done = portaria("submit", "SendEmail", "--json", '{"to": "ana@", "template": "wellcome"}')

    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == (
        "cannot submit mail.SendEmail:\n"
        '  to         "ana@" is not one e-mail address\n'
        '  template   no template "wellcome"; did you mean "welcome"?\n'
    )


def test_a_submit_answers_with_the_id_at_once(portaria):
    """As a line for people, as JSON for scripts; a repeated request id says so."""
    words = ("submit", "Echo", "--request-id", "r1", "--priority", "high", "--label", "team=a")

    first = portaria(*words, stdin='{"text": "olá"}')
    again = portaria(*words, "--output", "json", stdin='{"text": "olá"}')

    assert re.fullmatch(r"lab\.Echo [0-9a-f-]{36} in lab:high\n", first.stdout)
    answer = json.loads(again.stdout)
    assert answer["deduplicated"] is True
    assert answer["job"]["job_id"] in first.stdout


def test_a_type_without_fields_needs_no_payload(portaria):
    """At a terminal, with an empty stdin, or none; what is piped in is read all the same."""
    typed = portaria("submit", "Noop", at=TERMINAL)
    empty = portaria("submit", "Noop")
    closed = portaria("submit", "Noop", at=CLOSED)
    wrong = portaria("submit", "Noop", stdin='{"text": "olá"}')

    for done in (typed, empty, closed):
        assert re.fullmatch(r"lab\.Noop [0-9a-f-]{36} in lab:default\n", done.stdout), done.stderr
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "text   no such field" in wrong.stderr


def test_a_forgotten_payload_is_no_job(portaria):
    """Of a type with fields, though none of them is required."""
    typed, closed = (portaria("submit", "Echo", at=each) for each in (TERMINAL, CLOSED))
    empty = portaria("submit", "Echo")

    for done in (typed, closed):
        assert (done.returncode, done.stdout) == (2, "")
        assert "no payload: give --json, --file, or pipe it in" in done.stderr
    assert (empty.returncode, empty.stdout) == (2, "")
    assert empty.stderr == "cannot submit lab.Echo:\n  payload   is empty\n"


def test_lines_are_handed_in_together(portaria, stack, tmp_path):
    """Ids on stdout in the order of the lines; bad lines on stderr with their numbers, exit 2."""
    good = tmp_path / "good.jsonl"
    good.write_text("".join(f'{{"text": "{number}"}}\n' for number in range(1500)))
    mail = '{"to": "ana@example.com", "template": "welcome", "variables": {"name": "Ana"}}'
    mixed = mail + '\n\n{"to": "ana@"\n'
    mixed += '{"to": "ana@", "template": "wellcome"}\n'
    words = ("--lines", "--label", "run=7", "--request-id", "r1")

    all_good = portaria("submit", "Echo", *words, "--file", str(good))
    again = portaria("submit", "Echo", *words, "--output", "json", stdin=good.read_text())
    some_bad = portaria("submit", "SendEmail", "--lines", stdin=mixed)

    ids = all_good.stdout.split()
    first, second = (stack.client.get(ids[number]).workflow_id for number in (0, 1499))
    assert first != second
    assert (all_good.returncode, all_good.stderr) == (
        0,
        "1500 jobs handed in\n"
        f"  portaria watch --workflow {first}\n  portaria watch --workflow {second}\n",
    )
    assert again.stderr == "1500 jobs handed in\n"
    assert [json.loads(line)["job_id"] for line in again.stdout.splitlines()] == ids
    assert [key for key in ids if not stack.redis.exists(f"rq:job:{key}")] == []
    assert len(set(ids)) == 1500
    assert dict(stack.client.get(ids[0]).labels) == {"run": "7"}
    assert (some_bad.returncode, len(some_bad.stdout.split())) == (2, 1)
    assert some_bad.stderr == (
        "line 3:\n"
        "  payload   not JSON: Expecting ',' delimiter at column 14\n"
        "line 4:\n"
        '  to         "ana@" is not one e-mail address\n'
        '  template   no template "wellcome"; did you mean "welcome"?\n'
        "1 job handed in, 2 refused\n"
        f"  portaria watch --workflow {stack.client.get(some_bad.stdout.strip()).workflow_id}\n"
    )


def test_a_line_that_is_too_large_ends_nothing(portaria, tmp_path):
    """Neither above what a call of many holds, nor above what any message may be."""
    file = tmp_path / "large.jsonl"
    sizes = (9_000_000, 10, 4_000_000, 10)
    file.write_text("".join(f'{{"text": "{"x" * size}"}}\n' for size in sizes))

    done = portaria("submit", "Echo", "--lines", "--file", str(file))

    assert (done.returncode, len(done.stdout.split())) == (2, 2)
    said = "  payload   is too large for a call of many jobs, which has at most 3 MiB\n"
    assert done.stderr.startswith(
        f"line 1:\n{said}line 3:\n{said}2 jobs handed in, 2 refused\n  portaria watch --workflow "
    )


def test_a_payload_above_the_size_of_a_message_is_refused(portaria):
    """As one above its type's limit: no script repeats it."""
    done = portaria("submit", "Echo", stdin=json.dumps({"text": "x" * 9_000_000}))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "cannot submit lab.Echo:\n  payload   is larger than a call may be: 8 MiB\n"
    )


def test_lines_exclude_what_is_about_one_job(portaria):
    """A usage error that says so."""
    for words in (("--json", "{}"), ("--watch",), ("--wait",)):
        done = portaria("submit", "Echo", "--lines", *words, stdin="{}")

        assert done.returncode == 2
        assert "--lines excludes --json, --watch and --wait" in done.stderr


def test_waiting_ends_with_result_and_exit_code(portaria, stack):
    """0 with the result as JSON; 1 with the reason."""
    stack.worker("lab")

    good = portaria("submit", "Echo", "--wait", "--json", '{"text": "olá"}')
    bad = portaria("submit", "Fail", "--wait", "--json", '{"times": 1, "how": "HOW_PERMANENT"}')
    result = portaria("submit", "Echo", "--wait", "--output", "json", "--json", '{"text": "x"}')

    assert good.returncode == 0
    assert "SUCCEEDED after" in good.stdout
    assert '"text": "olá"' in good.stdout
    assert bad.returncode == 1
    assert "NO_SUCH_CUSTOMER: there is no such customer" in bad.stdout
    assert json.loads(result.stdout)["result"]["text"] == "x"


def test_without_a_terminal_a_watch_is_one_line_per_change(portaria, stack):
    """Each with its time, id, state and attempt; then the end."""
    stack.worker("lab")

    done = portaria("submit", "Fail", "--watch", "--json", '{"times": 1}')

    lines = done.stdout.splitlines()
    assert done.returncode == 0
    assert any(
        re.search(r"RETRYING +attempt 1 +next attempt .*LAB_FAILURE", line) for line in lines
    )
    assert any(re.search(r"RUNNING +attempt 2", line) for line in lines)
    assert lines[-1].startswith("SUCCEEDED after")


def test_a_timeout_stops_the_watching_not_the_job(portaria, stack, tmp_path):
    """Exit code 3, and words that say where the job stands."""
    payload = json.dumps({"gate": str(tmp_path / "gate")})

    done = portaria("submit", "Wait", "--wait", "--timeout", "200ms", "--json", payload)

    assert done.returncode == 3
    assert re.search(r"is not done \(PENDING\) after 0\.2 s", done.stderr)


def test_jobs_get_shows_a_job(portaria, stack):
    """A table for people, the whole message for scripts; an unknown id is exit code 2."""
    handle = stack.client.submit(Wait(gate="/nowhere"), labels={"team": "a"})

    table = portaria("jobs", "get", handle.id, "--full")
    data = portaria("jobs", "get", handle.id, "--full", "--output", "json")
    unknown = portaria("jobs", "get", "0190c0de-0000-7000-8000-000000000000")

    for part in (handle.id, "PENDING", "lab:default", "team=a", '"gate": "/nowhere"', "UTC"):
        assert part in table.stdout
    assert json.loads(data.stdout)["spec"]["payload"]["gate"] == "/nowhere"
    assert unknown.returncode == 2
    assert unknown.stderr.startswith("cannot show 0190c0de-0000-7000-8000-000000000000: ")


def test_a_door_that_is_not_there_is_exit_code_3(portaria):
    """With advice, and without a traceback."""
    done = portaria("jobs", "get", "x", PORTARIA_ADDRESS="127.0.0.1:1")

    assert done.returncode == 3
    assert done.stderr == (
        "cannot show x: cannot reach the door at 127.0.0.1:1\n"
        "  start one with `portaria up`, or set PORTARIA_ADDRESS\n"
    )


def test_a_watch_survives_a_killed_door_without_a_word(stack, tmp_path):
    """Nothing on stderr, the end on stdout, exit code 0."""
    door = stack.door()
    stack.worker("lab")
    gate = tmp_path / "gate"
    handle = stack.client.submit(Wait(gate=str(gate)))
    lines, errors = tmp_path / "lines", tmp_path / "errors"
    with lines.open("w") as out, errors.open("w") as err:
        watching = subprocess.Popen(
            command("watch", handle.id), stdin=subprocess.DEVNULL, stdout=out, stderr=err,
            env=stack.env,
        )  # fmt: skip
    with watching:
        eventually(lambda: "waiting" in lines.read_text())

        door.kill()
        gate.touch()
        door.start()

        assert watching.wait(20) == 0
    assert errors.read_text() == ""
    assert "SUCCEEDED after" in lines.read_text()


class Terminal:
    """A command on a terminal of its own, and all that it wrote there."""

    def __init__(self, stack, *words):
        self._screen, self._end = pty.openpty()
        os.set_blocking(self._screen, False)
        self._before = termios.tcgetattr(self._end)
        self._drawn = bytearray()
        self._process = subprocess.Popen(
            command(*words),
            stdin=self._end,
            stdout=self._end,
            stderr=self._end,
            env={**stack.env, "TERM": "xterm-256color", "COLUMNS": "100"},
        )

    def shows(self, *parts):
        return all(part in self.text for part in parts)

    @property
    def text(self) -> str:
        with suppress(BlockingIOError):  # nothing new
            while True:
                self._drawn.extend(os.read(self._screen, 65536))
        return self._drawn.decode(errors="replace")

    @property
    def is_as_it_was(self) -> bool:
        """Neither without echo nor without a cursor."""
        shown, hidden = self.text.rfind("\x1b[?25h"), self.text.rfind("\x1b[?25l")
        return termios.tcgetattr(self._end) == self._before and shown >= hidden

    def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        return self._process.wait(10)

    def close(self):
        self._process.kill()
        self._process.wait()
        os.close(self._screen)
        os.close(self._end)


@pytest.fixture
def on_terminal(stack):
    """Starts a command on a terminal."""
    with ExitStack() as terminals:
        yield lambda *words: terminals.enter_context(closing(Terminal(stack, *words)))


def test_on_a_terminal_a_watch_is_a_bar_and_ctrl_c_is_quiet(stack, on_terminal, tmp_path):
    """Drawn while it runs; interrupted it ends with 130 and without a traceback."""
    gate = tmp_path / "gate"
    handle = stack.client.submit(Wait(gate=str(gate)))
    stack.worker("lab")
    terminal = on_terminal("watch", handle.id)

    eventually(lambda: terminal.shows("RUNNING", "━", "waiting"))
    code = terminal.interrupt()
    gate.touch()  # so that the worker stops at once

    assert code == 130
    assert not terminal.shows("Traceback")
    assert terminal.is_as_it_was


def test_on_a_terminal_ctrl_c_is_the_end_of_an_endless_watch(stack, on_terminal):
    """The last line is the sum; nothing else is left behind."""
    client = stack.client
    stack.worker("lab")
    terminal = on_terminal("watch", "--domain", "lab")

    handles = []
    eventually(lambda: handles.append(client.submit(Noop())) or terminal.shows("SUCCEEDED"))
    code = terminal.interrupt()

    assert code == 130
    assert re.search(r"\r\n\r\n\d+ SUCCEEDED\r\n\Z", terminal.text)
    assert not terminal.shows("Traceback")
    assert terminal.is_as_it_was
