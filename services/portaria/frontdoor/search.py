"""Which jobs a caller looks for: by what never changes of a job, and by state and age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.timestamp_pb2 import Timestamp

from portaria.core.errors import Violation
from portaria.core.states import State
from portaria.frontdoor.selector import Selector
from portaria.store.events import Tag
from portaria.v1.job_pb2 import JobState
from portaria.v1.jobs_service_pb2 import JobSelector

# The years 1 to 9999, as google.protobuf.Timestamp has them.
_FIRST_SECOND, _LAST_SECOND = -62_135_596_800, 253_402_300_799


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A selector of a list or of a deed; fields are ANDed, values inside one field ORed."""

    selector: Selector
    states: frozenset[State] = frozenset()
    after_ns: int | None = None
    """Created after this moment, nanoseconds since 1970."""
    before_ns: int | None = None

    def matches(self, tag: Tag, state: State, created_ms: int) -> bool:
        """Whether a job is one of them, its id aside."""
        created_ns = created_ms * 1_000_000
        return (
            self.selector.matches(tag)
            and (not self.states or state in self.states)
            and (self.after_ns is None or created_ns > self.after_ns)
            and (self.before_ns is None or created_ns < self.before_ns)
        )


def search_faults(selector: JobSelector) -> Iterator[Violation]:
    """What its own rules do not say: with any of these, `search_from_proto` makes no sense."""
    if selector.schedule_id:
        yield Violation("selector.schedule_id", "NOT_SUPPORTED", "is not supported yet")
    for number, state in enumerate(selector.states):
        if state == JobState.JOB_STATE_UNSPECIFIED:
            yield Violation(f"selector.states[{number}]", "REQUIRED", "names no state")
    incomparable = not (selector.HasField("created_after") and selector.HasField("created_before"))
    for name in ("created_after", "created_before"):
        moment: Timestamp = getattr(selector, name)
        if not (_FIRST_SECOND <= moment.seconds <= _LAST_SECOND and 0 <= moment.nanos < 10**9):
            incomparable = True
            yield Violation(f"selector.{name}", "OUT_OF_RANGE", "is not in the years 1 to 9999")
    if not incomparable and _nanoseconds(selector.created_before) <= _nanoseconds(
        selector.created_after
    ):
        text = "must be later than created_after"
        yield Violation("selector.created_before", "OUT_OF_RANGE", text)


def search_from_proto(selector: JobSelector, namespace: str) -> Search:
    """Reads a selector without faults; an empty one finds every job."""
    return Search(
        selector=Selector(
            namespace=namespace,
            job_ids=tuple(dict.fromkeys(job_id.lower() for job_id in selector.job_ids)),
            workflow_id=selector.workflow_id,
            types=frozenset(selector.types),
            domains=frozenset(selector.domains),
            queues=frozenset(selector.queues),
            labels=tuple(sorted(selector.labels.items())),
        ),
        states=frozenset(
            State(JobState.Name(state).removeprefix("JOB_STATE_")) for state in selector.states
        ),
        after_ns=_moment(selector, "created_after"),
        before_ns=_moment(selector, "created_before"),
    )


def _moment(selector: JobSelector, name: str) -> int | None:
    return _nanoseconds(getattr(selector, name)) if name in _given(selector) else None


def _given(selector: JobSelector) -> set[str]:
    return {field.name for field, _ in selector.ListFields()}


def _nanoseconds(moment: Timestamp) -> int:
    return moment.seconds * 10**9 + moment.nanos
