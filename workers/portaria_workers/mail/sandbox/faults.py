"""What the sandbox does wrong, and for whom.

An address asks for a fault by the part before its @; a `.name` after it tells addresses apart:

    refuse+550         the recipient is refused with that code: 5xx for good, 4xx for now
    busy+450           the same, by a name that says what 4xx means
    reject+554         the message is refused after it was received; it is not kept
    slow+2s slow+50ms  the mail is kept; the reply comes late
    cut                the mail is kept; the connection is cut instead of a reply
    cut-before         the connection is cut before the message

`x2` after any of them limits it to the first two tries: busy+450x2.ana@example.com.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum

_FAULT = re.compile(
    r"(?:(?P<refuse>refuse|busy|reject)\+(?P<code>[45]\d\d)"
    r"|slow\+(?P<wait>\d{1,5})(?P<unit>ms|s)"
    r"|(?P<cut>cut|cut-before))"
    r"(?:x(?P<tries>\d{1,4}))?(?:\..*)?\Z"
)


class FaultKind(StrEnum):
    """What goes wrong."""

    REFUSE = "refuse"
    REJECT = "reject"
    SLOW = "slow"
    CUT = "cut"
    CUT_BEFORE = "cut-before"


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with one recipient."""

    kind: FaultKind
    reply: str = ""
    """What the server says, for REFUSE and REJECT."""
    seconds: float = 0.0
    """How late the reply comes, for SLOW."""
    tries: int | None = None
    """How often; None for always."""


def fault_of(address: str) -> Fault | None:
    """The fault that an address asks for, if any."""
    found = _FAULT.match(address.rpartition("@")[0])
    if found is None:
        return None
    tries = int(found["tries"]) if found["tries"] else None
    if found["wait"]:
        unit = 1000 if found["unit"] == "ms" else 1
        return Fault(FaultKind.SLOW, seconds=int(found["wait"]) / unit, tries=tries)
    if found["cut"]:
        return Fault(FaultKind(found["cut"]), tries=tries)
    kind = FaultKind.REJECT if found["refuse"] == "reject" else FaultKind.REFUSE
    return Fault(kind, reply=_reply(found["code"]), tries=tries)


@dataclass(slots=True, kw_only=True)
class Faults:
    """What the sandbox does wrong. May be changed while it runs."""

    delay: float = 0.0
    """Seconds before every final reply."""
    lose_reply_every: int = 0
    """Cuts the connection instead of replying to every n-th mail that was kept; 0 for never."""
    unavailable: str = ""
    """The reply to every MAIL command, e.g. `421 4.3.2 going down`; empty for normal service."""
    tries: Counter[str] = field(default_factory=Counter)
    """How often each address with a fault was met."""

    def meet(self, address: str) -> Fault | None:
        """The fault of a recipient now; counts the try."""
        fault = fault_of(address)
        if fault is None:
            return None
        self.tries[address] += 1
        return fault if fault.tries is None or self.tries[address] <= fault.tries else None

    def loses_reply(self, kept: int) -> bool:
        """Whether the reply to the mail that was just kept, the n-th one, gets lost."""
        return self.lose_reply_every > 0 and kept % self.lose_reply_every == 0


def _reply(code: str) -> str:
    texts = {
        "450": "4.2.0 mailbox busy, try again later",
        "452": "4.2.2 mailbox full for now",
        "550": "5.1.1 no such mailbox",
        "552": "5.2.2 mailbox full",
        "554": "5.7.1 message not wanted",
    }
    default = "4.0.0 not now" if code.startswith("4") else "5.0.0 refused"
    return f"{code} {texts.get(code, default)}"
