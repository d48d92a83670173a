"""Assertions on what was submitted, and what they say when they fail."""

from __future__ import annotations

from datetime import timedelta

import pytest

from acme_jobs.lab.v1.lab_pb2 import Echo, Fail, Noop, Steps
from portaria.testing import EagerPlatform


@pytest.fixture(autouse=True)
def _submitted(portaria: EagerPlatform) -> None:
    portaria.submit(Echo(text="a"), priority="high", labels={"team": "x"})
    portaria.submit(Echo(text="b"))
    portaria.submit(Steps(count=3), delay=timedelta(minutes=1))


def test_what_was_submitted_is_found(portaria: EagerPlatform) -> None:
    """By its payload, its type, or some of its fields; with how it was handed in."""
    assert portaria.submitted(Echo) == [Echo(text="a"), Echo(text="b")]
    assert portaria.assert_submitted(Echo, times=2).payload == Echo(text="b")
    high = portaria.assert_submitted(Echo(text="a"), priority="high", labels={"team": "x"})
    assert high.id == portaria.jobs()[0].id
    assert portaria.assert_submitted(Steps, count=3).next_at == portaria.now + timedelta(minutes=1)
    portaria.assert_not_submitted(Fail)
    portaria.assert_not_submitted(Echo, text="c")


def test_what_is_missing_is_told_with_what_is_there(portaria: EagerPlatform) -> None:
    """A line a job, with its fields and its state."""
    with pytest.raises(AssertionError) as missing:
        portaria.assert_submitted(Echo, text="c")
    with pytest.raises(AssertionError) as wrong_way:
        portaria.assert_submitted(Echo(text="b"), priority="low", labels={"team": "x"})
    due = (portaria.now + timedelta(minutes=1)).isoformat(timespec="milliseconds")

    assert str(missing.value) == (
        "expected Echo(text='c'); submitted were:\n"
        "  Echo(text: \"a\")  PENDING, high, {'team': 'x'}\n"
        '  Echo(text: "b")  PENDING, default\n'
        f"  Steps(count: 3)  SCHEDULED, default, due {due}"
    )
    assert "Echo(text: \"b\"), priority low, labels {'team': 'x'}; " in str(wrong_way.value)


def test_another_number_is_told(portaria: EagerPlatform) -> None:
    """None is a number, too."""
    with pytest.raises(AssertionError, match=r"expected 3 × Echo\(\); found 2 of them; submitted"):
        portaria.assert_submitted(Echo, times=3)
    with pytest.raises(AssertionError, match=r"expected 1 × Noop\(\); found 0"):
        portaria.assert_submitted(Noop, times=1)


def test_what_should_not_be_there_is_told(portaria: EagerPlatform) -> None:
    """Of a type, or at all."""
    with pytest.raises(AssertionError, match=r"expected no Echo\(text='a'\), found:\n  Echo\(text"):
        portaria.assert_not_submitted(Echo, text="a")
    with pytest.raises(AssertionError, match=r"expected no job, found:(\n  .*){3}$"):
        portaria.assert_not_submitted()


def test_an_empty_platform_says_so() -> None:
    """Instead of an empty list."""
    with EagerPlatform() as empty:
        assert str(empty) == "no job was submitted"
        with pytest.raises(AssertionError, match="nothing was submitted"):
            empty.assert_submitted(Noop)


def test_a_field_that_a_type_has_not_is_a_mistake_of_the_test(portaria: EagerPlatform) -> None:
    """It would never match, and would pass for ever in assert_not_submitted."""
    with pytest.raises(TypeError, match="Echo has no field txt"):
        portaria.assert_not_submitted(Echo, txt="a")
    with pytest.raises(TypeError, match="a whole message"):
        portaria.assert_submitted(Echo(text="a"), text="a")


def test_why_a_job_failed_stands_with_it(portaria: EagerPlatform) -> None:
    """In each listing."""
    portaria.answer(Fail, ValueError("no such shelf"))
    portaria.submit(Fail())
    portaria.run_all()

    line = str(portaria).splitlines()[-1]
    assert line == "  Fail()  FAILED, default, attempt 3, VALUE_ERROR: no such shelf"
