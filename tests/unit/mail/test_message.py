"""The bytes of a mail."""

from __future__ import annotations

from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from portaria.storage.names import safe_filename
from portaria_workers.mail.addresses import normalize_address
from portaria_workers.mail.message import Attachment, Extras, Message, Sender, build_message
from portaria_workers.mail.mime import address_header, file_part
from portaria_workers.mail.template import Rendered

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,40}"
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
@given(local=st.from_regex(rf"{ATOM}(\.{ATOM}){{0,4}}", fullmatch=True))
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


def build_with(extras: Extras) -> Message:
    return build_message(
        Rendered("s", "t", "<p>h</p>"),
        sender=Sender.parse("no-reply@portaria.example"),
        recipient="ana@example.com",
        effect_id="0" * 32,
        sent_at=SENT_AT,
        extras=extras,
    )


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("../../x", "x"),
        ("a\0.pdf", "a_.pdf"),
        ("CON", "_CON"),
        ("fatura ação nº 7.pdf", "fatura ação nº 7.pdf"),
        ('a"; filename="b.exe', "a_; filename=_b.exe"),
        ("a\r\nBcc: eve@example.com\r\n\r\nx.pdf", "a__Bcc_ eve@example.com____x.pdf"),
        ("x" * 300 + ".pdf", "x" * 116 + ".pdf"),
        ("é" * 300 + ".pdf", "é" * 116 + ".pdf"),
        ("", "documento"),
    ],
)
def test_row_52_attachments_have_names_that_are_names(name: str, kept: str) -> None:
    """Nothing in one adds a header, a folder or a device; the content arrives byte for byte."""
    content = bytes(range(256)) * 9
    attachment = Attachment(safe_filename(name, "documento"), "application/pdf", content)

    message = build_with(Extras(attachments=[attachment]))

    read = parsed(message)
    [part] = read.iter_attachments()
    assert part.get_filename() == kept
    assert part.get_content_disposition() == "attachment"
    assert part.get_content_type() == "application/pdf"
    assert part.get_content() == content
    assert set(part.keys()) == {"Content-Type", "Content-Transfer-Encoding", "Content-Disposition"}
    assert read["Bcc"] is None
    assert body(read, "plain").strip() == "t"
    assert body(read, "html").strip() == "<p>h</p>"
    assert max(map(len, message.content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("kind", ["", "x", "text/html\r\nBcc: e@x.y", "a/b; charset=x", "é/é"])
def test_an_odd_content_type_is_sent_as_bytes(kind: str) -> None:
    """No mail program then guesses what it could run."""
    read = parsed(build_with(Extras(attachments=[Attachment("a", kind, b"x")])))

    [part] = read.iter_attachments()
    assert part.get_content_type() == "application/octet-stream"
    assert read["Bcc"] is None


def test_several_attachments_keep_their_order() -> None:
    """After the bodies, which stay alternatives of each other."""
    files = [Attachment(f"{number}.csv", "text/csv", b"1") for number in range(3)]

    read = parsed(build_with(Extras(attachments=files)))

    assert read.get_content_type() == "multipart/mixed"
    assert [part.get_filename() for part in read.iter_attachments()] == ["0.csv", "1.csv", "2.csv"]


def test_a_list_can_be_left_with_one_click() -> None:
    """RFC 8058, which asks for https; over http people go there themselves."""
    secure = parsed(build_with(Extras(unsubscribe="https://a.example/u/t")))
    plain = parsed(build_with(Extras(unsubscribe="http://127.0.0.1/u/t")))

    assert secure["List-Unsubscribe"] == "<https://a.example/u/t>"
    assert secure["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert plain["List-Unsubscribe"] == "<http://127.0.0.1/u/t>"
    assert plain["List-Unsubscribe-Post"] is None


def test_row_46_no_header_takes_a_line_break() -> None:
    """Those of ids and addresses refuse it, as does the name of the sender."""
    with pytest.raises(ValueError, match="one line"):
        address_header("From", "Eve\r\nBcc: eve@example.com", "no-reply@portaria.example")
    with pytest.raises(ValueError, match="one line"):
        build_with(Extras(unsubscribe="https://a.example/\r\nBcc: eve@example.com"))


def test_an_urgent_mail_says_so_in_both_dialects() -> None:
    """Others say nothing."""
    urgent, usual = parsed(build_with(Extras(urgent=True))), parsed(build_with(Extras()))

    assert (urgent["Importance"], urgent["X-Priority"]) == ("high", "1")
    assert (usual["Importance"], usual["X-Priority"]) == (None, None)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("application/pdf", "application/pdf"),
        ("message/rfc822", "application/octet-stream"),
        ("Message/Partial", "application/octet-stream"),
        ("multipart/mixed", "application/octet-stream"),
    ],
)
def test_a_file_of_a_type_that_must_not_be_encoded_is_bytes(given: str, sent: str) -> None:
    """RFC 2046: a mail or a multipart within a mail is never base64; as a file it arrives whole."""
    content = b"From: eve@example.com\r\n\r\nx\r\n"

    part = message_from_bytes(file_part("mail.eml", given, content), policy=policy.default)

    assert part.get_content_type() == sent
    assert part.get_filename() == "mail.eml"
    assert not part.defects
    assert part.get_payload(decode=True) == content
