"""The states of a job, and what may follow what."""

from enum import StrEnum


class State(StrEnum):
    """Where a job stands. Values are what Redis holds; portaria.v1.JobState is the same list."""

    SCHEDULED = "SCHEDULED"
    BLOCKED = "BLOCKED"
    PENDING = "PENDING"
    RUNNING = "RUNNING"
    RETRYING = "RETRYING"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"

    @property
    def is_terminal(self) -> bool:
        """Whether the job never leaves this state."""
        return self in TERMINAL


TERMINAL = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED, State.EXPIRED})

# PENDING follows RUNNING where a job is given back: its worker stopped, crashed or was lost.
# What follows RUNNING follows PENDING, too, where a short run is told with its end only.
FOLLOWS: dict[State, frozenset[State]] = {
    State.SCHEDULED: frozenset({State.PENDING, State.CANCELLED, State.EXPIRED}),
    State.BLOCKED: frozenset({State.PENDING, State.SCHEDULED, State.CANCELLED, State.EXPIRED}),
    State.PENDING: frozenset(
        {State.RUNNING, State.CANCELLING, State.CANCELLED, State.EXPIRED, State.SCHEDULED}
        | {State.SUCCEEDED, State.FAILED, State.RETRYING}
    ),
    State.RUNNING: frozenset(
        {State.SUCCEEDED, State.FAILED, State.RETRYING, State.PENDING, State.CANCELLING}
    ),
    State.RETRYING: frozenset({State.PENDING, State.CANCELLED, State.EXPIRED}),
    State.CANCELLING: frozenset({State.SUCCEEDED, State.CANCELLED, State.FAILED}),
    **{state: frozenset() for state in TERMINAL},
}

PRIORITIES = ("critical", "high", "default", "low")
"""From the first served to the last; also the second half of a queue's name."""


def queue_name(domain: str, priority: str) -> str:
    """The RQ queue of a domain and priority: "mail:high"."""
    return f"{domain}:{priority}"


def split_queue(queue: str) -> tuple[str, str]:
    """The domain and priority of a queue's name. Raises ValueError where it is none."""
    domain, colon, priority = queue.partition(":")
    if not (domain and colon and priority in PRIORITIES):
        raise ValueError(
            f'"{queue}" is not a queue: expected DOMAIN:PRIORITY, one of {", ".join(PRIORITIES)}'
        )
    return domain, priority
