"""Which jobs a watcher asked for: fields that never change of a job."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from portaria.core.errors import InvalidRequest, Violation
from portaria.core.states import split_queue
from portaria.store.events import Tag
from portaria.v1.jobs_service_pb2 import JobSelector


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Fields are ANDed, values inside one field ORed; empty ones select everything."""

    namespace: str
    job_ids: tuple[str, ...] = ()
    """Without repeats, in the caller's order."""
    workflow_id: str = ""
    schedule_id: str = ""
    types: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    queues: frozenset[str] = frozenset()
    labels: tuple[tuple[str, str], ...] = field(default=())

    def matches(self, tag: Tag) -> bool:
        """Whether a job with this tag is one of them, its id aside."""
        return (
            tag.namespace == self.namespace
            and (not self.workflow_id or tag.workflow_id == self.workflow_id)
            and (not self.schedule_id or tag.schedule_id == self.schedule_id)
            and (not self.types or tag.type in self.types)
            and (not self.queues or tag.queue in self.queues)
            and (not self.domains or split_queue(tag.queue)[0] in self.domains)
            and all(tag.labels.get(key) == value for key, value in self.labels)
        )


def selector_from_proto(selector: JobSelector, namespace: str) -> Selector:
    """A watch's selector. Raises InvalidRequest for one that is empty, or uses what changes."""
    wrong = list(_faults(selector))
    if wrong:
        raise InvalidRequest(wrong)
    return Selector(
        namespace=namespace,
        job_ids=tuple(dict.fromkeys(job_id.lower() for job_id in selector.job_ids)),
        workflow_id=selector.workflow_id,
        schedule_id=selector.schedule_id,
        types=frozenset(selector.types),
        domains=frozenset(selector.domains),
        queues=frozenset(selector.queues),
        labels=tuple(sorted(selector.labels.items())),
    )


def _faults(selector: JobSelector) -> Iterator[Violation]:
    given = {field.name for field, _ in selector.ListFields()}
    if not given:
        yield Violation("selector", "REQUIRED", "selects nothing: name ids, labels, types or more")
    for name in ("states", "created_after", "created_before"):
        if name in given:
            text = "cannot select in a watch: only what never changes of a job can"
            yield Violation(f"selector.{name}", "NOT_SUPPORTED", text)
