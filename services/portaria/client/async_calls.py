"""Calls over an asyncio channel. What to ask and when to ask again is decided elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from datetime import timedelta
from random import Random
from typing import TYPE_CHECKING, TypeVar

import grpc
import grpc.aio

from portaria.client.channel import ProcessGuard, options_of, target_of
from portaria.client.paging import AnyPage, AnyPageRequest
from portaria.client.requests import a_length
from portaria.client.retries import Outage, UnaryAttempts
from portaria.client.statuses import error_of
from portaria.client.tls import channel_credentials
from portaria.client.waiting import Deadline, WaitSession
from portaria.client.watching import WatchOptions, WatchSession
from portaria.core.clock import SystemClock
from portaria.core.errors import PortariaError
from portaria.core.pem import Pem
from portaria.v1.admin_service_pb2_grpc import AdminServiceStub
from portaria.v1.job_pb2 import Job
from portaria.v1.jobs_service_pb2 import JobEvent
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from portaria.v1.schedules_service_pb2_grpc import SchedulesServiceStub

if TYPE_CHECKING:
    from portaria.v1.admin_service_pb2_grpc import AdminServiceAsyncStub
    from portaria.v1.jobs_service_pb2_grpc import JobsServiceAsyncStub
    from portaria.v1.schedules_service_pb2_grpc import SchedulesServiceAsyncStub

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class AsyncCalls:
    """One channel, opened at the first call and bound to the event loop of that moment."""

    def __init__(
        self, address: str, *, timeout: timedelta, patience: timedelta, pem: Pem | None
    ) -> None:
        self.address = address
        self._pem = pem
        self._target = target_of(address)
        self._options = options_of(self._target, tls=pem is not None)
        self._timeout = a_length(timeout)
        self._patience = a_length(patience)
        self._clock = SystemClock()
        self._rng = Random()
        self._channel: grpc.aio.Channel | None = None
        self._guard = ProcessGuard()
        self._closed = False
        self._reached = False

    @property
    def stub(self) -> JobsServiceAsyncStub:
        """The service. Raises RuntimeError after close() and in a forked child."""
        return JobsServiceStub(self._open())

    def _open(self) -> grpc.aio.Channel:
        if self._closed:
            raise RuntimeError("the client is closed")
        if self._channel is None:
            self._channel = self._new_channel()
            self._guard = ProcessGuard()
        self._guard.check()
        return self._channel

    def _new_channel(self) -> grpc.aio.Channel:
        if self._pem is None:
            return grpc.aio.insecure_channel(self._target, options=self._options)
        credentials = channel_credentials(self._pem)
        return grpc.aio.secure_channel(self._target, credentials, options=self._options)

    async def unary(
        self,
        method: Callable[
            [JobsServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]
        ],
        request: _Request,
        *,
        within: timedelta | None = None,
        at_least: timedelta = timedelta(),
    ) -> _Response:
        """One call, repeated inside the client's timeout, or a shorter one, where that may help.

        `at_least` is what a call about much may take, however short the client's timeout is.
        """
        timeout = max(self._timeout, at_least)
        if within is not None:
            timeout = min(timeout, within)
        return await self._repeated(lambda: method(self.stub), request, timeout)

    async def admin(
        self,
        method: Callable[
            [AdminServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]
        ],
        request: _Request,
    ) -> _Response:
        """As `unary`, of the operators' service."""
        return await self._repeated(lambda: method(AdminServiceStub(self._open())), request)

    async def schedules(
        self,
        method: Callable[
            [SchedulesServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]
        ],
        request: _Request,
    ) -> _Response:
        """As `unary`, of the service of schedules."""
        return await self._repeated(lambda: method(SchedulesServiceStub(self._open())), request)

    def pages(
        self,
        method: Callable[
            [JobsServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[AnyPageRequest, AnyPage]
        ],
        requests: Iterable[AnyPageRequest],
    ) -> AsyncGenerator[AnyPage, None]:
        """Every page of the answer to each request, asked for when it is needed."""
        return _pages(lambda request: self.unary(method, request), requests)

    def admin_pages(
        self,
        method: Callable[
            [AdminServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[AnyPageRequest, AnyPage]
        ],
        request: AnyPageRequest,
    ) -> AsyncGenerator[AnyPage, None]:
        """As `pages`, of the operators' service."""
        return _pages(lambda request: self.admin(method, request), [request])

    def schedules_pages(
        self,
        method: Callable[
            [SchedulesServiceAsyncStub], grpc.aio.UnaryUnaryMultiCallable[AnyPageRequest, AnyPage]
        ],
        request: AnyPageRequest,
    ) -> AsyncGenerator[AnyPage, None]:
        """As `pages`, of the service of schedules."""
        return _pages(lambda request: self.schedules(method, request), [request])

    async def _repeated(
        self,
        method: Callable[[], grpc.aio.UnaryUnaryMultiCallable[_Request, _Response]],
        request: _Request,
        timeout: timedelta | None = None,
    ) -> _Response:
        within = self._timeout if timeout is None else timeout
        attempts = UnaryAttempts(within, clock=self._clock, rng=self._rng)
        while True:
            try:
                response = await method()(request, timeout=attempts.seconds_left())
            except grpc.aio.AioRpcError as failure:
                await _pause(attempts.failed(self._error(failure, request)))
            else:
                self._reached = True
                return response

    async def wait(self, job_id: str, timeout: timedelta | None) -> Job:
        """Long polls until the job is done."""
        session = WaitSession(
            job_id, deadline=Deadline(timeout, self._clock), outage=self._outage()
        )
        while True:
            try:
                response = await self.stub.WaitJob(session.request(), timeout=session.seconds())
            except grpc.aio.AioRpcError as failure:
                await _pause(session.failed(self._error(failure)))
            else:
                self._reached = True
                if session.answered(response.job):
                    return response.job

    async def watch(
        self, job_ids: Sequence[str], options: WatchOptions, timeout: timedelta | None
    ) -> AsyncGenerator[JobEvent, None]:
        """Streams, one after the other, until all the jobs are done."""
        session = WatchSession(
            job_ids,
            options,
            deadline=Deadline(timeout, self._clock),
            outage=self._outage(),
        )
        while not session.is_finished():
            stream = self.stub.WatchJobs(session.request(), timeout=session.seconds())
            try:
                async for frame in stream:
                    self._reached = True
                    for event in session.receive(frame):
                        yield event
                    if session.is_finished():
                        return
                wait = session.ended()
            except grpc.aio.AioRpcError as failure:
                wait = session.failed(self._error(failure))
            finally:
                stream.cancel()
            await _pause(wait)

    async def close(self) -> None:
        """Ends all calls. Harmless when repeated."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close()

    def _outage(self) -> Outage:
        return Outage(
            at_first=self._patience if self._reached else self._timeout,
            patience=self._patience,
            clock=self._clock,
            rng=self._rng,
        )

    def _error(self, failure: grpc.aio.AioRpcError, request: object = None) -> PortariaError:
        return error_of(failure, self.address, request)


async def _pages(
    ask: Callable[[AnyPageRequest], Awaitable[AnyPage]], requests: Iterable[AnyPageRequest]
) -> AsyncGenerator[AnyPage, None]:
    for request in requests:
        while True:
            page = await ask(request)
            yield page
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token


async def _pause(wait: timedelta) -> None:
    await asyncio.sleep(wait.total_seconds())
