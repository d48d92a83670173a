"""By how much a run is put off after its tick, so that not all begin at once."""

from __future__ import annotations

import hashlib

from portaria.v1.schedules_service_pb2 import Schedule


def jitter_ms(schedule: Schedule, tick_ms: int) -> int:
    """Milliseconds up to its jitter: the same for every scheduler, another one for every tick."""
    widest = schedule.jitter.ToMilliseconds()
    if widest <= 0:
        return 0
    word = f"{schedule.schedule_id} {tick_ms}".encode()
    draw = int.from_bytes(hashlib.blake2b(word, digest_size=8).digest(), "big")
    return draw % (widest + 1)
