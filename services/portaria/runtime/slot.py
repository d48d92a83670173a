"""What a parent and its child tell each other without a system call: a page of shared memory.

The child writes the upper half, the parent the lower; each half has one writer. `before` and
`after` bracket the child's writes: where they differ, the child was stopped in the middle of one.
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass

# before, began, timeout, job id, token, done, failed, busy seconds, after
_CHILD = struct.Struct("<Qdd36s32sQQdQ")
_TIMEOUT, _TIMEOUT_AT = struct.Struct("<d"), 16
_PARENT_AT = 1024
# last renewal
_RENEWED = struct.Struct("<d")
_STOP_AT, _PAUSED_AT, _RETIRE_AT = range(_PARENT_AT + _RENEWED.size, _PARENT_AT + _RENEWED.size + 3)
# hold (job id, token), and a word about it
_WORD = struct.Struct("<36s32sB")
_TOLD_AT, _WORDS_AT = 1080, 1088
MOST_WORDS = 16
# how the child ended, in its own words, and how slow its slowest job was of late
_EXIT_AT = 3072
_PACE = struct.Struct("<d")

LOST, CANCEL = 1, 2


@dataclass(frozen=True, slots=True)
class Running:
    """The job that a child runs."""

    job_id: str
    token: str
    began: float
    """Monotonic seconds, the same clock in parent and child."""
    timeout: float


@dataclass(frozen=True, slots=True)
class Counts:
    """What a child did in its life."""

    done: int
    failed: int
    busy_seconds: float


class Slot:
    """One child's page. Made before the fork, so that both have it."""

    def __init__(self) -> None:
        self._page = mmap.mmap(-1, mmap.PAGESIZE)
        self._writes = 0
        self._done = self._failed = 0
        self._busy = 0.0

    def close(self) -> None:
        """Gives the page back."""
        self._page.close()

    # --- the child writes -----------------------------------------------------------------------

    def begin(self, job_id: str, token: str, began: float) -> None:
        """A job begins; no timeout counts yet."""
        self._write(job_id, token, began, math.inf)

    def arm(self, timeout: float) -> None:
        """From its begin on, a timeout counts; with infinity, none: its handler has returned, and
        the store does not know yet, so it may not be begun again free of charge.
        """
        _TIMEOUT.pack_into(self._page, _TIMEOUT_AT, timeout)  # one word: always whole

    def settle(self, *, succeeded: int, failed: int, seconds: float) -> None:
        """The store knows of all that ran; nothing is in hand."""
        self._done += succeeded
        self._failed += failed
        self._busy += seconds
        self._write("", "", 0.0, 0.0)

    def _write(self, job_id: str, token: str, began: float, timeout: float) -> None:
        self._writes += 1
        page, count = self._page, self._writes
        struct.pack_into("<Q", page, 0, count)
        _CHILD.pack_into(
            page, 0, count, began, timeout, job_id.encode(), token.encode(), self._done,
            self._failed, self._busy, count - 1,
        )  # fmt: skip
        struct.pack_into("<Q", page, _CHILD.size - 8, count)

    def leave(self, status: int, slowest: float | None = None) -> None:
        """The child ends of its own will, with this exit status; what it knows of its jobs' pace
        is for the one after it.
        """
        _PACE.pack_into(self._page, _EXIT_AT + 8, math.nan if slowest is None else slowest)
        self._page[_EXIT_AT] = status

    # --- the parent reads -----------------------------------------------------------------------

    def is_whole(self) -> bool:
        """Whether the child is not in the middle of a write."""
        row = _CHILD.unpack_from(self._page, 0)
        return bool(row[0] == row[-1])

    def running(self) -> Running | None:
        """The job in hand; only sure while the child is stopped and `is_whole`."""
        _, began, timeout, job_id, token, *_ = _CHILD.unpack_from(self._page, 0)
        name = job_id.rstrip(b"\0").decode()
        return Running(name, token.rstrip(b"\0").decode(), began, timeout) if name else None

    def left_with(self) -> int:
        """What `leave` said; 0 where the child ended otherwise."""
        return self._page[_EXIT_AT]

    def pace_left(self) -> float | None:
        """The slowest of its last jobs, in seconds, where `leave` said so."""
        (slowest,) = _PACE.unpack_from(self._page, _EXIT_AT + 8)
        return None if not self.left_with() or math.isnan(slowest) else float(slowest)

    def counts(self) -> Counts:
        """What the child did so far."""
        row = _CHILD.unpack_from(self._page, 0)
        return Counts(row[5], row[6], row[7])

    # --- the parent writes ----------------------------------------------------------------------

    def renewed(self, moment: float) -> None:
        """The leases of this child were prolonged."""
        _RENEWED.pack_into(self._page, _PARENT_AT, moment)

    def tell(self, words: Sequence[tuple[str, str, int]]) -> None:
        """LOST or CANCEL, each about one hold (job id, token); replaces what was told before."""
        page = self._page
        for number in range(MOST_WORDS):
            at = _WORDS_AT + number * _WORD.size
            page[at + _WORD.size - 1] = 0  # first, so that no hold is given another one's word
            if number < len(words):
                job_id, token, word = words[number]
                _WORD.pack_into(page, at, job_id.encode(), token.encode(), 0)
                page[at + _WORD.size - 1] = word
        page[_TOLD_AT] = min(len(words), MOST_WORDS)

    def set_stop(self) -> None:
        """The child ends after the job in hand."""
        self._page[_STOP_AT] = 1

    def set_retire(self) -> None:
        """The child ends after the job in hand, and a fresh one takes over."""
        self._page[_RETIRE_AT] = 1

    def set_paused(self, paused: bool) -> None:
        """The child claims nothing while this is set."""
        self._page[_PAUSED_AT] = int(paused)

    # --- the child reads ------------------------------------------------------------------------

    def last_renewal(self) -> float:
        """Monotonic moment of the last renewal; 0 before the first."""
        return float(_RENEWED.unpack_from(self._page, _PARENT_AT)[0])

    def word_about(self, job_id: str, token: str) -> int:
        """LOST, CANCEL or 0."""
        page = self._page
        for number in range(page[_TOLD_AT]):  # most often none: this is asked all the time
            at = _WORDS_AT + number * _WORD.size
            word = page[at + _WORD.size - 1]
            if word:
                about, held, _ = _WORD.unpack_from(page, at)
                if (about, held.rstrip(b"\0")) == (job_id.encode(), token.encode()):
                    return word
        return 0

    @property
    def stop(self) -> bool:
        """Whether the child is to end."""
        return self._page[_STOP_AT] == 1

    @property
    def retire(self) -> bool:
        """Whether the child is to make place for a fresh one."""
        return self._page[_RETIRE_AT] == 1

    @property
    def paused(self) -> bool:
        """Whether the child is to claim nothing."""
        return self._page[_PAUSED_AT] == 1
