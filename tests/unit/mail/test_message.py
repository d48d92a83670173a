"""The bytes of a mail."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portaria_workers.mail.addresses import normalize_address
from portaria_workers.mail.message import Message, Sender, build_message
from portaria_workers.mail.template import Rendered

SENT_AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def build(rendered: Rendered, recipient: str = "ana@example.com") -> Message:
    sender = Sender.parse("Portaria Ação <no-reply@portaria.example>")
    return build_message(
        rendered, sender=sender, recipient=recipient, effect_id="0" * 32, sent_at=SENT_AT
    )


def parsed(message: Message) -> EmailMessage:
    return message_from_bytes(message.content, policy=policy.default)


def body(message: EmailMessage, kind: str) -> str:
    part = message.get_body(preferencelist=(kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def test_a_mail_has_headers_and_both_alternatives() -> None:
    """Everything arrives as it was written, accents included, on a wire of pure ASCII."""
    message = build(Rendered("Olá, ação!", "É já.\n", "<p>É já.</p>\n"))
    read = parsed(message)

    assert message.content.isascii()
    assert read["Subject"] == "Olá, ação!"
    assert read["From"] == "Portaria Ação <no-reply@portaria.example>"
    assert read["To"] == "ana@example.com"
    assert read["Date"].datetime == SENT_AT
    assert f"<{'0' * 32}@portaria.example>" == message.id == read["Message-ID"]
    assert read.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in read.iter_parts()] == ["text/plain", "text/html"]
    assert body(read, "plain") == "É já.\n"
    assert body(read, "html") == "<p>É já.</p>\n"


@settings(deadline=None)
@given(subject=st.text(max_size=300))
def test_no_subject_adds_a_header_or_a_line(subject: str) -> None:
    """Whatever is in a subject stays in the subject."""
    expected = {
        "from", "to", "subject", "date", "message-id",
        "auto-submitted", "mime-version", "content-type",
    }  # fmt: skip

    read = parsed(build(Rendered(f"x{subject}\r\nBcc: eve@example.com", "text\n", "<p></p>\n")))

    assert expected == {name.lower() for name in read}
    assert len(str(read["Subject"]).splitlines()) == 1


@settings(deadline=None)
@given(local=st.from_regex(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,200}", fullmatch=True))
def test_every_address_that_is_accepted_can_be_written_to(local: str) -> None:
    """One recipient in, the very same one out: nothing in an address breaks the header."""
    address = normalize_address(f"{local}@example.com")

    content = build(Rendered("s", "t\n", "<p></p>\n"), recipient=address).content

    header = message_from_bytes(content, policy=policy.compat32)["To"]
    assert address == str(header).replace("\n", "").strip()


def test_long_lines_and_dots_survive_the_wire() -> None:
    """No line exceeds what SMTP allows, and a lone dot is text."""
    text = "á" * 5000 + "\n.\n..\nfim \n"

    message = build(Rendered("s", text, f"<p>{text}</p>\n"))

    assert max(len(line) for line in message.content.split(b"\r\n")) < 998
    assert b"\n" not in message.content.replace(b"\r\n", b"")
    assert text == body(parsed(message), "plain")


@pytest.mark.parametrize("text", ["", "Portaria", "a@b.example, c@d.example", "X <a@>", "a..b@c.d"])
def test_a_sender_is_one_address(text: str) -> None:
    """A wrong PORTARIA_MAIL_FROM is told, not sent."""
    with pytest.raises(ValueError, match="expected NAME <ADDRESS>"):
        Sender.parse(text)
