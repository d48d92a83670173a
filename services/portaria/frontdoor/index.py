"""Who watches what: by job, workflow, label, or everything."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from typing import TypeVar

from portaria.frontdoor.subscription import Subscription
from portaria.store.events import Tag

Key = TypeVar("Key", bound=Hashable)

_EVERYTHING = ("everything",)


class Index:
    """Subscriptions, found by what of a job they name."""

    def __init__(self) -> None:
        self._by_job: dict[bytes, set[Subscription]] = {}
        self._others: dict[Hashable, set[Subscription]] = {}
        self._all: set[Subscription] = set()

    def add(self, subscription: Subscription) -> None:
        """Enters a subscription under the narrowest of its fields."""
        self._all.add(subscription)
        for job_id in subscription.selector.job_ids:
            self._by_job.setdefault(job_id.encode(), set()).add(subscription)
        if not subscription.selector.job_ids:
            self._others.setdefault(_key(subscription), set()).add(subscription)

    def remove(self, subscription: Subscription) -> None:
        """Forgets a subscription; one that is not here is fine."""
        if subscription not in self._all:
            return
        self._all.remove(subscription)
        for job_id in subscription.selector.job_ids:
            _drop(self._by_job, job_id.encode(), subscription)
        if not subscription.selector.job_ids:
            _drop(self._others, _key(subscription), subscription)

    def may_interest(self, job_id: bytes) -> bool:
        """Whether the event of a job is worth decoding."""
        return bool(self._others) or job_id in self._by_job

    def interested(self, job_id: bytes, tag: Tag) -> Iterator[Subscription]:
        """Those whose selector matches."""
        candidates = set(self._by_job.get(job_id, ()))
        if self._others:
            keys: list[Hashable] = [_EVERYTHING, ("workflow", tag.workflow_id)]
            for key in (*keys, *(("label", *pair) for pair in tag.labels.items())):
                candidates |= self._others.get(key, set())
        return (each for each in candidates if each.selector.matches(tag))

    def __iter__(self) -> Iterator[Subscription]:
        return iter(tuple(self._all))

    def __len__(self) -> int:
        return len(self._all)


def _key(subscription: Subscription) -> Hashable:
    selector = subscription.selector
    if selector.workflow_id:
        return ("workflow", selector.workflow_id)
    return ("label", *selector.labels[0]) if selector.labels else _EVERYTHING


def _drop(index: dict[Key, set[Subscription]], key: Key, subscription: Subscription) -> None:
    found = index.get(key)
    if found is not None:
        found.discard(subscription)
        if not found:
            del index[key]
