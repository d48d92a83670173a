"""Retry: what follows a failure, and when."""

from __future__ import annotations

from datetime import timedelta
from random import Random

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from portaria.core.retry import (
    DeadLetter,
    RetryIn,
    RetryPolicy,
    next_retry,
    retry_from_proto,
    retry_to_proto,
)
from portaria.v1 import job_pb2

PLAIN = RetryPolicy(jitter=0)
WAITS = st.timedeltas(min_value=timedelta(), max_value=timedelta(days=7))
POLICIES = st.builds(
    RetryPolicy,
    max_attempts=st.integers(1, 100),
    initial_backoff=WAITS,
    max_backoff=WAITS,
    backoff_multiplier=st.floats(1, 100),
    jitter=st.floats(0, 1),
    non_retryable_reasons=st.frozensets(st.sampled_from(["A", "B_C", "TIMEOUT"])),
    fixed_backoffs=st.lists(WAITS, max_size=5).map(tuple),
)
FAILURES = st.integers(1, 200)


def seconds(*values: float) -> tuple[timedelta, ...]:
    return tuple(timedelta(seconds=value) for value in values)


@pytest.mark.parametrize(
    ("policy", "waits"),
    [
        (PLAIN, [10, 20, 40, 80, 160, 320, 600, 600]),
        (RetryPolicy(jitter=0, initial_backoff=timedelta(0, 6), backoff_multiplier=1), [6] * 4),
        (RetryPolicy(jitter=0, initial_backoff=timedelta(hours=1)), [600, 600]),
        (RetryPolicy(jitter=0, initial_backoff=timedelta()), [0, 0, 0]),
        (RetryPolicy(jitter=0, fixed_backoffs=seconds(60, 120, 240, 480, 960)),
         [60, 120, 240, 480, 960, 960, 960]),
        (RetryPolicy(jitter=0, fixed_backoffs=seconds(3600), max_backoff=timedelta(seconds=1)),
         [3600, 3600]),
    ],
)  # fmt: skip
def test_waits_without_jitter(policy: RetryPolicy, waits: list[float]) -> None:
    """Exponential to the cap, or the fixed list, whose last one repeats and no cap touches."""
    given_waits = [policy.wait(failures, Random()) for failures in range(1, len(waits) + 1)]

    assert given_waits == list(seconds(*waits))


@given(policy=POLICIES, failures=FAILURES, seed=st.integers())
def test_a_wait_stays_within_cap_and_jitter(policy: RetryPolicy, failures: int, seed: int) -> None:
    """Never negative, never beyond the base by more than the jitter."""
    wait = policy.wait(failures, Random(seed))

    if policy.fixed_backoffs:
        base = policy.fixed_backoffs[min(failures, len(policy.fixed_backoffs)) - 1]
        least = base * (1 - policy.jitter)
    else:
        base, least = policy.max_backoff, timedelta()
    slack = timedelta(microseconds=2)
    assert max(timedelta(), least - slack) <= wait <= base * (1 + policy.jitter) + slack


@given(policy=POLICIES, failures=FAILURES)
def test_without_jitter_waits_never_shrink(policy: RetryPolicy, failures: int) -> None:
    """The longer it fails, the longer it rests; a fixed list does as it says."""
    plain = RetryPolicy(
        jitter=0,
        initial_backoff=policy.initial_backoff,
        max_backoff=policy.max_backoff,
        backoff_multiplier=policy.backoff_multiplier,
    )

    assert plain.wait(failures, Random()) <= plain.wait(failures + 1, Random())


def test_jitter_spreads_to_both_sides() -> None:
    """A herd that failed together does not come back together."""
    rng = Random(1)
    policy = RetryPolicy(initial_backoff=timedelta(seconds=100), jitter=0.2)

    waits = [policy.wait(1, rng).total_seconds() for _ in range(500)]

    assert 80 <= min(waits) < 85
    assert 115 < max(waits) <= 120


@pytest.mark.parametrize(
    ("failures", "reason", "given_words", "decision"),
    [
        (1, "ERROR", {}, RetryIn(timedelta(seconds=10))),
        (2, "ERROR", {}, RetryIn(timedelta(seconds=20))),
        (3, "ERROR", {}, DeadLetter(exhausted=True)),
        (4, "ERROR", {}, DeadLetter(exhausted=True)),
        (1, "NO_SUCH_CUSTOMER", {}, DeadLetter(exhausted=False)),
        (3, "NO_SUCH_CUSTOMER", {}, DeadLetter(exhausted=False)),
        (1, "ERROR", {"permanent": True}, DeadLetter(exhausted=False)),
        (1, "ERROR", {"retry_later": timedelta(hours=1)}, RetryIn(timedelta(hours=1))),
        (9, "NO_SUCH_CUSTOMER", {"retry_later": timedelta(1)}, RetryIn(timedelta(1))),
        (1, "ERROR", {"retry_later": timedelta(seconds=-5)}, RetryIn(timedelta())),
        (1, "ERROR", {"retry_later": timedelta(0), "permanent": True}, RetryIn(timedelta())),
    ],
)
def test_what_follows_a_failure(
    failures: int, reason: str, given_words: dict[str, timedelta], decision: object
) -> None:
    """The handler's word, then what cannot be mended, then the count."""
    policy = RetryPolicy(
        max_attempts=3, jitter=0, non_retryable_reasons=frozenset({"NO_SUCH_CUSTOMER"})
    )

    decided = next_retry(
        policy,
        failures=failures,
        reason=reason,
        rng=Random(),
        **given_words,  # type: ignore[arg-type]
    )

    assert decided == decision


@given(policy=POLICIES, failures=FAILURES, seed=st.integers())
def test_a_job_fails_exactly_as_often_as_its_policy_says(
    policy: RetryPolicy, failures: int, seed: int
) -> None:
    """The n-th failure is final, and no earlier one."""
    decision = next_retry(policy, failures=failures, reason="OTHER", rng=Random(seed))

    assert isinstance(decision, DeadLetter) == (failures >= policy.max_attempts)


@given(policy=POLICIES)
def test_a_policy_survives_its_message(policy: RetryPolicy) -> None:
    """As it travels in the envelope."""
    assert retry_from_proto(retry_to_proto(policy)) == policy


def test_what_nobody_sets_is_the_default() -> None:
    """An empty message says nothing."""
    assert retry_from_proto() == retry_from_proto(job_pb2.RetryPolicy()) == RetryPolicy()


def test_the_submission_wins_over_the_type_field_by_field() -> None:
    """What it leaves open, the type decides; what that leaves open, the default."""
    submission = job_pb2.RetryPolicy(max_attempts=9, jitter=0)
    job_type = job_pb2.RetryPolicy(
        max_attempts=2,
        jitter=1,
        initial_backoff=Duration(seconds=5),
        non_retryable_reasons=["A"],
    )

    policy = retry_from_proto(submission, job_type)

    assert (policy.max_attempts, policy.jitter) == (9, 0)
    assert policy.initial_backoff == timedelta(seconds=5)
    assert policy.non_retryable_reasons == {"A"}
    assert policy.max_backoff == RetryPolicy().max_backoff


def test_a_zero_that_was_said_is_no_default() -> None:
    """jitter 0 and a wait of nothing are wishes."""
    said = job_pb2.RetryPolicy(jitter=0, initial_backoff=Duration())

    policy = retry_from_proto(said, job_pb2.RetryPolicy(jitter=1))

    assert (policy.jitter, policy.initial_backoff) == (0, timedelta())
