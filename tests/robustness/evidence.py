"""All that the checks judge by, and what they answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from robustness.journal import Said
from robustness.look import Look
from robustness.nemesis import Strike
from robustness.receiver import Delivery
from robustness.stream import Change

_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Check:
    """A claim and what speaks against it."""

    name: str
    faults: Sequence[str]

    @property
    def number(self) -> int:
        """How many faults: 0 where the claim holds."""
        return len(self.faults)

    def __str__(self) -> str:
        mark = "ok  " if not self.faults else "FAIL"
        lines = [f"{mark} {self.name}: {self.number}", *self.faults[:_SHOWN]]
        return "\n       ".join(lines)


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflows:
    """What is known of the workflows, besides the lives of their jobs."""

    count: int = 0
    members: frozenset[str] = frozenset()
    """The ids of their jobs, and of those that their ends handed in."""
    requests: frozenset[str] = frozenset()
    checks: Sequence[Check] = ()
    """Whether they ended as they must."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """One run, seen from outside."""

    said: Said = field(default_factory=Said)
    lives: Mapping[str, Sequence[Change]] = field(default_factory=dict)
    look: Look = field(default_factory=Look)
    applied: Mapping[str, str] = field(default_factory=dict)
    """key -> job, of what the receiver took."""
    deliveries: Sequence[Delivery] = ()
    living: frozenset[str] = frozenset()
    """Names of the workers whose processes run."""
    strikes: Sequence[Strike] = ()
    told: Mapping[str, str] = field(default_factory=dict)
    """job id -> state as the door tells it, for a sample."""
    reasons: Mapping[str, str] = field(default_factory=dict)
    """job id -> why it failed, as the door tells it, of those that must not run twice."""
    workflows: Workflows = field(default_factory=Workflows)
    traces: Sequence[str] = ()
    """Processes that wrote a stack trace."""

    @property
    def job_ids(self) -> frozenset[str]:
        """Of all jobs that must be there."""
        return self.workflows.members.union(self.said.acks.values())

    @property
    def kinds(self) -> dict[str, str]:
        """job id -> kind, of all that was acknowledged."""
        said = self.said
        return {job_id: said.intents[request] for request, job_id in said.acks.items()}
