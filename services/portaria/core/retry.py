"""What follows a failed attempt: a pure function of policy, failure and randomness."""

from dataclasses import dataclass, field
from datetime import timedelta
from random import Random

from google.protobuf.duration_pb2 import Duration

from portaria.v1 import job_pb2


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how soon a failed job runs again. Mirrors portaria.v1.RetryPolicy."""

    max_attempts: int = 3
    initial_backoff: timedelta = timedelta(seconds=10)
    max_backoff: timedelta = timedelta(minutes=10)
    backoff_multiplier: float = 2.0
    jitter: float = 0.2
    non_retryable_reasons: frozenset[str] = field(default=frozenset())
    fixed_backoffs: tuple[timedelta, ...] = ()

    def wait(self, failures: int, rng: Random) -> timedelta:
        """The wait after the n-th failure, n from 1."""
        if self.fixed_backoffs:
            base = self.fixed_backoffs[min(failures, len(self.fixed_backoffs)) - 1]
        else:
            # The exponent is bounded: 100.0 ** 200 would overflow a float.
            growth = self.backoff_multiplier ** min(failures - 1, 64)
            seconds = self.initial_backoff.total_seconds() * growth
            base = timedelta(seconds=min(seconds, self.max_backoff.total_seconds()))
        spread = 1 + self.jitter * rng.uniform(-1, 1)
        return max(timedelta(), base * spread)


def retry_from_proto(*layers: job_pb2.RetryPolicy) -> RetryPolicy:
    """A policy from messages, the first that sets a field wins: submission, then type."""
    merged: dict[str, object] = {}
    for layer in layers:
        for descriptor, value in layer.ListFields():
            merged.setdefault(descriptor.name, _from_proto(value))
    return RetryPolicy(**merged)  # type: ignore[arg-type] # names and types are the message's


def retry_to_proto(policy: RetryPolicy) -> job_pb2.RetryPolicy:
    """The message of a policy, every field set."""
    return job_pb2.RetryPolicy(
        max_attempts=policy.max_attempts,
        initial_backoff=_duration(policy.initial_backoff),
        max_backoff=_duration(policy.max_backoff),
        backoff_multiplier=policy.backoff_multiplier,
        jitter=policy.jitter,
        non_retryable_reasons=sorted(policy.non_retryable_reasons),
        fixed_backoffs=[_duration(wait) for wait in policy.fixed_backoffs],
    )


@dataclass(frozen=True, slots=True)
class RetryIn:
    """The job runs again after `wait`."""

    wait: timedelta


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """The job is FAILED; `exhausted` where only the number of attempts decided so."""

    exhausted: bool


RetryDecision = RetryIn | DeadLetter


def next_retry(
    policy: RetryPolicy,
    *,
    failures: int,
    reason: str,
    rng: Random,
    permanent: bool = False,
    retry_later: timedelta | None = None,
) -> RetryDecision:
    """Decides what follows a failure.

    `failures` counts this one. `retry_later` (a handler's own word) wins over everything and is
    not counted by the caller; `permanent` and the policy's non-retryable reasons end the job;
    otherwise the n-th failure of max_attempts is final.
    """
    if retry_later is not None:
        return RetryIn(max(timedelta(), retry_later))
    if permanent or reason in policy.non_retryable_reasons:
        return DeadLetter(exhausted=False)
    if failures >= policy.max_attempts:
        return DeadLetter(exhausted=True)
    return RetryIn(policy.wait(failures, rng))


def _from_proto(value: object) -> object:
    if isinstance(value, Duration):
        return value.ToTimedelta()
    if isinstance(value, (int, float)):
        return value
    items = list(value)  # type: ignore[call-overload]
    if items and isinstance(items[0], Duration):
        return tuple(item.ToTimedelta() for item in items)
    return frozenset(items)


def _duration(value: timedelta) -> Duration:
    duration = Duration()
    duration.FromTimedelta(value)
    return duration
