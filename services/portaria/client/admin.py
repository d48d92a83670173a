"""What operators ask of a door, and the part of each client that asks it."""

from __future__ import annotations

from datetime import timedelta

from portaria.client.async_calls import AsyncCalls
from portaria.client.calls import Calls
from portaria.client.requests import duration
from portaria.v1.admin_service_pb2 import (
    ListQueuesRequest,
    ListWorkersRequest,
    PauseQueueRequest,
    PurgeQueueRequest,
    Queue,
    ResumeQueueRequest,
    Worker,
)

_PAGE = 1_000


def purge_request(
    queue: str, *, dead_letter: bool, older_than: timedelta | None
) -> PurgeQueueRequest:
    """One slice of a purge, confirmed."""
    request = PurgeQueueRequest(name=queue, dead_letter=dead_letter, confirm=True)
    if older_than is not None:
        request.older_than.CopyFrom(duration(older_than))
    return request


class Operations:
    """The operators' part of Client."""

    _calls: Calls

    def queues(self, domain: str = "") -> list[Queue]:
        """Every queue that ever had a job or has a worker; of one domain, where it is given."""
        request = ListQueuesRequest(domain=domain)
        return list(self._calls.admin(lambda stub: stub.ListQueues, request).queues)

    def workers(self, domain: str = "") -> list[Worker]:
        """The workers that live, and those that were lost in the last half minute, by name."""
        request = ListWorkersRequest(domain=domain, page_size=_PAGE)
        pages = self._calls.admin_pages(lambda stub: stub.ListWorkers, request)
        return [worker for each in pages for worker in each.workers]

    def pause(self, queue: str, reason: str = "") -> Queue:
        """Lets no worker claim from a queue, "mail:low"; what runs goes on.

        Raises QueueNotFound and InvalidRequest, as `resume` and `purge` do.
        """
        request = PauseQueueRequest(name=queue, reason=reason)
        return self._calls.admin(lambda stub: stub.PauseQueue, request).queue

    def resume(self, queue: str) -> Queue:
        """Undoes a pause; nothing happens where there is none."""
        request = ResumeQueueRequest(name=queue)
        return self._calls.admin(lambda stub: stub.ResumeQueue, request).queue

    def purge(
        self, queue: str, *, dead_letter: bool = False, older_than: timedelta | None = None
    ) -> int:
        """Cancels what waits in a queue, or forgets its failed jobs; answers how many.

        With `older_than` only what was submitted, or failed, longer ago. There is no way back.
        """
        request = purge_request(queue, dead_letter=dead_letter, older_than=older_than)
        pages = self._calls.admin_pages(lambda stub: stub.PurgeQueue, request)
        return sum(each.purged for each in pages)


class AsyncOperations:
    """The operators' part of AsyncClient: as Operations."""

    _calls: AsyncCalls

    async def queues(self, domain: str = "") -> list[Queue]:
        """As Client.queues."""
        request = ListQueuesRequest(domain=domain)
        return list((await self._calls.admin(lambda stub: stub.ListQueues, request)).queues)

    async def workers(self, domain: str = "") -> list[Worker]:
        """As Client.workers."""
        request = ListWorkersRequest(domain=domain, page_size=_PAGE)
        pages = self._calls.admin_pages(lambda stub: stub.ListWorkers, request)
        return [worker async for each in pages for worker in each.workers]

    async def pause(self, queue: str, reason: str = "") -> Queue:
        """As Client.pause."""
        request = PauseQueueRequest(name=queue, reason=reason)
        return (await self._calls.admin(lambda stub: stub.PauseQueue, request)).queue

    async def resume(self, queue: str) -> Queue:
        """As Client.resume."""
        request = ResumeQueueRequest(name=queue)
        return (await self._calls.admin(lambda stub: stub.ResumeQueue, request)).queue

    async def purge(
        self, queue: str, *, dead_letter: bool = False, older_than: timedelta | None = None
    ) -> int:
        """As Client.purge."""
        request = purge_request(queue, dead_letter=dead_letter, older_than=older_than)
        pages = self._calls.admin_pages(lambda stub: stub.PurgeQueue, request)
        return sum([each.purged async for each in pages])
