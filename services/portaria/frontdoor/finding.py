"""Finds the jobs of one page: looks at little of many, reads all of those that it shows."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass, field

from portaria.frontdoor.convert import Converter
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.search import Search
from portaria.store import AsyncStore, JobRecord
from portaria.store.listing import Span, step
from portaria.store.walking import Brief
from portaria.v1.job_pb2 import Job, JobView

LARGEST_ANSWER = 7 * 512 * 1024
"""Bytes of jobs in one answer, unless it is one job: callers take 4 MiB where they do not say."""
BUDGET = 2_000
"""How many jobs are looked at for one page."""
READ = 50
"""How many are read whole at once: each may have a payload of 4 MiB."""
_STEP = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One page of a listing."""

    search: Search
    newest_first: bool
    after: str
    """The id that was looked at last; empty at the beginning."""
    most: int
    view: JobView.ValueType


class Finding:
    """Pages of a search."""

    def __init__(self, store: PromptStore, converter: Converter) -> None:
        self._store = store
        self._converter = converter

    async def page(self, wanted: Wanted, generation: str) -> tuple[list[Job], str]:
        """The jobs, and the id after which the next page begins: "" where there is none.

        Fewer than wanted where the budget ended, or where they are too large for one answer.
        """
        span = await wanted.search.span(self._store, newest_first=wanted.newest_first)
        page = _Page(most=wanted.most, reached=wanted.after)
        after, looked, width = wanted.after, 0, min(_STEP, wanted.most + 1)
        while True:
            found, following = await self._step(span, after, width)
            rest = await self._show([each.job_id for each in found if _fits(wanted, each)],
                                    page, wanted, generation)  # fmt: skip
            if page.is_full:
                return page.jobs, page.reached if rest or following else ""
            looked, after, width = looked + width, following, _STEP
            if not following or looked >= BUDGET:
                return page.jobs, following

    async def _step(self, span: Span, after: str, most: int) -> tuple[list[Brief], str]:
        def stepping(store: AsyncStore) -> Awaitable[tuple[list[Brief], str]]:
            return step(store.redis, span, after=after, most=most)

        return await self._store.read(stepping)

    async def _show(
        self, job_ids: list[str], page: _Page, wanted: Wanted, generation: str
    ) -> list[str]:
        """Reads the jobs and puts them on the page while there is room; answers the ids left."""
        while job_ids and not page.is_full:
            chunk = job_ids[: min(READ, page.most - len(page.jobs))]
            for job_id, record in zip(chunk, await self._store.get_many(chunk), strict=True):
                # It may have changed since it was looked at.
                job = None
                if record is not None and _fits(wanted, record):
                    job = self._converter.job_to_proto(record, generation, wanted.view)
                if job is not None and not page.add(job):
                    return job_ids
                page.reached = job_id
                job_ids = job_ids[1:]
        return job_ids


@dataclass(kw_only=True)
class _Page:
    """What was found so far."""

    most: int
    reached: str
    """The last id that was shown, or needed not be."""
    jobs: list[Job] = field(default_factory=list)
    size: int = 0
    is_full: bool = False

    def add(self, job: Job) -> bool:
        """Whether there was room for it; there is for the first one."""
        self.size += job.ByteSize()
        if self.jobs and self.size > LARGEST_ANSWER:
            self.is_full = True
            return False
        self.jobs.append(job)
        self.is_full = len(self.jobs) >= self.most
        return True


def _fits(wanted: Wanted, job: Brief | JobRecord) -> bool:
    return wanted.search.matches(job.tag, job.state, job.created_ms)
