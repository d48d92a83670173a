"""The tables of queues and workers, and the picture of `portaria top`."""

import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from rich.console import Console

from portaria.cli.screens import brief, queues_table, queues_text, share, size, workers_table
from portaria.cli.watching_all import Overview
from portaria.core.errors import StoreUnavailable
from portaria.v1.admin_service_pb2 import Queue, Worker

ALL = [f"mail:{priority}" for priority in ("critical", "high", "default", "low")]


def drawn(renderable, width=100) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(renderable)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.fixture
def queues() -> list[Queue]:
    waiting = Queue(name="mail:high", depth=1_234_567, running=4, dead=3, workers=4)
    waiting.oldest_age.FromTimedelta(timedelta(hours=2, minutes=4))
    paused = Queue(
        name="documents:default",
        depth=2,
        paused=True,
        workers=1,
        pause_reason="storage is\x1b[31m being moved to another place, back by six, sorry",
    )
    lonely = Queue(name="erp:low", depth=1, scheduled=20)
    return [waiting, paused, lonely, Queue(name="mail:low", workers=4)]  # fmt: skip


@pytest.fixture
def workers(at) -> list[Worker]:
    busy = Worker(
        name="a-machine-with-a-long-name.example.mail.abc123-1", queues=ALL,
        state=Worker.STATE_BUSY, running_job_ids=["0190c0de-0000-7000-8000-000000abcdef"],
        reserved_job_ids=["x", "y"], cpu_percent=12.6, rss_bytes=61 * 2**20, succeeded=20_431,
        failed=2, start_time=at(-7_300),
    )  # fmt: skip
    busy.busy_time.FromTimedelta(timedelta(seconds=3_650))
    return [busy, Worker(name="eva", queues=["lab:low"], state=Worker.STATE_LOST)]


def test_a_line_for_each_queue(queues):
    """Aligned, no line wraps at a hundred columns, and no word moves the cursor."""
    lines = drawn(queues_table(queues))

    assert len(lines) == 5
    assert all(len(line) <= 100 for line in lines)
    header, first, second, third, _ = lines
    assert header.split() == [
        *("queue", "waiting", "oldest", "running", "scheduled", "dead", "workers"),
    ]
    assert first.split() == ["mail:high", "1,234,567", "2", "h", "4", "min", "4", "0", "3", "4"]
    assert "paused: storage is [31m" in second
    assert second.endswith("…")
    assert third.endswith("no worker")
    assert {line.index("mail") for line in lines if "mail" in line} == {0}


def test_a_line_for_each_worker(workers, noon):
    """The end of a long name, the queues in short, the job that runs and how many more it holds."""
    lines = drawn(workers_table(workers, noon))

    assert len(lines) == 3
    assert all(len(line) <= 100 for line in lines)
    assert "mail.abc123-1" in lines[1]
    for part in (" busy ", " mail ", "abcdef +2", "13 %", "61 MiB", "20,431", "50 %", "2 h"):
        assert part in lines[1]
    assert lines[2].split()[:3] == ["eva", "lost", "lab:low"]


@pytest.mark.parametrize("width", [60, 80, 100, 160])
def test_the_whole_picture_fits(queues, workers, width):
    """One line each, however narrow."""
    lines = drawn(overview(queues, workers).picture(), width)

    assert len(lines) == 3 + 5 + 1 + 3 + 1
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("height", [16, 24, 30])
def test_on_a_low_terminal_what_is_quiet_is_left_out(height):
    """What waits, and who works, is there in its order; how many are not is said."""
    queues = [Queue(name=f"q{number:02}:low", workers=1) for number in range(40)]
    queues[7].depth, queues[30].paused = 5, True
    workers = [Worker(name=f"w{number:02}", state=Worker.STATE_IDLE) for number in range(40)]
    workers[33].state = Worker.STATE_BUSY

    lines = drawn(overview(queues, workers).picture(height))

    text = "\n".join(lines)
    assert len(lines) <= height
    assert all(name in text for name in ("q07:low", "q30:low", "w33"))
    assert "more queues" in text
    assert "more workers" in text
    names = re.findall(r"^q\d\d", text, re.MULTILINE)
    assert names == sorted(names)


def test_a_line_sums_up(queues, workers):
    """What waits, runs and failed, and who is busy; jobs a second from the second look on."""
    top = overview(queues, workers)
    sums = drawn(top.picture())[1]
    workers[0].succeeded += 50
    top._clock.seconds += 2
    top.look()

    assert "1,234,570 waiting   4 running   20 scheduled   3 dead   1 of 1 workers busy" in sums
    assert "jobs/s" not in sums
    assert "25 jobs/s" in drawn(top.picture())[1]


def test_without_anything_it_says_so():
    """Not an empty screen."""
    text = "\n".join(drawn(overview([], []).picture()))

    assert "no queue yet" in text
    assert "no worker runs" in text


def test_where_the_door_is_away_the_last_picture_stays(queues, workers):
    """With words about it, until it is back."""
    top = overview(queues, workers)
    top._client.error = StoreUnavailable("the store is unavailable")

    top.try_to_look()
    away = "\n".join(drawn(top.picture()))
    top._client.error = None
    top.try_to_look()

    assert "as it was: the store is unavailable" in away
    assert "mail:high" in away
    assert "as it was" not in "\n".join(drawn(top.picture()))


@pytest.mark.parametrize(
    ("queues", "text"),
    [
        (ALL, "mail"),
        (["lab:low", "lab:high"], "lab:low,high"),
        ([*ALL, "lab:low"], "mail lab:low"),
        ([], ""),
    ],
)
def test_queues_in_short(queues, text):
    """A domain stands for all of its queues."""
    assert queues_text(queues) == text


def test_figures_for_people():
    """Two digits or so."""
    spans = (5, 61, 3_599, 7_300, 200_000)
    assert [brief(timedelta(seconds=each)) for each in spans] == [
        "5 s", "1 min", "59 min", "2 h", "2 d",
    ]  # fmt: skip
    assert (size(0), size(1500 * 2**20)) == ("", "1,500 MiB")
    assert share(timedelta(seconds=5), timedelta()) == ""


class _Watch:
    """A clock that stands."""

    def __init__(self, moment) -> None:
        self.moment, self.seconds = moment, 100.0

    def now(self):
        return self.moment

    def monotonic(self) -> float:
        return self.seconds


class _Answers:
    """Answers what it was given, in the place of a door."""

    address = "127.0.0.1:50051"

    def __init__(self, queues, workers) -> None:
        self._queues, self._workers, self.error = queues, workers, None

    def queues(self, domain):
        if self.error:
            raise self.error
        return self._queues

    def workers(self, domain):
        return self._workers


def overview(queues, workers) -> Overview:
    clock = _Watch(datetime(2026, 11, 4, 12, tzinfo=UTC))
    top = Overview(_Answers(queues, workers), "", clock)
    top.look()
    return top
