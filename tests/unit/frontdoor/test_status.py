"""Every kind of error has a status, and every status fits into an answer."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from portaria.core import errors
from portaria.core.errors import InvalidRequest, PortariaError, StoreFull, Violation
from portaria.frontdoor.status import CODES, code_of, status_of
from portaria.v1.errors_pb2 import ErrorReason

_REASONS = set(ErrorReason.keys())


def _kinds() -> Iterator[type[PortariaError]]:
    for _, value in inspect.getmembers(errors, inspect.isclass):
        if issubclass(value, PortariaError):
            yield value


def _made(kind: type[PortariaError]) -> PortariaError:
    if issubclass(kind, InvalidRequest):
        return kind([Violation("a.b", "REQUIRED", "is required")])
    return kind("it went wrong")


def _details(status: status_pb2.Status) -> dict[str, Message]:
    found = {}
    for packed in status.details:
        kind = getattr(error_details_pb2, packed.TypeName().rpartition(".")[2])
        message = kind()
        packed.Unpack(message)
        found[kind.__name__] = message
    return found


@pytest.mark.parametrize("kind", list(_kinds()), ids=lambda kind: kind.__name__)
def test_every_kind_has_a_code_of_its_own_and_a_reason_of_the_contract(
    kind: type[PortariaError],
) -> None:
    """A new kind without a line in the table fails here."""
    assert kind in CODES
    status = status_of(_made(kind))

    info = _details(status)["ErrorInfo"]

    assert status.code == CODES[kind].value[0]
    assert info.domain == "portaria.v1"
    at_start_only = kind is errors.ConfigurationError
    assert at_start_only or f"ERROR_REASON_{info.reason}" in _REASONS


def test_a_kind_of_a_kind_has_its_parents_code() -> None:
    """A subclass elsewhere is not INTERNAL by mistake."""

    class Special(errors.NotFound):
        pass

    assert code_of(Special("x")) is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize(
    "kind",
    [errors.StoreUnavailable, StoreFull, errors.ShuttingDown, errors.SlowWatcher],
)
def test_what_passes_says_when_to_try_again(kind: type[PortariaError]) -> None:
    """RetryInfo, longer than no time."""
    retry = _details(status_of(_made(kind)))["RetryInfo"]

    assert retry.retry_delay.ToMilliseconds() > 0


def test_violations_are_told_as_far_as_they_fit() -> None:
    """Twenty at most, fewer where they are long; always one."""
    short = [Violation(f"f{number}", "X", "y") for number in range(30)]
    long = [Violation("f" * 200, "X", "y" * 300) for _ in range(30)]
    huge = [Violation("f", "X", "y" * 9_000)]

    told = [
        len(_details(status_of(InvalidRequest(each)))["BadRequest"].field_violations)
        for each in (short, long, huge)
    ]

    assert told[0] == 20
    assert 1 < told[1] < 10
    assert told[2] == 1
