"""progress: the latest word of a running job, kept always, told while somebody watches."""

from __future__ import annotations

from typing import Any

import pytest

from conformance.kernel import Kernel, ended
from portaria.store import calls, keys
from portaria.store.events import parse_progress


def test_the_latest_report_is_kept_with_the_job(kernel: Kernel) -> None:
    """A later one replaces it."""
    kernel.submit("j1")
    claim = kernel.claim()

    assert _report(kernel, claim.token, b"\x00one") == "held"
    assert _report(kernel, claim.token, b"two") == "held"

    assert kernel.record("j1").progress == b"two"
    assert kernel.told("j1") == ["PENDING", "RUNNING"]


def test_nothing_is_told_while_nobody_watches(kernel: Kernel) -> None:
    """The stream costs nothing then."""
    kernel.submit("j1")

    _report(kernel, kernel.claim().token)

    assert not kernel.redis.exists(keys.PROGRESS)


def test_watchers_are_told(kernel: Kernel) -> None:
    """With what they select by, and the report itself."""
    kernel.submit("j1", labels=[("tenant", "a b")])
    kernel.redis.set(keys.WATCHED, "1", ex=30)

    _report(kernel, kernel.claim().token, b"\x01\xffreport")

    ((_, fields),) = _stream(kernel)
    event = parse_progress(fields[b"p"], fields[b"b"])
    assert (event.job_id, event.attempt, event.report) == ("j1", 1, b"\x01\xffreport")
    assert event.tag == kernel.record("j1").tag
    assert not event.cancelling


def test_watchers_are_told_of_a_run_that_was_asked_to_end(kernel: Kernel) -> None:
    """It goes on reporting, and is not taken for one that was not."""
    kernel.submit("j1")
    kernel.redis.set(keys.WATCHED, "1", ex=30)
    token = kernel.claim().token
    kernel.cancel("j1")

    assert _report(kernel, token) == "cancel"

    ((_, fields),) = _stream(kernel)
    assert parse_progress(fields[b"p"], fields[b"b"]).cancelling


@pytest.mark.parametrize("token", ["", "stale"])
def test_a_lost_hold_reports_nothing(kernel: Kernel, token: str) -> None:
    """The run that lost its job hears so, and changes nothing."""
    kernel.submit("j1")
    kernel.claim()
    kernel.redis.set(keys.WATCHED, "1", ex=30)

    assert _report(kernel, token) == "lost"
    assert kernel.record("j1").progress == b""
    assert not kernel.redis.exists(keys.PROGRESS)


def test_a_job_that_nobody_holds_takes_no_report(kernel: Kernel) -> None:
    """An empty token is no password."""
    kernel.submit("j1")

    assert _report(kernel, "") == "lost"
    assert kernel.record("j1").progress == b""


def test_a_finished_job_takes_no_report(kernel: Kernel) -> None:
    """A report on its way when the job ended is late."""
    kernel.submit("j1")
    claim = kernel.claim()
    kernel.turn("ana", ended(claim, progress=b"last"))

    assert _report(kernel, claim.token) == "lost"
    assert _report(kernel, "") == "lost"
    assert kernel.record("j1").progress == b"last"


def test_a_removed_job_takes_no_report(kernel: Kernel) -> None:
    """No hash comes into being."""
    assert _report(kernel, "t") == "lost"
    assert not kernel.redis.exists(keys.job("j1"))


def test_a_cancelled_run_hears_of_it(kernel: Kernel) -> None:
    """Its report is kept all the same."""
    kernel.submit("j1")
    claim = kernel.claim()
    kernel.change("j1", state="CANCELLING")

    assert _report(kernel, claim.token, b"so far") == "cancel"
    assert kernel.record("j1").progress == b"so far"


def _report(kernel: Kernel, token: str, report: bytes = b"report") -> str:
    return kernel.store.run(calls.progress("j1", token, report))


def _stream(kernel: Kernel) -> list[Any]:
    entries: Any = kernel.redis.xrange(keys.PROGRESS)
    return list(entries)
