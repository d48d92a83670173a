"""What a handler may raise, and the reasons that follow from it."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portaria.jobs import (
    HoldLost,
    JobCancelled,
    JobError,
    OutcomeUnknown,
    PermanentError,
    RetryLater,
    SoftTimeout,
)
from portaria.jobs.errors import reason_of

REASON = re.compile(r"[A-Z][A-Z0-9_]{0,62}\Z")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("ValueError", "VALUE_ERROR"),
        ("ConnectionResetError", "CONNECTION_RESET_ERROR"),
        ("SMTPServerDisconnected", "SMTP_SERVER_DISCONNECTED"),
        ("HTTP2Error", "HTTP2_ERROR"),
        ("Timeout", "TIMEOUT"),
        ("timeout", "TIMEOUT"),
        ("_Hidden", "HIDDEN"),
        ("Erro_de_Ligação", "ERRO_DE_LIGA__O"),
        ("誤り", "ERROR"),
        ("E" * 80, "E" * 63),
    ],
)
def test_the_reason_of_an_exception_is_its_class(name: str, reason: str) -> None:
    """In UPPER_SNAKE, at most 63 characters, never empty."""
    assert reason_of(type(name, (Exception,), {})) == reason


@given(name=st.text(min_size=1).filter(lambda text: "\0" not in text))
def test_every_class_has_a_valid_reason(name: str) -> None:
    """Whatever a library calls its exceptions."""
    assert REASON.match(reason_of(type(name, (Exception,), {})))


def test_a_reason_and_a_message() -> None:
    """Both are kept."""
    error = PermanentError("NO_SUCH_CUSTOMER", "there is no such customer")

    assert (error.reason, str(error)) == ("NO_SUCH_CUSTOMER", "there is no such customer")


def test_a_reason_alone_is_also_the_message() -> None:
    """Better than nothing."""
    assert str(JobError("NO_STOCK")) == "NO_STOCK"


def test_a_sentence_in_the_place_of_a_reason_is_the_message() -> None:
    """Its reason is then the class."""
    error = PermanentError("there is no such customer")

    assert (error.reason, str(error)) == ("PERMANENT_ERROR", "there is no such customer")


def test_a_class_of_a_domain_gives_its_own_reason() -> None:
    """Where the reason is no reason."""

    class StockEmpty(JobError):
        pass

    assert StockEmpty("nothing left").reason == "STOCK_EMPTY"


def test_retry_later_keeps_its_delay() -> None:
    """And says it."""
    error = RetryLater(timedelta(minutes=5))

    assert (error.delay, error.reason) == (timedelta(minutes=5), "RETRY_LATER")
    assert "0:05:00" in str(error)
    assert str(RetryLater(timedelta(), "too early")) == "too early"


def test_an_unknown_outcome_says_so() -> None:
    """With a constant reason."""
    assert OutcomeUnknown().reason == OutcomeUnknown("the reply was cut").reason
    assert str(OutcomeUnknown("the reply was cut")) == "the reply was cut"


@pytest.mark.parametrize("interruption", [SoftTimeout, JobCancelled, HoldLost])
def test_interruptions_pass_an_except_exception(interruption: type[BaseException]) -> None:
    """A handler that swallows every error does not swallow these."""
    assert not issubclass(interruption, Exception)
