"""A handler's exceptions in words that can be sent, whatever they are."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest

from portaria.jobs import JobError, RetryLater
from portaria.runtime.outcome import Run, failed, failure_of
from portaria.v1.job_pb2 import Failure, RetryPolicy


class Mute(Exception):
    """Its text raises, and not even an Exception."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


class Bare(JobError):
    """Never told its base anything."""

    def __init__(self) -> None:
        Exception.__init__(self, "bare")


class Rude(JobError):
    """With a reason that no message takes."""

    reason = b"\xff"  # type: ignore[assignment] # the point

    def __init__(self) -> None:
        Exception.__init__(self, "rude")


def raised(error: BaseException) -> Failure:
    """What is told of it."""
    try:
        raise error
    except BaseException as caught:
        return Failure.FromString(failure_of(caught).SerializeToString())


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (ValueError("plain"), "VALUE_ERROR", "plain"),
        (ValueError("a\ud800b\0"), "VALUE_ERROR", "a\\ud800b\0"),
        (ValueError("x" * 10_000), "VALUE_ERROR", "x" * 1000),
        (Mute(), "MUTE", "Mute, which has no text"),
        (Bare(), "BARE", "bare"),
        (Rude(), "RUDE", "rude"),
        (JobError("NO_STOCK", "none left"), "NO_STOCK", "none left"),
    ],
)
def test_every_exception_has_a_reason_and_a_text(
    error: BaseException, reason: str, message: str
) -> None:
    """And where it was raised, however long its text is."""
    failure = raised(error)

    assert (failure.reason, failure.message) == (reason, message)
    assert "in raised" in failure.traceback
    assert len(failure.traceback) <= 8000


@pytest.mark.parametrize(
    ("asked", "wait"),
    [
        (timedelta(seconds=5), 5_000),
        (timedelta(seconds=-5), 0),
        (timedelta.max, 3660 * 86_400_000),
        ("tomorrow", 0),
    ],
)
def test_later_is_a_moment_that_calendars_know(asked: timedelta, wait: int) -> None:
    """Neither before now nor beyond what a Timestamp holds."""
    run = Run(namespace="default", job_id="j", token="t", failures=0, retry=RetryPolicy())
    error = RetryLater(timedelta())
    error.delay = asked

    assert failed(run, error, rng=Random(1)).wait_ms == wait


def test_warnings_are_bounded() -> None:
    """A hundred of them, in words that JSON and protobuf take."""
    run = Run(namespace="default", job_id="j", token="t", failures=0, retry=RetryPolicy())

    kept = failed(run, ValueError(), rng=Random(1), warnings=["\ud800"] * 1000).warnings

    assert kept.count(b"ud800") == 100
    assert b'"\\ud800"' not in kept
