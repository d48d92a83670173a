"""Builds the bytes of a mail from what its reader shall see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.utils import format_datetime, getaddresses

from portaria_workers.mail.addresses import normalize_address
from portaria_workers.mail.dkim_signer import Signer
from portaria_workers.mail.mime import (
    address_header,
    file_part,
    header,
    multipart,
    plain_header,
    text_part,
)
from portaria_workers.mail.template import Rendered, one_line


@dataclass(frozen=True, slots=True)
class Sender:
    """Whom mails come from."""

    name: str
    address: str

    @classmethod
    def parse(cls, text: str) -> Sender:
        """From `Name <address>` or a bare address. Raises ValueError for anything else."""
        try:
            [(name, address)] = getaddresses([text])
            address = normalize_address(address)
            Address(addr_spec=address)  # stricter about dots
        except ValueError:
            raise ValueError("expected NAME <ADDRESS>") from None
        return cls(one_line(name), address)

    @property
    def domain(self) -> str:
        """The part after the @."""
        return self.address.rpartition("@")[2]

    @property
    def brand(self) -> str:
        """What the layout shows as the sender: the name, else the domain."""
        return self.name or self.domain


@dataclass(frozen=True, slots=True)
class Message:
    """A mail as the server gets it."""

    id: str
    """The Message-ID, with its angle brackets."""
    sender: str
    recipient: str
    content: bytes
    """Headers and body, ASCII, lines ended by CRLF and at most 998 long."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file in a mail."""

    filename: str
    """Safe for file systems."""
    content_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
    """What only some mails have."""

    attachments: Sequence[Attachment] = ()
    unsubscribe: str = ""
    """The URL at which this recipient leaves the list (RFC 8058)."""
    urgent: bool = False
    """Shown as important by mail programs."""


NO_EXTRAS = Extras()


def build_message(
    rendered: Rendered,
    *,
    sender: Sender,
    recipient: str,
    effect_id: str,
    sent_at: datetime,
    extras: Extras = NO_EXTRAS,
    signer: Signer | None = None,
) -> Message:
    """A message with text and HTML alternatives.

    Its Message-ID and boundaries come from `effect_id` alone, so that a mail that is sent twice can
    be recognised by whoever receives it.
    """
    parts = [text_part("plain", rendered.text), text_part("html", rendered.html)]
    headers = [
        address_header("From", sender.name, sender.address),
        plain_header("To", recipient),
        header("Subject", one_line(rendered.subject)),
        plain_header("Date", format_datetime(sent_at)),
        plain_header("Message-ID", message_id(effect_id, sender)),
        # Keeps out-of-office replies from answering a machine.
        plain_header("Auto-Submitted", "auto-generated"),
        plain_header("MIME-Version", "1.0"),
        *_headers_of(extras),
    ]
    body = multipart("alternative", f"=_{effect_id}", parts)
    if extras.attachments:
        files = [file_part(f.filename, f.content_type, f.content) for f in extras.attachments]
        body = multipart("mixed", f"=_mixed_{effect_id}", [body, *files])
    content = b"".join([*headers, body])
    if signer is not None:
        content = signer.signature(content) + content
    return Message(
        id=message_id(effect_id, sender),
        sender=sender.address,
        recipient=recipient,
        content=content,
    )


def message_id(effect_id: str, sender: Sender) -> str:
    """The Message-ID of the mail for an effect, with its angle brackets."""
    return f"<{effect_id}@{sender.domain}>"


def _headers_of(extras: Extras) -> list[bytes]:
    found: list[bytes] = []
    if extras.urgent:
        found += [plain_header("Importance", "high"), plain_header("X-Priority", "1")]
    if extras.unsubscribe:
        found.append(plain_header("List-Unsubscribe", f"<{extras.unsubscribe}>"))
        # RFC 8058 allows one click only where nobody on the way can see or change it.
        if extras.unsubscribe.startswith("https:"):
            found.append(plain_header("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"))
    return found
