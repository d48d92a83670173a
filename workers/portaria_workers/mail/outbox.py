"""One kind of mail of one job: its template, its sender, and the server that takes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from portaria.core.clock import SystemClock
from portaria.core.errors import ConfigurationError
from portaria.settings import load_settings
from portaria_workers.mail.message import Message, Sender, build_message
from portaria_workers.mail.smtp import Server
from portaria_workers.mail.template import Surroundings, Template, load_template

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

    @classmethod
    def open(cls, template: str, locale: str, *, subject: str = "") -> Outbox:
        """As the settings say. Raises PermanentError for an unknown template or locale."""
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
        )

    def faults(self, variables: Mapping[str, str]) -> list[str]:
        """What is missing from the template's variables and what it does not know."""
        return self.template.faults(variables, own_subject=not self.subject)

    def write(self, recipient: str, variables: Mapping[str, str], effect_id: str) -> Message:
        """The message for one recipient, the same Message-ID whenever the effect is the same.

        Raises PermanentError TEMPLATE_VARIABLE where a variable is missing or unknown.
        """
        return build_message(
            self.template.render(variables, self.surroundings, subject=self.subject),
            sender=self.sender,
            recipient=recipient,
            effect_id=effect_id,
            sent_at=_CLOCK.now(),
        )
