"""Signs mails (DKIM, RFC 6376 and RFC 8463), where PORTARIA_DKIM_KEY_FILE names a key."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import ModuleType

from portaria.core.errors import ConfigurationError
from portaria.settings import Settings

# Those that receivers judge a mail by; one that is missing is signed as missing only where a later
# one would do harm.
_SIGNED = [
    b"from", b"to", b"subject", b"date", b"message-id", b"mime-version", b"content-type",
    b"list-unsubscribe", b"list-unsubscribe-post",
]  # fmt: skip
# What a private key of Ed25519 begins with in PKCS #8, before its 32 bytes (RFC 8410).
_ED25519 = bytes.fromhex("302e020100300506032b657004220420")


@dataclass(frozen=True, slots=True)
class Signer:
    """A key, and where the domain of the sender publishes it: SELECTOR._domainkey.DOMAIN."""

    domain: str
    selector: str
    algorithm: bytes
    key: bytes
    dkim: ModuleType

    def signature(self, content: bytes) -> bytes:
        """The header, with its line ends, to stand before a message."""
        made: bytes = self.dkim.sign(
            content,
            self.selector.encode(),
            self.domain.encode(),
            self.key,
            canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=self.algorithm,
            include_headers=[name for name in _SIGNED if _has(content, name)],
        )
        return made


def open_signer(settings: Settings, domain: str) -> Signer | None:
    """None where there is no key. Raises ConfigurationError for one that cannot be used."""
    if settings.dkim_key_file is None:
        return None
    return _signer(settings.dkim_key_file, settings.dkim_selector, domain)


@lru_cache(maxsize=4)
def _signer(file: Path, selector: str, domain: str) -> Signer:
    try:
        import dkim
    except ModuleNotFoundError:
        raise _wrong("needs the extra \"dkim\": pip install 'portaria[dkim]'") from None
    try:
        text = file.read_bytes()
    except OSError as error:
        raise _wrong(str(error.strerror)) from None
    algorithm, key = _read(text)
    signer = Signer(domain, selector, algorithm, key, dkim)
    try:
        signer.signature(b"From: a@b.example\r\n\r\n")
    except Exception as error:
        # Whatever the library makes of a key that is none; its words may hold parts of it.
        raise _wrong(f"holds no private key that can be used ({type(error).__name__})") from None
    return signer


def _read(text: bytes) -> tuple[bytes, bytes]:
    """The algorithm, and the key as the library takes it."""
    lines = [line.strip() for line in text.splitlines()]
    if not any(line.startswith(b"-----BEGIN") and b"PRIVATE KEY" in line for line in lines):
        raise _wrong("holds no private key (PEM)")
    try:
        der = base64.b64decode(b"".join(line for line in lines if not line.startswith(b"-----")))
    except binascii.Error:
        raise _wrong("holds no private key (PEM)") from None
    if der.startswith(_ED25519):
        return b"ed25519-sha256", base64.b64encode(der[len(_ED25519) :][:32])
    return b"rsa-sha256", text


def _has(content: bytes, name: bytes) -> bool:
    head = content[: content.find(b"\r\n\r\n") + 2].lower()
    return head.startswith(name + b":") or b"\r\n" + name + b":" in head


def _wrong(text: str) -> ConfigurationError:
    return ConfigurationError(f"PORTARIA_DKIM_KEY_FILE: {text}")
