"""Calls over a blocking channel. What to ask and when to ask again is decided elsewhere."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import timedelta
from random import Random
from typing import TypeVar, cast

import grpc

from portaria.client.channel import ProcessGuard, options_of, target_of
from portaria.client.paging import AnyPage, AnyPageRequest
from portaria.client.requests import a_length
from portaria.client.retries import Outage, UnaryAttempts
from portaria.client.statuses import FailedCall, error_of
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

_Request = TypeVar("_Request")
_Response = TypeVar("_Response")


class Calls:
    """One channel, opened at the first call; any number of threads may use it."""

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
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._guard = ProcessGuard()
        self._closed = False
        self._reached = False

    @property
    def stub(self) -> JobsServiceStub:
        """The service. Raises RuntimeError after close() and in a forked child."""
        return JobsServiceStub(self._open())

    def _open(self) -> grpc.Channel:
        with self._lock:
            if self._closed:
                raise RuntimeError("the client is closed")
            if self._channel is None:
                self._channel = self._new_channel()
                self._guard = ProcessGuard()
            self._guard.check()
            return self._channel

    def _new_channel(self) -> grpc.Channel:
        if self._pem is None:
            return grpc.insecure_channel(self._target, options=self._options)
        credentials = channel_credentials(self._pem)
        return grpc.secure_channel(self._target, credentials, options=self._options)

    def unary(
        self,
        method: Callable[[JobsServiceStub], grpc.UnaryUnaryMultiCallable[_Request, _Response]],
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
        return self._repeated(lambda: method(self.stub), request, timeout)

    def admin(
        self,
        method: Callable[[AdminServiceStub], grpc.UnaryUnaryMultiCallable[_Request, _Response]],
        request: _Request,
    ) -> _Response:
        """As `unary`, of the operators' service."""
        return self._repeated(lambda: method(AdminServiceStub(self._open())), request)

    def schedules(
        self,
        method: Callable[[SchedulesServiceStub], grpc.UnaryUnaryMultiCallable[_Request, _Response]],
        request: _Request,
    ) -> _Response:
        """As `unary`, of the service of schedules."""
        return self._repeated(lambda: method(SchedulesServiceStub(self._open())), request)

    def pages(
        self,
        method: Callable[[JobsServiceStub], grpc.UnaryUnaryMultiCallable[AnyPageRequest, AnyPage]],
        requests: Iterable[AnyPageRequest],
    ) -> Generator[AnyPage, None, None]:
        """Every page of the answer to each request, asked for when it is needed."""
        return _pages(lambda request: self.unary(method, request), requests)

    def admin_pages(
        self,
        method: Callable[[AdminServiceStub], grpc.UnaryUnaryMultiCallable[AnyPageRequest, AnyPage]],
        request: AnyPageRequest,
    ) -> Generator[AnyPage, None, None]:
        """As `pages`, of the operators' service."""
        return _pages(lambda request: self.admin(method, request), [request])

    def schedules_pages(
        self,
        method: Callable[
            [SchedulesServiceStub], grpc.UnaryUnaryMultiCallable[AnyPageRequest, AnyPage]
        ],
        request: AnyPageRequest,
    ) -> Generator[AnyPage, None, None]:
        """As `pages`, of the service of schedules."""
        return _pages(lambda request: self.schedules(method, request), [request])

    def _repeated(
        self,
        method: Callable[[], grpc.UnaryUnaryMultiCallable[_Request, _Response]],
        request: _Request,
        timeout: timedelta | None = None,
    ) -> _Response:
        within = self._timeout if timeout is None else timeout
        attempts = UnaryAttempts(within, clock=self._clock, rng=self._rng)
        while True:
            try:
                response = method()(request, timeout=attempts.seconds_left())
            except grpc.RpcError as failure:
                _pause(attempts.failed(self._error(failure, request)))
            else:
                self._reached = True
                return response

    def wait(self, job_id: str, timeout: timedelta | None) -> Job:
        """Long polls until the job is done."""
        session = WaitSession(
            job_id, deadline=Deadline(timeout, self._clock), outage=self._outage()
        )
        while True:
            try:
                response = self.stub.WaitJob(session.request(), timeout=session.seconds())
            except grpc.RpcError as failure:
                _pause(session.failed(self._error(failure)))
            else:
                self._reached = True
                if session.answered(response.job):
                    return response.job

    def watch(
        self, job_ids: Sequence[str], options: WatchOptions, timeout: timedelta | None
    ) -> Generator[JobEvent, None, None]:
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
                for frame in stream:
                    self._reached = True
                    yield from session.receive(frame)
                    if session.is_finished():
                        return
                wait = session.ended()
            except grpc.RpcError as failure:
                wait = session.failed(self._error(failure))
            finally:
                stream.cancel()
            _pause(wait)

    def close(self) -> None:
        """Ends all calls. Harmless when repeated."""
        with self._lock:
            self._closed = True
            if self._channel is not None:
                self._channel.close()

    def _outage(self) -> Outage:
        return Outage(
            at_first=self._patience if self._reached else self._timeout,
            patience=self._patience,
            clock=self._clock,
            rng=self._rng,
        )

    def _error(self, failure: grpc.RpcError, request: object = None) -> PortariaError:
        # What gRPC raises is the failed call itself, though its type does not say so.
        return error_of(cast("FailedCall", failure), self.address, request)


def _pages(
    ask: Callable[[AnyPageRequest], AnyPage], requests: Iterable[AnyPageRequest]
) -> Generator[AnyPage, None, None]:
    for request in requests:
        while True:
            page = ask(request)
            yield page
            if not page.next_page_token:
                break
            request.page_token = page.next_page_token


def _pause(wait: timedelta) -> None:
    time.sleep(wait.total_seconds())
