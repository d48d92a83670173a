"""One kind of mail of one job: its template, its sender, and the server that takes it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from portaria.core.clock import SystemClock
from portaria.core.errors import ConfigurationError
from portaria.settings import load_settings
from portaria_workers.mail.dkim_signer import Signer, open_signer
from portaria_workers.mail.message import (
    Attachment,
    Extras,
    Message,
    Sender,
    build_message,
    message_id,
)
from portaria_workers.mail.smtp import Server
from portaria_workers.mail.template import Surroundings, Template, load_template
from portaria_workers.mail.unsubscribing import Unsubscribing

_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outbox:
    """Writes the messages of a job."""

    template: Template
    subject: str
    """Instead of the template's own, unless empty."""
    sender: Sender
    surroundings: Surroundings
    server: Server
    rate: float = 0.0
    """Mails a second that the server is given; 0 for no limit."""
    signer: Signer | None = None
    """Signs the mails (DKIM), where there is a key."""
    unsubscribing: Unsubscribing | None = None
    """Of bulk mail: how its recipients leave the list."""

    @classmethod
    def open(cls, template: str, locale: str, *, subject: str = "", bulk: str = "") -> Outbox:
        """As the settings say; `bulk` is the namespace of a bulk mail, whose recipients may leave.

        Raises PermanentError for an unknown template or locale, and ConfigurationError.
        """
        settings = load_settings()
        try:
            sender = Sender.parse(settings.mail_from)
        except ValueError as error:
            raise ConfigurationError(f"PORTARIA_MAIL_FROM: {error}") from None
        return cls(
            template=load_template(template, locale),
            subject=subject,
            sender=sender,
            surroundings=Surroundings(brand=sender.brand, link_base=settings.link_base),
            server=Server.parse(settings.smtp_url),
            rate=settings.smtp_rate,
            signer=open_signer(settings, sender.domain),
            unsubscribing=Unsubscribing.open(settings, bulk) if bulk else None,
        )

    def faults(self, variables: Mapping[str, Any]) -> list[str]:
        """What is missing from the template's variables and what it does not know."""
        return self.template.faults(variables, own_subject=not self.subject)

    def message_id(self, effect_id: str) -> str:
        """The Message-ID of the mail that `write` makes for an effect."""
        return message_id(effect_id, self.sender)

    def write(
        self,
        recipient: str,
        variables: Mapping[str, Any],
        effect_id: str,
        *,
        attachments: Sequence[Attachment] = (),
        urgent: bool = False,
    ) -> Message:
        """The message for one recipient, the same Message-ID whenever the effect is the same.

        Raises PermanentError TEMPLATE_VARIABLE where a variable is missing or unknown.
        """
        leave = self.unsubscribing.url(recipient) if self.unsubscribing else ""
        return build_message(
            self.template.render(
                variables, self.surroundings, subject=self.subject, unsubscribe=leave
            ),
            sender=self.sender,
            recipient=recipient,
            effect_id=effect_id,
            sent_at=_CLOCK.now(),
            extras=Extras(attachments=attachments, unsubscribe=leave, urgent=urgent),
            signer=self.signer,
        )
