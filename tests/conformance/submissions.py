"""What a submission is answered: one table for a door and for an eager platform."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import Message

from acme_jobs.lab.v1.lab_pb2 import Charge, Echo, Fail, Noop, Steps, Wait
from portaria.client import Client, InvalidRequest, PortariaError
from portaria.client.requests import duration
from portaria.v1.job_pb2 import (
    CONFLICT_POLICY_FAIL,
    CONFLICT_POLICY_REPLACE,
    CONFLICT_POLICY_USE_EXISTING,
    JobSpec,
    Priority,
    RetryPolicy,
    SubmitOptions,
)
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendEmail

Answer = tuple[str, ...]
_KEPT = SubmitOptions(unique_key="ana", timeout=duration(timedelta(minutes=1)))


def _options(**given: Any) -> SubmitOptions:
    return SubmitOptions(**given)


def _unique(policy: Any, key: str = "ana") -> SubmitOptions:
    return SubmitOptions(unique_key=key, on_conflict=policy)


def _spec(message: Message, **options: Any) -> JobSpec:
    spec = JobSpec(options=_options(**options) if options else None)
    spec.payload.Pack(message)
    return spec


Given = tuple[Message, dict[str, Any]]

_KEYED = (Noop(), {"options": _KEPT})
PAIRS: dict[str, tuple[Given, Given]] = {
    "the same again": (
        (Echo(text="a"), {"request_id": "1"}),
        (Echo(text="a"), {"request_id": "1"}),
    ),
    "another payload": (
        (Echo(text="a"), {"request_id": "1"}),
        (Echo(text="b"), {"request_id": "1"}),
    ),
    "another type": ((Noop(), {"request_id": "1"}), (Steps(count=1), {"request_id": "1"})),
    "another priority": (
        (Noop(), {"request_id": "1"}),
        (Noop(), {"request_id": "1", "priority": "high"}),
    ),
    "other headers": (
        (Noop(), {"request_id": "1", "options": _options(headers={"tenant": "a"})}),
        (Noop(), {"request_id": "1", "options": _options(headers={"tenant": "b"})}),
    ),
    "another hook": (
        (Noop(), {"request_id": "1", "options": _options(on_success=_spec(Echo(text="a")))}),
        (Noop(), {"request_id": "1", "options": _options(on_success=_spec(Echo(text="b")))}),
    ),
    "other headers of a hook": (
        (
            Noop(),
            {"request_id": "1", "options": _options(on_retry=_spec(Noop(), headers={"a": "1"}))},
        ),
        (
            Noop(),
            {"request_id": "1", "options": _options(on_retry=_spec(Noop(), headers={"a": "2"}))},
        ),
    ),
    "no request_id": ((Noop(), {}), (Noop(), {})),
    "a held key": (_KEYED, (Noop(), {"options": _unique(CONFLICT_POLICY_FAIL)})),
    "a held key, and nothing said": (_KEYED, _KEYED),
    "a held key that may be": (
        _KEYED,
        (Noop(), {"options": _unique(CONFLICT_POLICY_USE_EXISTING)}),
    ),
    "a key of another type": (_KEYED, (Fail(), {"options": _KEPT})),
    "another key": (_KEYED, (Noop(), {"options": _unique(CONFLICT_POLICY_FAIL, "rui")})),
}


def paired(client: Client, name: str) -> Answer:
    """What the second of two submissions is answered; a name has request_ids of its own."""
    given: list[dict[str, Any]] = [dict(each) for _, each in PAIRS[name]]
    for each in given:
        if "request_id" in each:
            each["request_id"] = f"{name}-{each['request_id']}".replace(" ", "_")
        if "options" in each:
            changed = SubmitOptions()
            changed.CopyFrom(each["options"])
            changed.unique_key = changed.unique_key and f"{name} {changed.unique_key}"
            each["options"] = changed
    first = client.submit(PAIRS[name][0][0], **given[0])
    try:
        second = client.submit(PAIRS[name][1][0], **given[1])
    except PortariaError as error:
        same = error.metadata["job_id"] == first.id
        return (type(error).__name__, error.reason, error.message, f"names the first: {same}")
    return (f"the first: {first.id == second.id}", f"deduplicated: {second.deduplicated}")


def wrong(now: datetime) -> Iterator[tuple[str, Given]]:
    """Submissions that a door refuses."""
    yield "a required field", (Wait(), {})
    yield "a number too small", (Steps(count=0), {})
    yield "a number too large", (Steps(count=1001), {})
    yield "a text too long", (Echo(text="x" * 300_001), {})
    yield "a payload too large", (Echo(text="x" * 270_000), {})
    yield "no address", (SendEmail(to="nobody", template="welcome"), {})
    yield "no template", (SendEmail(to="ana@example.com", template="none"), {})
    yield "nobody", (SendBulkEmail(template="welcome"), {})
    yield "no job type", (Empty(), {})
    yield "an empty request_id", (Noop(), {"request_id": ""})
    yield "blanks in a request_id", (Noop(), {"request_id": "a b"})
    yield "a long request_id", (Noop(), {"request_id": "a" * 129})
    yield "a long delay", (Noop(), {"delay": timedelta(days=367)})
    yield "a delay into the past", (Noop(), {"delay": timedelta(seconds=-1)})
    yield "a run_time far ahead", (Noop(), {"run_time": now + timedelta(days=400)})
    yield "a label's name", (Noop(), {"labels": {"Not This": "x"}})
    yield "a label's value", (Noop(), {"labels": {"team": "x" * 129}})
    yield "many labels", (Noop(), {"labels": {f"l{number}": "" for number in range(17)}})
    for name, options in _wrong_options(now):
        yield name, (Noop(), {"options": options})
    retry = _options(retry=RetryPolicy(max_attempts=2))
    yield "a retry of what may not be repeated", (Charge(gate="/", log="/"), {"options": retry})
    yield (
        "all at once",
        (Wait(), {"request_id": "", "options": _unique(CONFLICT_POLICY_REPLACE, "")}),
    )


def _wrong_options(now: datetime) -> Iterator[tuple[str, SubmitOptions]]:
    yield "a timeout too short", _options(timeout=duration(timedelta(seconds=0.5)))
    yield "a result_ttl too short", _options(result_ttl=duration(timedelta(seconds=1)))
    yield "a priority that is none", _options(priority=Priority.ValueType(99))
    yield "no attempts", _options(retry=RetryPolicy(max_attempts=0))
    yield "too much jitter", _options(retry=RetryPolicy(jitter=1.5))
    yield "endless growth", _options(retry=RetryPolicy(backoff_multiplier=float("nan")))
    yield "a reason in small letters", _options(retry=RetryPolicy(non_retryable_reasons=["no"]))
    yield (
        "a cap below the first wait",
        _options(
            retry=RetryPolicy(
                initial_backoff=duration(timedelta(seconds=2)),
                max_backoff=duration(timedelta(seconds=1)),
            )
        ),
    )
    yield "a header's name", _options(headers={"Tenant": "ana"})
    yield "a long unique_key", _options(unique_key="x" * 129)
    yield "a conflict about nothing", _unique(CONFLICT_POLICY_FAIL, "")
    yield "a replacement", _unique(CONFLICT_POLICY_REPLACE)
    yield from _wrong_hooks()
    for name in ("start_before_time", "deadline"):
        options = _options()
        options.run_time.FromDatetime(now + timedelta(minutes=2))
        getattr(options, name).FromDatetime(now + timedelta(minutes=1))
        yield f"a {name} before the start", options


def _wrong_hooks() -> Iterator[tuple[str, SubmitOptions]]:
    hooks = {
        "of no type": _spec(Empty()),
        "without a payload": JobSpec(),
        "with a payload that breaks a rule": _spec(Steps()),
        "with an option that breaks a rule": _spec(Noop(), timeout=duration(timedelta())),
        "with a unique_key": _spec(Noop(), unique_key="ana"),
        "with hooks": _spec(Noop(), on_failure=_spec(Noop()), on_retry=_spec(Noop())),
        "with retries of what may not be repeated": _spec(
            Charge(gate="/", log="/"), retry=RetryPolicy(max_attempts=2)
        ),
    }
    for name in ("on_success", "on_failure", "on_retry"):
        for what, spec in hooks.items():
            options = _options()
            getattr(options, name).CopyFrom(spec)
            yield f"{name} {what}", options


def refused(submit: Callable[..., object], given: Given) -> Answer:
    """Reason of the refusal, and field and reason of each violation."""
    try:
        submit(given[0], **given[1])
    except InvalidRequest as error:
        violations = sorted(f"{each.field} {each.reason}" for each in error.violations)
        return (error.reason, *violations)
    return ("accepted",)
