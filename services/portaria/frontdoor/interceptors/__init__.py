"""What surrounds every call, one concern a file; the order is that of `chain`."""

from __future__ import annotations

from collections.abc import Callable

from grpc import aio

from portaria.frontdoor.drain import Drain
from portaria.frontdoor.interceptors.access import AccessLog
from portaria.frontdoor.interceptors.deadline import Deadline
from portaria.frontdoor.interceptors.draining import Draining
from portaria.frontdoor.interceptors.errors import Errors
from portaria.frontdoor.interceptors.left_early import LeftEarly
from portaria.frontdoor.interceptors.request_id import RequestId


def chain(drain: Drain, keeps: Callable[[], bool]) -> list[aio.ServerInterceptor]:
    """From the outermost to the innermost. Errors is outside of all that may raise.

    `keeps`: see LeftEarly.
    """
    return [LeftEarly(keeps), RequestId(), AccessLog(), Errors(), Draining(drain), Deadline()]
