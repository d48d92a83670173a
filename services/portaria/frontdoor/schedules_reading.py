"""The reading RPCs of schedules: one, pages of all, the next instants, and what became of ticks."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

from portaria.admission.names import below
from portaria.admission.rules import Rules
from portaria.core.clock import from_milliseconds
from portaria.core.errors import InvalidRequest, ScheduleNotFound
from portaria.core.recurrence import Recurrence, in_words, warnings
from portaria.core.states import State
from portaria.frontdoor.finding import BUDGET, LARGEST_ANSWER, READ
from portaria.frontdoor.pages import LARGEST_PAGE, foreign_token, pack, unpack
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.schedules_to_proto import ScheduleConverter, run_to_proto
from portaria.schedules.checking import recurrence_of
from portaria.store.schedule_records import (
    ScheduleRecord,
    aread_page,
    aread_runs,
    aread_schedules,
)
from portaria.store.schedulers import acount_schedulers
from portaria.store.walking import briefs
from portaria.v1.schedules_service_pb2 import (
    ListScheduleRunsResponse,
    ListSchedulesRequest,
    ListSchedulesResponse,
    PreviewScheduleRequest,
    PreviewScheduleResponse,
    Schedule,
)

_DEFAULT_PAGE = 100
_DEFAULT_INSTANTS = 10


class SchedulesReading:
    """Schedules as callers see them; those of other namespaces do not exist."""

    def __init__(
        self, *, rules: Rules, store: PromptStore, converter: ScheduleConverter, namespace: str
    ) -> None:
        self._rules = rules
        self._store = store
        self._converter = converter
        self._namespace = namespace

    async def find(self, schedule_id: str) -> ScheduleRecord | None:
        """What the store holds of a schedule; None where there is none."""
        names = [(self._namespace, schedule_id)]
        (record,) = await self._store.read(lambda store: aread_schedules(store.redis, names))
        return record

    async def record(self, schedule_id: str) -> ScheduleRecord:
        """As `find`. Raises ScheduleNotFound."""
        record = await self.find(schedule_id)
        if record is None:
            raise ScheduleNotFound
        return record

    async def get(self, schedule_id: str) -> Schedule:
        """One schedule. Raises ScheduleNotFound."""
        return self._converter.schedule_to_proto(await self.record(schedule_id))

    async def now(self) -> datetime:
        """By the clock of Redis, as schedulers go by it."""
        return from_milliseconds((await self._store.look(())).now_ms)

    async def page(self, request: ListSchedulesRequest) -> ListSchedulesResponse:
        """One page, by id. Raises InvalidRequest."""
        wrong = self._rules.check(request)
        try:
            after = unpack(request.page_token).decode()
        except ValueError:
            wrong = wrong or [foreign_token()]
        if wrong:
            raise InvalidRequest(wrong)
        most = min(request.page_size or _DEFAULT_PAGE, LARGEST_PAGE)
        answer = ListSchedulesResponse(
            schedulers=await self._store.read(lambda store: acount_schedulers(store.redis))
        )
        after = await self._fill(answer, after, most, request.domain)
        answer.next_page_token = pack(after.encode())
        return answer

    async def _fill(self, answer: ListSchedulesResponse, after: str, most: int, domain: str) -> str:
        """Puts a page into `answer`; the id after which the next one begins, "" at the end."""
        size = looked = 0
        while looked < BUDGET:
            # Of a domain, who knows which.
            width = READ if domain else min(READ, most - len(answer.schedules))
            records, following = await self._step(after, width)
            looked += width
            for record in records:
                schedule = self._converter.schedule_to_proto(record)
                if not domain or self._converter.domain_of(schedule) == domain:
                    size += schedule.ByteSize()
                    is_full = len(answer.schedules) == most or size > LARGEST_ANSWER
                    if answer.schedules and is_full:
                        return after
                    answer.schedules.append(schedule)
                after = record.schedule_id
            after = following
            if not following or (not domain and len(answer.schedules) == most):
                break
        return after

    async def _step(self, after: str, most: int) -> tuple[list[ScheduleRecord], str]:
        return await self._store.read(
            lambda store: aread_page(store.redis, self._namespace, after=after, most=most)
        )

    async def preview(self, request: PreviewScheduleRequest) -> PreviewScheduleResponse:
        """The next instants. Raises InvalidRequest, ScheduleNotFound and ScheduleBroken."""
        wrong = self._rules.check(request)
        recurrence: Recurrence | None = None
        if request.WhichOneof("what") == "schedule":
            read = recurrence_of(request.schedule)
            if isinstance(read, Recurrence):
                recurrence = read
            else:
                said = {each.field for each in wrong}
                found = [below("schedule", each) for each in read]
                wrong += [each for each in found if each.field not in said]
        if wrong:
            raise InvalidRequest(wrong)
        if recurrence is None:
            record = await self.record(request.schedule_id)
            recurrence = self._converter.open(record).recurrence
        now = await self.now()
        after = request.after.ToDatetime(UTC) if request.HasField("after") else now
        count = request.count or _DEFAULT_INSTANTS
        # A thousand leap days are 70 ms of arithmetic.
        return await asyncio.to_thread(_previewed, recurrence, after, count)

    async def runs(self, schedule_id: str) -> ListScheduleRunsResponse:
        """What became of its last ticks, the newest first. Raises ScheduleNotFound."""
        await self.record(schedule_id)
        runs = await self._store.read(
            lambda store: aread_runs(store.redis, self._namespace, schedule_id)
        )
        ids = [each.job_id for each in runs if each.job_id]
        states = await self._states(ids)
        return ListScheduleRunsResponse(
            runs=[run_to_proto(each, states.get(each.job_id)) for each in runs]
        )

    async def _states(self, job_ids: list[str]) -> dict[str, State]:
        found = await self._store.read(lambda store: briefs(store.redis, job_ids))
        return {
            each.job_id: each.state
            for each in found
            if each is not None and each.tag.namespace == self._namespace
        }


def _previewed(recurrence: Recurrence, after: datetime, count: int) -> PreviewScheduleResponse:
    answer = PreviewScheduleResponse(
        in_words=in_words(recurrence), warnings=warnings(recurrence, after)
    )
    for each in recurrence.upcoming(after, count):
        answer.times.add().FromDatetime(each)
    return answer
