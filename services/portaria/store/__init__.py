"""The only code that knows Redis: keys, scripts, and sync and async access to the same calls."""

from portaria.store.aio import AsyncStore
from portaria.store.calls import (
    Call,
    Claim,
    Finished,
    Promotion,
    Renewal,
    Submission,
    Submitted,
    Turn,
    Verdict,
)
from portaria.store.record import JobRecord
from portaria.store.sync import Store

__all__ = [
    "AsyncStore",
    "Call",
    "Claim",
    "Finished",
    "JobRecord",
    "Promotion",
    "Renewal",
    "Store",
    "Submission",
    "Submitted",
    "Turn",
    "Verdict",
]
