"""Logs: JSON lines for machines, on stderr; the level holds; exceptions stay on one line."""

from __future__ import annotations

import io
import json
import logging
import os
import select
import signal
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from portaria import logs
from portaria.runtime.streams import Lines


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Logging of the test process is not ours to keep."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged; nothing may be on stdout."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]


def test_a_line_is_json_with_its_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Message, level, moment, and whatever varies."""
    logs.configure(style="json")

    logs.logger(worker="ana").info("job finished", job_id="0192", seconds=0.5)

    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "job finished", "level": "info", "worker": "ana", "job_id": "0192",
        "seconds": 0.5,
    }  # fmt: skip


def test_no_terminal_means_json(capsys: pytest.CaptureFixture[str]) -> None:
    """auto, as in a container."""
    logs.configure(style="auto")

    logs.logger().info("ready")

    assert lines(capsys)[0]["event"] == "ready"


def test_a_terminal_gets_words(capsys: pytest.CaptureFixture[str]) -> None:
    """The message and its fields, for people."""
    logs.configure(style="pretty")

    logs.logger().warning("redis is away", since="12:00")

    shown = capsys.readouterr().err
    assert "redis is away" in shown
    assert "since=12:00" in shown
    assert not shown.startswith("{")


@pytest.mark.parametrize(
    ("level", "said"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_the_level_holds(capsys: pytest.CaptureFixture[str], level: str, said: list[str]) -> None:
    """What is below it is not said."""
    logs.configure(level=level, style="json")
    log = logs.logger()

    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("x")

    assert [line["level"] for line in lines(capsys)] == said


def test_an_exception_is_a_field_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Its traceback is no second line."""
    logs.configure(style="json")

    try:
        raise ValueError("wrong\nin two lines")
    except ValueError:
        logs.logger().exception("failed")

    (line,) = lines(capsys)
    assert "ValueError: wrong\nin two lines" in line["exception"]


def test_a_field_cannot_forge_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Line breaks, quotes and odd values of callers stay within their field."""
    logs.configure(style="json")
    odd = 'x"}\n{"event":"forged"} \u2028 é'

    logs.logger().info("job refused", reason=odd, raw=b"\xff", thing=object)

    (line,) = lines(capsys)
    assert (line["event"], line["reason"]) == ("job refused", odd)


def test_libraries_speak_in_the_same_form(capsys: pytest.CaptureFixture[str]) -> None:
    """Their warnings; what they say at info is for nobody, unless everything was asked for."""
    logs.configure(style="json")
    library = logging.getLogger("some.library")

    library.info("chatter")
    library.warning("pool of %s is full", 3)

    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("pool of 3 is full", "warning")

    logs.configure(level="debug", style="json")
    library.info("chatter")
    assert lines(capsys)[0]["event"] == "chatter"


def test_what_is_bound_once_is_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Ids of a request or a job, by contextvars."""
    logs.configure(style="json")
    with structlog.contextvars.bound_contextvars(request="r1"):
        logs.logger().info("one")
        logging.getLogger("some.library").warning("two")

    assert [line["request"] for line in lines(capsys)] == ["r1", "r1"]


def test_a_closed_stream_takes_everything() -> None:
    """Lines are lost there, and nobody who logs is told."""
    stream = io.StringIO()
    logs.configure(style="json", stream=stream)
    log, library = logs.logger(), logging.getLogger("some.library")
    log.info("before")
    stream_was = stream.getvalue()

    stream.close()
    log.error("after")
    library.warning("after")

    assert json.loads(stream_was)["event"] == "before"


def test_what_cannot_be_shown_costs_its_fields_only(capsys: pytest.CaptureFixture[str]) -> None:
    """Neither a value whose repr() raises nor arguments that do not fit reach who logs."""
    logs.configure(style="json")

    logs.logger().warning("odd", value=Speechless())
    logging.getLogger("some.library").warning("%s of %s", 1)
    logging.getLogger("some.library").warning("%d", Speechless())
    logging.getLogger("some.library").warning(Speechless())

    assert [(line["event"], line["level"]) for line in lines(capsys)] == [
        ("odd", "warning"), ("%s of %s", "warning"), ("%d", "warning"),
        ("Speechless", "warning"),
    ]  # fmt: skip


def test_lines_of_many_threads_stay_whole() -> None:
    """Though each is written in pieces."""
    reader, writer = os.pipe()
    logs.configure(style="json", stream=Lines(writer))
    log, padding = logs.logger(), "x" * (2 * select.PIPE_BUF)

    threads = [
        threading.Thread(target=log.info, args=(str(number),), kwargs={"x": padding})
        for number in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os.close(writer)
    with open(reader) as file:
        said = [json.loads(line) for line in file]

    assert sorted(line["event"] for line in said) == ["0", "1", "2", "3"]


@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_a_fork_logs_though_a_thread_was_logging() -> None:
    """Its copy of the lock is held by a thread that it has not."""
    stream = Standing()
    logs.configure(style="json", stream=stream)
    thread = threading.Thread(target=logs.logger().info, args=("stands",))
    thread.start()
    stream.entered.wait()

    fork = os.fork()
    if fork == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        stream.go.set()
        logs.logger().info("of the fork")
        os._exit(0)
    _, status = os.waitpid(fork, 0)
    stream.go.set()
    thread.join()

    assert status == 0


class Standing(io.StringIO):
    """A stream whose reader stands still until it may go."""

    def __init__(self) -> None:
        super().__init__()
        self.entered, self.go = threading.Event(), threading.Event()

    def write(self, text: str, /) -> int:
        self.entered.set()
        self.go.wait()
        return super().write(text)


class Speechless:
    """Has no words."""

    def __repr__(self) -> str:
        raise ValueError("no words")


def test_configuring_twice_doubles_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    """`rq worker` sets logging up before us."""
    logging.getLogger().addHandler(logging.StreamHandler())
    logs.configure(style="json")
    logs.configure(style="json")

    logging.getLogger("x").warning("once")

    assert len(lines(capsys)) == 1
