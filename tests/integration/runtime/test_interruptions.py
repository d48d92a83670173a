"""The soft timeout may strike anywhere in a handler's thread: nothing of ours stays broken."""

from __future__ import annotations

import subprocess
import sys
from types import FrameType
from typing import Any

import pytest
from redis import Redis

from integration.runtime import alarm_storm
from portaria.jobs import SoftTimeout
from portaria.store import calls
from portaria.store.wire import Target, Wire
from portaria.up.redis_server import RedisServer


def test_progress_logs_and_asking_live_on_after_alarms_within_them(
    redis_server: RedisServer,
) -> None:
    """Hundreds of alarms in tight loops, each at another place; no answer is another question's."""
    ended = subprocess.run(
        [sys.executable, alarm_storm.__file__, redis_server.url],
        stderr=subprocess.PIPE,
        timeout=40,
        check=False,
        text=True,
    )

    lines = ended.stderr.splitlines()
    assert ended.returncode == 0, lines[-1]
    assert [line for line in lines if '"event": "last"' in line] == lines[-2:]


def test_an_alarm_before_a_broken_connection_is_closed_mixes_up_no_answers(redis: Redis) -> None:
    """The answer that came too late is never taken for that of the next question."""
    wire = Wire(Target.of(redis), patience=0.1)
    assert wire.run(calls.progress("0192", "t", b"")) == "lost"
    redis.client_pause(5000, all=False)
    _strike_in(Wire.close)
    try:
        with pytest.raises(SoftTimeout):
            wire.run(calls.progress("0192", "t", b""))
    finally:
        sys.settrace(None)
        redis.client_unpause()

    answer = wire.run(calls.effect("0192", "t", "check", "k"))
    wire.close()

    assert answer == ("lost", "")


def _strike_in(function: Any) -> None:
    """SoftTimeout once, as soon as this thread calls a function."""

    def trace(frame: FrameType, _event: str, _argument: object) -> None:
        if frame.f_code is function.__code__:
            sys.settrace(None)
            raise SoftTimeout

    sys.settrace(trace)
