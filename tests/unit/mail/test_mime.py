"""The bytes of a mail: text is text, whatever it looks like."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from email import message_from_bytes
from email.header import decode_header, make_header
from email.policy import compat32
from email.utils import collapse_rfc2231_value

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from portaria.storage.names import safe_filename
from portaria_workers.mail.message import Sender, build_message
from portaria_workers.mail.mime import file_part, header, plain_header
from portaria_workers.mail.template import Rendered, clean, one_line

SENT_AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
ID = "0" * 32


PLAIN = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version"]

# What attackers and chance put into names and subjects.
TEXT = st.one_of(
    st.text(min_size=1, max_size=250),
    st.lists(
        st.sampled_from(
            ["=?utf-8?q?Hi=0D=0ABcc:_eve@evil.example?=", "=?utf-8?b?DQpCY2M6IGVAZS5l?=", "=?",
             "=?utf-8?q?=FF?=", "próxima", "fatura", "é", "confirmação", "José", " ", "  ", "?=",
             "x" * 90, "a=0D=0Ab", '"', "\\", "<b@c.d>", ",", "(", "日本語", "🧾"]
        ),
        min_size=1,
        max_size=12,
    ).map(" ".join),
)  # fmt: skip


def a_mail(subject: str, text: str, name: str) -> bytes:
    """As it is sent."""
    return build_message(
        Rendered(subject, text, f"<p>{text}</p>\n"),
        sender=Sender(name, "no-reply@portaria.example"),
        recipient="ana@example.com",
        effect_id=ID,
        sent_at=SENT_AT,
    ).content


def decoded(raw: str) -> str:
    """What a reader shows of a header: unfolded, its encoded words decoded."""
    unfolded = re.sub(r"\r\n(?=[ \t])", "", raw)
    return str(make_header(decode_header(unfolded)))


@settings(deadline=None)
@given(subject=TEXT, text=st.text(max_size=400).map(clean), name=TEXT)
@example(subject="Fatura " * 30, text=".\n..\nlinha " * 50, name="ã" * 90)
@example(subject="x", text="From ana\n a \n\n\t\n=", name="")
@example(subject="0" * 68, text="", name="")
@example(
    subject="próxima fatura Paulo número próxima é confirmação José pedido e", text="x", name="é é"
)
def test_headers_say_what_they_were_given_and_nothing_more(
    subject: str, text: str, name: str
) -> None:
    """Whatever looks like an encoded word: it is text, ends no header, and keeps its blanks."""
    subject, name = one_line(subject), one_line(name)
    content = a_mail(subject, text, name)
    head, _, body = content.decode("ascii").partition("\r\n\r\n")
    found = dict(field.split(": ", 1) for field in re.split(r"\r\n(?![ \t])", head))

    assert list(found) == [*PLAIN, "Content-Type"]
    assert decoded(found["Subject"]) == subject
    assert found["To"] == "ana@example.com"
    shown, _, address = found["From"].rpartition("<")
    assert address.rstrip(">") == "no-reply@portaria.example" or not name
    if name:
        assert _unquoted(shown.rstrip()) == name
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert not re.search(rb"(?<!\r)\n|\r(?!\n)", content)
    assert body.startswith(f"--=_{ID}")


def _unquoted(display: str) -> str:
    display = re.sub(r"\r\n(?=[ \t])", "", display)
    if display.startswith('"'):
        return re.sub(r"\\(.)", r"\1", display[1:-1])
    return decoded(display)


@settings(deadline=None)
@given(name=TEXT)
def test_a_file_has_the_name_that_it_was_given(name: str) -> None:
    """As another parser reads it; what file systems do not take is replaced."""
    safe = safe_filename(name, "document")
    part = file_part(safe, "application/pdf", b"%PDF")

    read = message_from_bytes(part, policy=compat32)

    assert collapse_rfc2231_value(read.get_param("filename", "", "content-disposition")) == safe
    assert read.get_content_type() == "application/pdf"
    assert len(read.keys()) == 3


@pytest.mark.parametrize("value", ["a\r\nBcc: eve@example.com", "a\nb", "ação", "a\x00b", "a\tb"])
def test_a_plain_header_is_one_line_of_ascii(value: str) -> None:
    """Or nothing is written."""
    with pytest.raises(ValueError, match="one line"):
        plain_header("To", value)


@pytest.mark.parametrize("value", ["a\r\nBcc: eve@example.com", "a\nb", "a\x00b", "ção\n"])
def test_what_would_end_a_header_is_refused(value: str) -> None:
    """Who writes headers has made one line of it before."""
    with pytest.raises(ValueError, match="one line"):
        header("Subject", value)
