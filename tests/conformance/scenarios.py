"""What becomes of a job by what its handler does and how it was handed in: one table for all.

A scenario speaks to a Client only, so that it can be played on a real system and on an eager one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from acme_jobs.lab.v1.lab_pb2 import Append, Charge, Echo, Fail, Noop, Steps
from portaria.client import Client, Handle
from portaria.client.requests import duration
from portaria.v1.job_pb2 import Failure, Job, JobState, RetryPolicy, SubmitOptions

WITHIN = timedelta(seconds=40)
"""By when each must be done, on a busy machine."""
_SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a caller sees of a job, from its submission to its end."""

    states: str
    attempt: int
    failures: int = 0
    failure: str = ""
    """Kind and reason of the last one."""
    result: str = ""
    progress: tuple[int, int] | None = None
    fields: frozenset[str] = frozenset()
    """What is set in the finished job, beside what every job has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One job."""

    payload: Callable[[Path], Message]
    options: Callable[[datetime], Mapping[str, Any]] = field(default=lambda _: {})
    """By the moment of the submission: what Client.submit takes."""
    seen: Seen

    def submit(self, client: Client, folder: Path, now: datetime) -> Handle[Message]:
        """Hands it in."""
        folder.mkdir()
        return client.submit(self.payload(folder), **self.options(now))


def watch(client: Client, handle: Handle[Message]) -> Seen:
    """Follows a job to its end."""
    assert handle.submitted is not None
    cursor = handle.submitted.cursor
    watched = client.watch(handle.id, cursor=cursor, timeout=WITHIN)
    events = [event for event in watched if event.HasField("state_change")]
    for event in events:
        change, state = event.state_change, _name(event.state)
        assert change.HasField("failure") == (state in ("RETRYING", "FAILED"))
        assert change.HasField("next_attempt_time") == (state == "RETRYING")
    job = handle.get(full=True)
    _check_attempts(job, retried=sum(_name(event.state) == "RETRYING" for event in events))
    failure = job.last_failure
    kind = Failure.Kind.Name(failure.kind).removeprefix("KIND_")
    return Seen(
        states=" ".join(
            _name(state) for state in (handle.submitted.state, *(event.state for event in events))
        ),
        attempt=job.attempt,
        failures=job.failures,
        failure=f"{kind} {failure.reason}" if job.HasField("last_failure") else "",
        result=str(handle.result()).strip().replace("\n", " ") if job.HasField("result") else "",
        progress=_figures(job),
        fields=frozenset(each.name for each, _ in job.ListFields()) - _EVERY_JOB,
    )


def _check_attempts(job: Job, retried: int) -> None:
    """Each is told, with its span; one that was followed by another says why and when."""
    numbers = [each.number for each in job.attempts]
    followed = [each for each in job.attempts if each.HasField("next_attempt_time")]
    assert numbers == list(range(1, job.attempt + 1))
    assert all(
        each.worker and each.end_time.ToNanoseconds() >= each.start_time.ToNanoseconds() > 0
        for each in job.attempts
    )
    assert len(followed) == retried
    assert all(each.HasField("failure") for each in followed)
    if job.attempts and job.HasField("last_failure"):
        succeeded = _name(job.state) == "SUCCEEDED"
        assert job.attempts[-1].HasField("failure") != succeeded


_EVERY_JOB = {
    "job_id", "type", "domain", "queue", "priority", "state", "done", "max_attempts", "namespace",
    "create_time", "update_time", "end_time", "purge_time", "created_by", "cursor", "spec",
}  # fmt: skip
_RAN = {"attempt", "attempts", "start_time", "worker"}
_FAILED = _RAN | {"failures", "last_failure"}


def _seen(
    states: str, attempt: int = 1, more: frozenset[str] | set[str] = _RAN, **given: Any
) -> Seen:
    return Seen(states=states, attempt=attempt, fields=frozenset(more), **given)


def _name(state: JobState.ValueType) -> str:
    return JobState.Name(state).removeprefix("JOB_STATE_")


