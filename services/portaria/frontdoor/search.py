"""Which jobs a caller looks for: by what never changes of a job, and by state and age."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from google.protobuf.timestamp_pb2 import Timestamp

from portaria.admission.times import is_moment
from portaria.core.errors import Violation
from portaria.core.ids import is_job_id
from portaria.core.states import State, split_queue
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.selector import Selector
from portaria.store.events import Tag
from portaria.store.listing import Span, bounds, ids_in_states
from portaria.store.walking import sources_of
from portaria.v1.job_pb2 import JobState
from portaria.v1.jobs_service_pb2 import JobSelector

_FEW = 2_000
"""So many jobs in the wanted states are looked at before any index is."""


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

    def until(self, moment_ms: int) -> Search:
        """The same, without what was created after a moment."""
        end_ns = (moment_ms + 1) * 1_000_000
        own_ns = end_ns if self.before_ns is None else self.before_ns
        return replace(self, before_ns=min(end_ns, own_ns))

    async def span(self, store: PromptStore, *, newest_first: bool) -> Span:
        """What to walk: the ids that were asked for, a few in the states, or the smallest index.

        It holds every job that matches, and others. Raises StoreUnavailable.
        """
        selector = self.selector
        job_ids = selector.job_ids or None
        if job_ids is None and self.states and not selector.workflow_id:
            found = await store.read(
                lambda store: ids_in_states(store.redis, self.states, of=self._may_hold, most=_FEW)
            )
            # What other tools call their jobs must not become a page token.
            job_ids = None if found is None else tuple(filter(is_job_id, found))
        start, end = bounds(
            newest_first=newest_first, after_ns=self.after_ns, before_ns=self.before_ns
        )
        sources = sources_of(
            selector.namespace,
            types=sorted(selector.types),
            workflow_id=selector.workflow_id,
            schedule_id=selector.schedule_id,
            labels=selector.labels,
        )
        return Span(
            newest_first=newest_first, job_ids=job_ids, sources=sources, start=start, end=end
        )

    def _may_hold(self, queue: str) -> bool:
        """Whether a queue may have had what is searched."""
        try:
            domain, _ = split_queue(queue)
        except ValueError:
            return False  # of other users of RQ
        selector = self.selector
        return (not selector.queues or queue in selector.queues) and (
            not selector.domains or domain in selector.domains
        )


def search_faults(selector: JobSelector) -> Iterator[Violation]:
    """What its own rules do not say: with any of these, `search_from_proto` makes no sense."""
    for number, state in enumerate(selector.states):
        if state == JobState.JOB_STATE_UNSPECIFIED:
            yield Violation(f"selector.states[{number}]", "REQUIRED", "names no state")
    incomparable = not (selector.HasField("created_after") and selector.HasField("created_before"))
    for name in ("created_after", "created_before"):
        # The rules of the request say so.
        incomparable = incomparable or not is_moment(getattr(selector, name))
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
            schedule_id=selector.schedule_id,
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
