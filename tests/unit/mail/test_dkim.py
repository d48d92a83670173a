"""Signatures that a receiver verifies."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from portaria.core.errors import ConfigurationError
from portaria.settings import Settings
from portaria_workers.mail.dkim_signer import open_signer
from portaria_workers.mail.message import Attachment, Extras, Message, Sender, build_message
from portaria_workers.mail.template import Rendered

SENT_AT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def make(kind: str) -> PrivateKeyTypes:
    if kind == "ed25519":
        return ed25519.Ed25519PrivateKey.generate()
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def signed(key: PrivateKeyTypes, file: Path, form: PrivateFormat) -> Message:
    """A mail with everything that a mail may have."""
    file.write_bytes(key.private_bytes(Encoding.PEM, form, NoEncryption()))
    signer = open_signer(Settings(dkim_key_file=file, dkim_selector="s1"), "portaria.example")
    return build_message(
        Rendered("Olá, ação!", "É já.\n.\n", "<p>É já.</p>\n"),
        sender=Sender.parse("Portaria Ação <no-reply@portaria.example>"),
        recipient="ana@example.com",
        effect_id="0" * 32,
        sent_at=SENT_AT,
        extras=Extras(
            unsubscribe="https://portaria.example/u/t",
            attachments=[Attachment("ação.pdf", "application/pdf", b"x" * 500)],
        ),
        signer=signer,
    )


def published(key: PrivateKeyTypes, kind: str) -> bytes:
    """What the domain publishes: raw for Ed25519, as SubjectPublicKeyInfo for RSA."""
    import base64

    form = (
        (Encoding.Raw, PublicFormat.Raw)
        if kind == "ed25519"
        else (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    )
    public = key.public_key().public_bytes(*form)  # type: ignore[union-attr]
    return f"v=DKIM1; k={kind}; p={base64.b64encode(public).decode()}".encode()


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ed25519", PrivateFormat.PKCS8),
        ("rsa", PrivateFormat.PKCS8),
        ("rsa", PrivateFormat.TraditionalOpenSSL),
    ],
)
def test_a_receiver_verifies_the_signature(kind: str, form: PrivateFormat, tmp_path: Path) -> None:
    """By what the domain publishes under the selector; a changed mail fails."""
    key = make(kind)
    asked: list[bytes] = []

    def dns(name: bytes, timeout: float = 5) -> bytes:
        asked.append(name)
        return published(key, kind)

    message = signed(key, tmp_path / "dkim.pem", form)

    assert dkim.verify(message.content, dnsfunc=dns)
    assert asked == [b"s1._domainkey.portaria.example."]
    for old, new in [
        (b"To: ana@", b"To: eva@"),
        (b"Subject: ", b"Subject: Re: "),
        (b"/u/t>", b"/u/x>"),
        (b"eHh4", b"eHh5"),
    ]:
        changed = message.content.replace(old, new, 1)
        assert changed != message.content
        assert not dkim.verify(changed, dnsfunc=dns)
    assert not dkim.verify(
        b"Bcc: x@y.z\r\n" + message.content.replace(b"From:", b"X:"), dnsfunc=dns
    )


def test_the_headers_that_matter_are_signed(tmp_path: Path) -> None:
    """Those of the list as well."""
    message = signed(make("ed25519"), tmp_path / "dkim.pem", PrivateFormat.PKCS8)

    head = message.content.partition(b"\r\n\r\n")[0].decode()
    signature = head.partition("\r\nFrom:")[0].replace("\r\n", "").replace(" ", "")
    names = signature.partition(";h=")[2].partition(";")[0].split(":")
    assert {"from", "to", "subject", "date", "message-id", "list-unsubscribe"} <= set(names)


@pytest.mark.parametrize(
    "content", [None, "", "no key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"]
)
def test_a_key_that_cannot_be_used_is_a_fault_of_the_settings(
    content: str | None, tmp_path: Path
) -> None:
    """Before the first mail, and without the file's words."""
    file = tmp_path / "dkim.pem"
    if content is not None:
        file.write_text(content)

    with pytest.raises(ConfigurationError, match=r"^PORTARIA_DKIM_KEY_FILE: ") as caught:
        open_signer(Settings(dkim_key_file=file), "portaria.example")

    assert "AAAA" not in str(caught.value)


def test_without_a_key_mails_are_not_signed() -> None:
    """As by default."""
    assert open_signer(Settings(), "portaria.example") is None


def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the extra that brings it."""
    file = tmp_path / "dkim.pem"
    file.write_text("x")
    monkeypatch.setitem(__import__("sys").modules, "dkim", None)

    with pytest.raises(ConfigurationError, match=r"portaria\[dkim\]"):
        open_signer(Settings(dkim_key_file=file), "portaria.example")
