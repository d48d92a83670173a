"""portaria.v1.AdminService: validate, do one thing, convert. Errors become statuses elsewhere."""

from __future__ import annotations

from typing import Any

from grpc import aio

from portaria.admission.rules import Rules
from portaria.core.errors import QueueNotFound
from portaria.frontdoor.operating import queue_to_proto, workers_after, workers_page
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.purging import Purging, place_of
from portaria.intake.admission import ANONYMOUS
from portaria.store import calls
from portaria.store.queues import list_queues
from portaria.store.workers import list_workers
from portaria.v1.admin_service_pb2 import (
    ListQueuesRequest,
    ListQueuesResponse,
    ListWorkersRequest,
    ListWorkersResponse,
    PauseQueueRequest,
    PauseQueueResponse,
    PurgeQueueRequest,
    PurgeQueueResponse,
    Queue,
    ResumeQueueRequest,
    ResumeQueueResponse,
)
from portaria.v1.admin_service_pb2_grpc import AdminServiceServicer

Context = aio.ServicerContext[Any, Any]


class AdminServicer(AdminServiceServicer):
    """What operators see and do."""

    def __init__(self, *, rules: Rules, store: PromptStore, namespace: str) -> None:
        self._rules = rules
        self._store = store
        self._purging = Purging(store, namespace=namespace)

    async def ListQueues(self, request: ListQueuesRequest, context: Context) -> ListQueuesResponse:
        self._rules.require(request)
        return ListQueuesResponse(queues=await self._queues(request.domain))

    async def PauseQueue(self, request: PauseQueueRequest, context: Context) -> PauseQueueResponse:
        self._rules.require(request)
        await self._queue(request.name)
        await self._store.run(calls.pause(request.name, reason=request.reason, by=ANONYMOUS))
        return PauseQueueResponse(queue=await self._queue(request.name))

    async def ResumeQueue(
        self, request: ResumeQueueRequest, context: Context
    ) -> ResumeQueueResponse:
        self._rules.require(request)
        await self._queue(request.name)
        await self._store.run(calls.resume(request.name))
        return ResumeQueueResponse(queue=await self._queue(request.name))

    async def PurgeQueue(self, request: PurgeQueueRequest, context: Context) -> PurgeQueueResponse:
        self._rules.require(request)
        place = place_of(request.page_token)
        if not request.page_token:
            await self._queue(request.name)
        purged, token = await self._purging.purge(request, place)
        return PurgeQueueResponse(purged=purged, remaining=bool(token), next_page_token=token)

    async def ListWorkers(
        self, request: ListWorkersRequest, context: Context
    ) -> ListWorkersResponse:
        self._rules.require(request)
        after, most = workers_after(request)
        found = await self._store.read(
            lambda store: list_workers(
                store.redis, domain=request.domain, after=after, most=most + 1
            )
        )
        return workers_page(found, most)

    async def _queues(self, domain: str) -> list[Queue]:
        found = await self._store.read(lambda store: list_queues(store.redis, domain=domain))
        return [queue_to_proto(each) for each in found]

    async def _queue(self, name: str) -> Queue:
        for queue in await self._queues(name.partition(":")[0]):
            if queue.name == name:
                return queue
        raise QueueNotFound(f'no queue "{name}": it never had a job, and no worker claims from it')
