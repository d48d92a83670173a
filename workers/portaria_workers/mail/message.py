"""Builds the bytes of a mail from what its reader shall see."""

from __future__ import annotations

import binascii
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, getaddresses

from portaria_workers.mail.addresses import normalize_address
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


def build_message(
    rendered: Rendered, *, sender: Sender, recipient: str, effect_id: str, sent_at: datetime
) -> Message:
    """A message with text and HTML alternatives.

    Its Message-ID and boundary come from `effect_id` alone, so that a mail that is sent twice can
    be recognised by whoever receives it.
    """
    made = EmailMessage(policy=SMTP)
    made["From"] = Address(sender.name, addr_spec=sender.address)
    made["To"] = recipient
    made["Subject"] = one_line(rendered.subject)
    made["Date"] = format_datetime(sent_at)
    made["Message-ID"] = f"<{effect_id}@{sender.domain}>"
    # Keeps out-of-office replies from answering a machine.
    made["Auto-Submitted"] = "auto-generated"
    made["MIME-Version"] = "1.0"
    made["Content-Type"] = f'multipart/alternative; boundary="=_{effect_id}"'
    made.set_payload([_part("plain", rendered.text), _part("html", rendered.html)])
    return Message(
        id=str(made["Message-ID"]),
        sender=sender.address,
        recipient=recipient,
        content=made.as_bytes(),
    )


def _part(subtype: str, text: str) -> EmailMessage:
    part = EmailMessage(policy=SMTP)
    part["Content-Type"] = f'text/{subtype}; charset="utf-8"'
    part["Content-Transfer-Encoding"] = "quoted-printable"
    # EmailMessage.set_content encodes in Python, ten times as slow.
    part.set_payload(binascii.b2a_qp(text.encode(), istext=True).decode("ascii"))
    return part
