"""What a parent and its child tell each other without a system call: a page of shared memory.

The child writes the upper half, the parent the lower; each half has one writer. `before` and
`after` bracket the child's writes: where they differ, the child was stopped in the middle of one.
"""

from __future__ import annotations

import math
import mmap
import struct
from dataclasses import dataclass

# before, began, timeout, job id, token, done, failed, busy seconds, after
_CHILD = struct.Struct("<Qdd36s32sQQdQ")
_PARENT_AT = 1024
# last renewal, hold (job id, token) that a word is about, the word, stop, paused
_PARENT = struct.Struct("<d36s32sBBB")
# how the child ended, in its own words
_EXIT_AT = 2048
_RENEWED = struct.Struct("<d")

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

    def begin(self, job_id: str, token: str, began: float, timeout: float) -> None:
        """A job begins."""
        self._write(job_id, token, began, timeout)

    def report(self, job_id: str, token: str, began: float) -> None:
        """Its handler returned; the store does not know yet, so it may not be begun again free of
        charge. No timeout counts any more.
        """
        self._write(job_id, token, began, math.inf)

    def end(self, *, failed: bool, seconds: float) -> None:
        """The store knows that it ended."""
        self._done += not failed
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

    def leave(self, status: int) -> None:
        """The child ends of its own will, with this exit status."""
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

    def counts(self) -> Counts:
        """What the child did so far."""
        row = _CHILD.unpack_from(self._page, 0)
        return Counts(row[5], row[6], row[7])

    # --- the parent writes ----------------------------------------------------------------------

    def renewed(self, moment: float) -> None:
        """The leases of this child were prolonged."""
        _RENEWED.pack_into(self._page, _PARENT_AT, moment)

    def tell(self, job_id: str, token: str, word: int) -> None:
        """LOST or CANCEL, about one hold; the child ignores it for any other."""
        moment, *_, stop, paused = _PARENT.unpack_from(self._page, _PARENT_AT)
        hold = (job_id.encode(), token.encode())
        _PARENT.pack_into(self._page, _PARENT_AT, moment, *hold, word, stop, paused)

    def set_stop(self) -> None:
        """The child ends after the job in hand."""
        self._page[_PARENT_AT + _PARENT.size - 2] = 1

    def set_paused(self, paused: bool) -> None:
        """The child claims nothing while this is set."""
        self._page[_PARENT_AT + _PARENT.size - 1] = int(paused)

    # --- the child reads ------------------------------------------------------------------------

    def last_renewal(self) -> float:
        """Monotonic moment of the last renewal; 0 before the first."""
        return float(_RENEWED.unpack_from(self._page, _PARENT_AT)[0])

    def word_about(self, job_id: str, token: str) -> int:
        """LOST, CANCEL or 0."""
        _, about, held, word, _, _ = _PARENT.unpack_from(self._page, _PARENT_AT)
        return int(word) if (about, held.rstrip(b"\0")) == (job_id.encode(), token.encode()) else 0

    @property
    def stop(self) -> bool:
        """Whether the child is to end."""
        return self._page[_PARENT_AT + _PARENT.size - 2] == 1

    @property
    def paused(self) -> bool:
        """Whether the child is to claim nothing."""
        return self._page[_PARENT_AT + _PARENT.size - 1] == 1
