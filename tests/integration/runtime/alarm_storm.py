"""A program: lets alarms strike while it reports, logs or asks, then looks whether all still work.

    alarm_storm.py URL_OF_REDIS

Ends with 0, or says what is dead.
"""

from __future__ import annotations

import itertools
import logging
import sys
import threading
from collections.abc import Callable
from contextlib import suppress

from redis import Redis

from portaria import logs
from portaria.jobs import SoftTimeout
from portaria.runtime.alarm import Alarm
from portaria.runtime.reporter import Reporter
from portaria.runtime.streams import Lines
from portaria.store import calls
from portaria.store.wire import Target, Wire

ALARMS = 300
SECONDS = 5.0


def storm(alarm: Alarm, action: Callable[[], object]) -> None:
    """Each alarm strikes a few microseconds later than the one before."""
    for number in range(ALARMS):
        with suppress(SoftTimeout):
            alarm.arm(0.001 + number * 0.000_003)
            for _ in itertools.repeat(None):
                action()
        alarm.disarm()


def questions(wire: Wire) -> Callable[[], None]:
    """Asks with two answers in turn, for one of which it does not wait."""
    number = itertools.count()

    def ask() -> None:
        turn = next(number) % 3
        operation, expected = (("check", "lost"), ("done", "ok"), ("check", ""))[turn]
        answers = wire.ask([calls.effect("0192", "t", operation, "k", "1")])
        if expected:
            [(word, _)] = answers()
            assert word == expected, f"the answer of another question: {word}"

    return ask


def in_time(action: Callable[[], object]) -> bool:
    """Whether another thread can still do it."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(SECONDS)
    return not thread.is_alive()


def main(url: str) -> str:
    """What is dead afterwards; "" where all lives."""
    alarm = Alarm()
    logs.configure(style="json", stream=Lines(2))
    library, log = logging.getLogger("some.library"), logs.logger(job_id="0192")
    told = threading.Event()
    # No such job is held: each answer is "lost", and so is heard.
    reporter = Reporter(
        Target.of(Redis.from_url(url)), lambda hold, _: told.set() if hold[0] == "last" else None
    )
    storm(alarm, lambda: reporter.report("0192", "t", b""))
    reporter.report("last", "t", b"")
    if not told.wait(SECONDS):
        return "progress"
    wire = Wire(Target.of(Redis.from_url(url)))
    storm(alarm, questions(wire))
    wire.close()
    storm(alarm, lambda: log.warning("on and on"))
    storm(alarm, lambda: library.warning("on and on"))
    for name, action in {"ours": log.warning, "libraries'": library.warning}.items():
        if not in_time(lambda action=action: action("last")):  # type: ignore[misc]
            return f"{name} logs"
    return ""


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]) or 0)
