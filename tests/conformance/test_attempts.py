"""The attempts that did not succeed are kept: number, worker, moments, why, and what followed."""

from __future__ import annotations

from conformance.kernel import Kernel, ended
from portaria.core.states import State
from portaria.store import Verdict
from portaria.store.record import PastAttempt, attempts


def past(kernel: Kernel, job_id: str = "j1") -> list[PastAttempt]:
    return attempts(kernel.record(job_id).past)


def test_a_success_at_once_leaves_nothing(kernel: Kernel) -> None:
    """Which is nearly every job."""
    kernel.submit("j1")
    kernel.turn("ana", ended(kernel.claim()), want=0)

    assert kernel.record("j1").past == b""


def test_each_failure_is_kept_with_its_own_words(kernel: Kernel) -> None:
    """Whatever bytes they are; a last success adds none."""
    words = (b"one\nwith a line 7\n", b"\x00\xff" * 40, b"")
    kernel.submit("j1")
    for number, why in enumerate(words, 1):
        worker = f"w{number}"
        end = ended(kernel.claim(worker), Verdict.RETRY, wait_ms=60_000, failure=why)
        kernel.turn(worker, end, want=0)
        assert kernel.record("j1").due_ms == past(kernel)[-1].due_ms
        kernel.make_due("j1")
        kernel.promote()
    kernel.turn("ana", ended(kernel.claim()), want=0)

    found = past(kernel)
    assert [(each.number, each.worker, each.failure) for each in found] == [
        (1, "w1", words[0]), (2, "w2", words[1]), (3, "w3", words[2]),
    ]  # fmt: skip
    assert all(0 < each.started_ms <= each.ended_ms < each.due_ms for each in found)
    assert kernel.record("j1").state is State.SUCCEEDED


def test_the_last_failure_has_no_attempt_after_it(kernel: Kernel) -> None:
    """And comes once, also where its end is sent again."""
    kernel.submit("j1")
    end = ended(kernel.claim(), Verdict.FAILED, failure=b"no")
    kernel.turn("ana", end, want=0)
    kernel.turn("ana", end, want=0)

    assert [(each.number, each.due_ms, each.what) for each in past(kernel)] == [(1, 0, "")]


def test_crashes_and_losses_are_attempts_too(kernel: Kernel) -> None:
    """Of the worker that had begun them; who only held a job had no attempt."""
    kernel.submit("j1")
    kernel.submit("held")
    kernel.turn("ana", want=2)
    kernel.recover("ana", begun="j1", crashed=True)
    assert kernel.claim("rui", lease_ms=0).job_id == "j1"
    kernel.reap_now()

    found = past(kernel)
    assert [(each.number, each.worker, each.what) for each in found] == [
        (1, "ana", "crashes"),
        (2, "rui", "losts"),
    ]
    assert all(0 < each.started_ms <= each.ended_ms for each in found)
    assert past(kernel, "held") == []


def test_what_grows_too_long_loses_its_oldest(kernel: Kernel) -> None:
    """16 KiB in all; one that is longer is kept alone."""
    kernel.submit("j1", max_attempts=10)
    for number in range(1, 8):
        end = ended(kernel.claim(), Verdict.RETRY, wait_ms=1, failure=bytes([number]) * 5_000)
        kernel.turn("ana", end, want=0)
        kernel.make_due("j1")
        kernel.promote()
    assert [each.number for each in past(kernel)] == [5, 6, 7]

    end = ended(kernel.claim(), Verdict.FAILED, failure=b"x" * 20_000)
    kernel.turn("ana", end, want=0)
    assert [(each.number, len(each.failure)) for each in past(kernel)] == [(8, 20_000)]


def test_what_is_spoilt_is_read_up_to_there() -> None:
    """Other tools may write anything into a hash."""
    good = b"1 5 6 0 - 2 w\nno"
    assert [each.failure for each in attempts(good + b"nonsense")] == [b"no"]
    assert attempts(b"\xff\n") == attempts(b"1 2 3\n") == []
