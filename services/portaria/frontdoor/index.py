"""Who watches what: by job, workflow, schedule, label, or everything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from portaria.frontdoor.subscription import Subscription
from portaria.store.events import Tag, encode_labels, job_id_of

_EVERYTHING = b""


class Index:
    """Subscriptions, found by what of a job they name, in the words of the stream."""

    def __init__(self) -> None:
        self._by_job: dict[bytes, set[Subscription]] = {}
        self._by_group: dict[bytes, set[Subscription]] = {}
        self._all: set[Subscription] = set()

    def add(self, subscription: Subscription) -> None:
        """Enters a subscription under the narrowest of its fields."""
        self._all.add(subscription)
        for job_id in subscription.selector.job_ids:
            self._by_job.setdefault(job_id.encode(), set()).add(subscription)
        if not subscription.selector.job_ids:
            self._by_group.setdefault(_group(subscription), set()).add(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Forgets a subscription; one that is not here is fine."""
        if subscription not in self._all:
            return
        self._all.remove(subscription)
        for job_id in subscription.selector.job_ids:
            _drop(self._by_job, job_id.encode(), subscription)
        if not subscription.selector.job_ids:
            _drop(self._by_group, _group(subscription), subscription)

    def candidates(
        self, packed: bytes, groups_of: Callable[[bytes], Iterable[bytes]]
    ) -> set[Subscription]:
        """Whom an entry of a stream may interest: where it is nobody, it is not worth decoding.

        `groups_of` tells the workflow, the labels and the schedule of an entry.
        """
        found = set(self._by_job.get(job_id_of(packed), ()))
        if self._by_group:
            for group in (_EVERYTHING, *groups_of(packed)):
                found |= self._by_group.get(group, set())
        return found

    def __iter__(self) -> Iterator[Subscription]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)


def interested(candidates: Iterable[Subscription], tag: Tag) -> Iterator[Subscription]:
    """Those whose whole selector matches."""
    return (each for each in candidates if each.selector.matches(tag))


def _group(subscription: Subscription) -> bytes:
    selector = subscription.selector
    if selector.workflow_id:
        return selector.workflow_id.encode()
    if selector.schedule_id:
        return f"@{selector.schedule_id}".encode()
    return encode_labels(selector.labels[:1]).encode() if selector.labels else _EVERYTHING


def _drop(index: dict[bytes, set[Subscription]], word: bytes, subscription: Subscription) -> None:
    found = index.get(word)
    if found is not None:
        found.discard(subscription)
        if not found:
            del index[word]
