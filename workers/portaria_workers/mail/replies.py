"""What an SMTP server answers, and the failures that follow from it."""

from __future__ import annotations

import re
from dataclasses import dataclass

from portaria.jobs import JobError, PermanentError

LONGEST_REPLY = 300

LEAVING = 421
"""With this the server ends the connection."""
_LOGIN_NEEDED = (530, 534, 535)
_TOO_LARGE = 552
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


@dataclass(frozen=True, slots=True)
class Reply:
    """A code and its text."""

    code: int
    text: bytes

    @property
    def is_success(self) -> bool:
        """2xx: done."""
        return 200 <= self.code <= 299

    @property
    def is_temporary(self) -> bool:
        """4xx: the same may succeed later. Not 421, with which the server leaves."""
        return 400 <= self.code <= 499 and self.code != LEAVING

    @property
    def is_permanent(self) -> bool:
        """5xx: never."""
        return 500 <= self.code <= 599

    @property
    def is_refusal(self) -> bool:
        """4xx or 5xx: certainly not done."""
        return 400 <= self.code <= 599

    def __str__(self) -> str:
        text = self.text.decode("utf-8", "replace")
        return _UNPRINTABLE.sub(" ", f"{self.code} {text}").strip()[:LONGEST_REPLY]


class ServerUnavailable(JobError):
    """The server cannot be used now; nothing was handed over, so the attempt may be repeated."""

    def __init__(self, message: str, reason: str = "SMTP_UNAVAILABLE") -> None:
        super().__init__(reason, message)


class ServerLost(ServerUnavailable):
    """It was there, and went away in the middle of a mail, of which nothing was handed over."""


class RecipientBusy(JobError):
    """The server puts this recipient off (4xx), not the others."""

    def __init__(self, reply: Reply | str) -> None:
        super().__init__("SMTP_TEMPORARY", f"the SMTP server said: {reply}")
        self.reply = str(reply)


class RecipientRefused(PermanentError):
    """The server will not take mail for this recipient (5xx)."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("RECIPIENT_REFUSED", f"the SMTP server said: {reply}")
        self.reply = str(reply)


def of_sender(reply: Reply) -> Exception:
    """What follows from a reply to MAIL that is no success."""
    if reply.code == _TOO_LARGE:
        return RecipientRefused(reply)  # about this message, whose size it was told
    if reply.is_permanent and reply.code not in _LOGIN_NEEDED:
        return PermanentError("SENDER_REFUSED", f"the SMTP server refused the sender: {reply}")
    return of_server(reply)


def of_recipient(reply: Reply) -> Exception:
    """What follows from a reply to RCPT, DATA or the content that is no success."""
    if reply.is_permanent and reply.code not in _LOGIN_NEEDED:
        return RecipientRefused(reply)
    return RecipientBusy(reply) if reply.is_temporary else of_server(reply)


def of_server(reply: Reply) -> Exception:
    """What follows from a reply that is about the server, the connection or the login."""
    reason = "SMTP_AUTHENTICATION" if reply.code in _LOGIN_NEEDED else "SMTP_TEMPORARY"
    return ServerUnavailable(f"the SMTP server said: {reply}", reason)
