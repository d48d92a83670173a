"""What Redis says when it cannot, in our words."""

from __future__ import annotations

import pytest
from redis import exceptions

from portaria.core.errors import StoreFull, StoreUnavailable
from portaria.store.faults import fault, says_not_now, translated

IN_SCRIPT = "Error running script (call to f_a1): @user_script:3: @user_script: 3: -{} words."


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError("refused"),
        TimeoutError("silent"),
        exceptions.ConnectionError("Connection closed by server."),
        exceptions.TimeoutError("Timeout reading from socket"),
        exceptions.BusyLoadingError("Redis is loading the dataset in memory"),
        exceptions.AuthenticationError("Authentication required."),
        exceptions.ReadOnlyError("You can't write against a read only replica."),
        exceptions.MasterDownError("Link with MASTER is down"),
        exceptions.NoPermissionError("this user has no permissions"),
        exceptions.ResponseError("MISCONF Errors writing to the AOF file"),
        exceptions.ResponseError("BUSY Redis is busy running a script."),
        exceptions.ResponseError(IN_SCRIPT.format("READONLY")),
        exceptions.ResponseError(IN_SCRIPT.format("NOREPLICAS")),
        exceptions.ResponseError(IN_SCRIPT.format("MISCONF")),
        exceptions.ResponseError("The user executing the script can't run this command, on a1:1."),
    ],
    ids=lambda error: f"{type(error).__name__} {str(error)[-25:]}",
)
def test_not_now_is_unavailable(error: Exception) -> None:
    """However redis-py wraps it. The cause is chained for the log, its words are not ours."""
    with pytest.raises(StoreUnavailable) as refusal, translated():
        raise error

    assert refusal.value.__cause__ is error
    assert str(error) not in refusal.value.message


@pytest.mark.parametrize(
    "error",
    [
        exceptions.OutOfMemoryError("command not allowed when used memory > 'maxmemory'."),
        exceptions.ResponseError(IN_SCRIPT.format("OOM command not allowed")),
    ],
)
def test_out_of_memory_is_full(error: Exception) -> None:
    """In a script and outside."""
    with pytest.raises(StoreFull), translated():
        raise error


@pytest.mark.parametrize(
    "error",
    [
        exceptions.ResponseError("WRONGTYPE Operation against a key"),
        exceptions.ResponseError("Error running script: attempt to compare nil with number"),
        exceptions.DataError("Invalid input of type"),
        exceptions.ResponseError("the field READONLY is odd"),
    ],
)
def test_a_mistake_of_ours_passes_as_it_is(error: Exception) -> None:
    """Nobody should repeat it."""
    assert fault(error) is None
    with pytest.raises(type(error)), translated():
        raise error


def test_what_is_no_failure_of_redis_passes() -> None:
    """The store translates only what it knows."""
    with pytest.raises(KeyError), translated():
        raise KeyError("x")


@pytest.mark.parametrize("text", ["", "NOSCRIPT No matching script.", "ERR unknown", "a -B c"])
def test_other_words_are_no_reason_to_wait(text: str) -> None:
    """They would be repeated for ever."""
    assert not says_not_now(text)