def _figures(job: Job) -> tuple[int, int] | None:
    return (job.progress.current, job.progress.total) if job.HasField("progress") else None


def _retry(**policy: Any) -> SubmitOptions:
    return SubmitOptions(retry=RetryPolicy(**policy))


def _moment(name: str, now: datetime, ahead: timedelta, **more: Any) -> SubmitOptions:
    options = SubmitOptions(**more)
    getattr(options, name).FromDatetime(now + ahead)
    return options


RUN = "PENDING RUNNING"
AGAIN = f"{RUN} RETRYING {RUN}"

SCENARIOS: dict[str, Scenario] = {
    # The first ones must begin in time, also on a busy machine.
    "runs into its deadline": Scenario(
        payload=lambda _: Echo(pause=duration(timedelta(minutes=1))),
        options=lambda now: {
            "options": _moment("deadline", now, _SECOND * 2.5),
            "priority": "critical",
        },
        seen=_seen(
            f"{RUN} FAILED", 1, _FAILED | {"deadline"}, failures=1, failure="DEADLINE DEADLINE"
        ),
    ),
    "retries after the limit for its start": Scenario(
        payload=lambda _: Fail(times=1),
        options=lambda now: {
            "options": _moment(
                "start_before_time",
                now,
                _SECOND * 4,
                retry=RetryPolicy(initial_backoff=duration(_SECOND * 5)),
            ),
            "priority": "critical",
        },
        seen=_seen(
            f"{AGAIN} SUCCEEDED",
            2,
            _FAILED | {"start_before_time"},
            failures=1,
            failure="ERROR LAB_FAILURE",
        ),
    ),
    "succeeds": Scenario(payload=lambda _: Noop(), seen=_seen(f"{RUN} SUCCEEDED")),
    "answers": Scenario(
        payload=lambda _: Echo(text="ola"),
        seen=_seen(f"{RUN} SUCCEEDED", more=_RAN | {"result"}, result='text: "ola" attempt: 1'),
    ),
    "reports": Scenario(
        payload=lambda _: Steps(count=3),
        seen=_seen(f"{RUN} SUCCEEDED", more=_RAN | {"progress"}, progress=(3, 3)),
    ),
    "fails twice": Scenario(
        payload=lambda _: Fail(times=2),
        seen=_seen(
            f"{AGAIN} RETRYING {RUN} SUCCEEDED", 3, _FAILED, failures=2, failure="ERROR LAB_FAILURE"
        ),
    ),
    "fails for ever": Scenario(
        payload=lambda _: Fail(times=99),
        seen=_seen(
            f"{AGAIN} RETRYING {RUN} FAILED", 3, _FAILED, failures=3, failure="ERROR LAB_FAILURE"
        ),
    ),
    "fails for good": Scenario(
        payload=lambda _: Fail(times=9, how=Fail.HOW_PERMANENT),
        seen=_seen(f"{RUN} FAILED", 1, _FAILED, failures=1, failure="PERMANENT NO_SUCH_CUSTOMER"),
    ),
    "fails for a reason that is not retried": Scenario(
        payload=lambda _: Fail(times=9),
        options=lambda _: {"options": _retry(non_retryable_reasons=["LAB_FAILURE"])},
        seen=_seen(f"{RUN} FAILED", 1, _FAILED, failures=1, failure="ERROR LAB_FAILURE"),
    ),
    "fails under a policy of its own": Scenario(
        payload=lambda _: Fail(times=9),
        options=lambda _: {"options": _retry(max_attempts=2, fixed_backoffs=[duration(_SECOND)])},
        seen=_seen(f"{AGAIN} FAILED", 2, _FAILED, failures=2, failure="ERROR LAB_FAILURE"),
    ),
    "exits": Scenario(
        payload=lambda _: Fail(times=1, how=Fail.HOW_EXIT),
        seen=_seen(f"{AGAIN} SUCCEEDED", 2, _FAILED, failures=1, failure="ERROR SYSTEM_EXIT"),
    ),
    "asks for later, more often than it may fail": Scenario(
        payload=lambda _: Fail(times=2, how=Fail.HOW_LATER),
        options=lambda _: {"options": _retry(max_attempts=1)},
        seen=_seen(
            f"{AGAIN} RETRYING {RUN} SUCCEEDED",
            3,
            _RAN | {"last_failure"},
            failure="ERROR RETRY_LATER",
        ),
    ),
    "crashes once": Scenario(
        payload=lambda _: Fail(times=1, how=Fail.HOW_CRASH),
        seen=_seen(f"{RUN} {RUN} SUCCEEDED", 2),
    ),
    "crashes each time": Scenario(
        payload=lambda _: Fail(times=9, how=Fail.HOW_CRASH),
        seen=_seen(
            f"{RUN} {RUN} {RUN} FAILED", 3, _RAN | {"last_failure"}, failure="CRASHED CRASHED"
        ),
    ),
    "takes too long": Scenario(
        payload=lambda _: Echo(pause=duration(timedelta(minutes=1))),
        options=lambda _: {
            "options": SubmitOptions(timeout=duration(_SECOND), retry=RetryPolicy(max_attempts=1))
        },
        seen=_seen(f"{RUN} FAILED", 1, _FAILED, failures=1, failure="TIMEOUT TIMEOUT"),
    ),
    "would be retried past its deadline": Scenario(
        payload=lambda _: Fail(times=9),
        options=lambda now: {
            "options": _moment(
                "deadline",
                now,
                _SECOND * 30,
                retry=RetryPolicy(initial_backoff=duration(timedelta(minutes=1))),
            )
        },
        seen=_seen(
            f"{RUN} FAILED", 1, _FAILED | {"deadline"}, failures=1, failure="ERROR LAB_FAILURE"
        ),
    ),
    "is delayed": Scenario(
        payload=lambda _: Noop(),
        options=lambda _: {"delay": _SECOND / 2, "priority": "low"},
        seen=_seen(f"SCHEDULED {RUN} SUCCEEDED"),
    ),
    "was due long ago": Scenario(
        payload=lambda _: Noop(),
        options=lambda now: {"run_time": now - _SECOND * 60},
        seen=_seen(f"{RUN} SUCCEEDED"),
    ),
    "is due too late": Scenario(
        payload=lambda _: Noop(),
        options=lambda now: {
            "delay": _SECOND * 5,
            "options": _moment("start_before_time", now, _SECOND / 2),
        },
        seen=_seen("SCHEDULED EXPIRED", 0, {"start_before_time"}),
    ),
    "is due after its deadline": Scenario(
        payload=lambda _: Noop(),
        options=lambda now: {
            "delay": _SECOND * 5,
            "options": _moment("deadline", now, _SECOND / 2),
        },
        seen=_seen("SCHEDULED EXPIRED", 0, {"deadline"}),
    ),
    "may not fail, and does": Scenario(
        payload=lambda folder: Charge(gate="/", log=str(folder / "nowhere" / "log")),
        seen=_seen(f"{RUN} FAILED", 1, _FAILED, failures=1, failure="ERROR FILE_NOT_FOUND_ERROR"),
    ),
    "fails between effects": Scenario(
        payload=lambda folder: Append(log=str(folder / "log"), count=5, fail_after=3),
        seen=_seen(
            f"{AGAIN} SUCCEEDED",
            2,
            _FAILED | {"progress", "result"},
            failures=1,
            failure="ERROR LAB_FAILURE",
            result="done: 2 repeated: 3",
            progress=(5, 5),
        ),
    ),
    "dies between an effect and its record": Scenario(
        payload=lambda folder: Append(log=str(folder / "log"), count=5, die_after=3),
        seen=_seen(
            f"{RUN} {RUN} SUCCEEDED",
            2,
            _RAN | {"progress", "result"},
            result="done: 2 repeated: 2 unknown: 1",
            progress=(5, 5),
        ),
    ),
}
