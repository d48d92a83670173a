"""Whether a child may go on with a job: by the clock, and by what it was told."""

from __future__ import annotations

import time

from portaria.runtime.slot import Slot
from portaria.store import Claim, calls

# A lease that was not renewed for this long may be given away: wait for word.
_DOUBT = calls.LEASE_MS / 1000 * 0.75
_LOOK_AGAIN = 0.05


class Lease:
    """Of one claimed job."""

    def __init__(self, claim: Claim, claimed_at: float, slot: Slot) -> None:
        """`claimed_at`, monotonic, is when the claim was asked for."""
        self.job_id = claim.job_id
        self.token = claim.token
        self._claimed_at = claimed_at
        self._slot = slot
        self._heard = 0

    def hear(self, word: int) -> None:
        """A reply of Redis said LOST or CANCEL, sooner than the parent could."""
        self._heard = word

    def word(self) -> int:
        """LOST, CANCEL or 0, as far as is known."""
        return self._heard or self._slot.word_about(self.job_id, self.token)

    def wait(self) -> int:
        """The word, once it is sure: waits while the lease is not renewed, since Redis is away, or
        the parent stands still.
        """
        while True:
            word = self.word()
            renewed = max(self._claimed_at, self._slot.last_renewal())
            if word or time.monotonic() - renewed < _DOUBT:
                return word
            time.sleep(_LOOK_AGAIN)
