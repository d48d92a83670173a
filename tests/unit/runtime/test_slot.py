"""The page that a parent and its child share."""

from __future__ import annotations

import math

from portaria.runtime.slot import CANCEL, LOST, Slot


def test_what_the_child_writes_the_parent_reads() -> None:
    """The job in hand, and what was done so far."""
    slot = Slot()

    slot.begin("01a1fbc1-d936-7dd8-ac50-650c78416aa0", "token.7", 12.5)
    slot.arm(60.0)
    running = slot.running()
    slot.settle(succeeded=1, failed=0, seconds=0.5)
    slot.begin("01a1fbc1-d936-7dd8-ac50-650c78416aa1", "token.8", 13.5)
    slot.settle(succeeded=0, failed=1, seconds=0.25)

    assert running is not None
    assert running.job_id == "01a1fbc1-d936-7dd8-ac50-650c78416aa0"
    assert (running.token, running.began, running.timeout) == ("token.7", 12.5, 60.0)
    assert slot.running() is None
    counts = slot.counts()
    assert (counts.done, counts.failed, counts.busy_seconds) == (1, 1, 0.75)


def test_a_page_is_whole_between_writes() -> None:
    """So a frozen child that is not in the middle of one can be trusted."""
    slot = Slot()
    fresh = slot.is_whole()

    slot.begin("01a1fbc1-d936-7dd8-ac50-650c78416aa0", "token.7", 12.5)
    slot.arm(60.0)

    assert fresh
    assert slot.is_whole()


def test_a_word_is_about_one_hold_only() -> None:
    """What the parent says of a lost hold must not hit the next one, of the same job or another."""
    slot = Slot()
    first, second = "01a1fbc1-d936-7dd8-ac50-650c78416aa0", "01a1fbc1-d936-7dd8-ac50-650c78416aa1"

    slot.tell([(first, "t1", CANCEL), (second, "t2", LOST)])
    slot.renewed(99.5)
    slot.set_stop()

    assert slot.word_about(first, "t1") == CANCEL
    assert slot.word_about(first, "t2") == 0
    assert slot.word_about(second, "t1") == 0
    assert slot.word_about(second, "t2") == LOST
    slot.tell([(second, "t3", LOST)])
    assert slot.word_about(first, "t1") == 0
    assert (slot.last_renewal(), slot.stop, slot.paused) == (99.5, True, False)


def test_a_pause_can_end() -> None:
    """Unlike a stop."""
    slot = Slot()

    slot.set_paused(True)
    paused = slot.paused
    slot.set_paused(False)

    assert paused
    assert not slot.paused
    assert not slot.stop


def test_a_job_that_reports_is_still_in_hand_but_has_no_timeout() -> None:
    """Its handler returned, and the store does not know yet."""
    slot = Slot()
    slot.begin("01a1fbc1-d936-7dd8-ac50-650c78416aa0", "t1", 12.5)
    slot.arm(60.0)

    slot.arm(math.inf)
    running = slot.running()

    assert running is not None
    assert running.timeout == math.inf


def test_only_the_child_says_how_it_left() -> None:
    """A handler that ends the process says nothing."""
    slot = Slot()
    before = slot.left_with()

    slot.leave(12)

    assert (before, slot.left_with()) == (0, 12)
