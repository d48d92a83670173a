"""Where webhooks may go, and the secrets with which they are signed: from settings alone."""

from __future__ import annotations

import base64
import binascii
import hmac
from dataclasses import dataclass, field
from pathlib import Path

from portaria.core.errors import ConfigurationError
from portaria.jobs import PermanentError
from portaria.settings import load_settings

DEFAULT = "default"
_MARK = "whsec_"
_SHORTEST, _LONGEST = 24, 64
"""Bytes of a secret, as Standard Webhooks has it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One place that takes webhooks."""

    name: str
    url: str
    secrets: tuple[bytes, ...] = field(repr=False)
    """The receiver may know any of them, so that they can be changed one after the other."""

    def sign(self, message_id: str, timestamp: int, body: bytes) -> str:
        """The header webhook-signature of Standard Webhooks: one signature for each secret."""
        signed = b"%b.%d.%b" % (message_id.encode(), timestamp, body)
        macs = (hmac.digest(secret, signed, "sha256") for secret in self.secrets)
        return " ".join(f"v1,{base64.b64encode(mac).decode()}" for mac in macs)


def endpoint(name: str) -> Endpoint:
    """The endpoint of a name, or the one named "default".

    Raises PermanentError WEBHOOK_UNKNOWN where the settings have none of this name, and
    ConfigurationError where its secrets cannot be used.
    """
    settings, name = load_settings(), name or DEFAULT
    url = dict(settings.webhooks).get(name)
    if url is None:
        raise PermanentError("WEBHOOK_UNKNOWN", f'PORTARIA_WEBHOOKS has no endpoint "{name}"')
    if settings.webhook_key_file is None:
        raise ConfigurationError("PORTARIA_WEBHOOK_KEY_FILE is not set: webhooks are signed")
    secrets = read_secrets(settings.webhook_key_file).get(name)
    if not secrets:
        raise ConfigurationError(f'{settings.webhook_key_file}: has no secret of "{name}"')
    return Endpoint(name, url, secrets)


def read_secrets(path: Path) -> dict[str, tuple[bytes, ...]]:
    """By endpoint: a line has its name and one or more secrets; # starts a comment.

    Raises ConfigurationError that names the line, and never a secret.
    """
    try:
        # Any byte is a character here: what is no secret is found below.
        lines = path.read_text("latin-1").splitlines()
    except OSError as error:
        raise ConfigurationError(f"the webhook secrets {path}: {error.strerror}") from None
    found: dict[str, tuple[bytes, ...]] = {}
    for number, line in enumerate(lines, start=1):
        name, *secrets = line.partition("#")[0].split() or [""]
        if name and (name in found or not secrets):
            why = "is there twice" if name in found else "has no secret"
            raise ConfigurationError(f'{path}, line {number}: "{name}" {why}')
        if name:
            found[name] = tuple(_secret(each, f"{path}, line {number}") for each in secrets)
    return found


def _secret(text: str, place: str) -> bytes:
    try:
        if not text.startswith(_MARK):
            raise ValueError
        secret = base64.b64decode(text.removeprefix(_MARK), validate=True)
    except (ValueError, binascii.Error):
        secret = b""
    if not _SHORTEST <= len(secret) <= _LONGEST:
        expected = f'"{_MARK}" and {_SHORTEST} to {_LONGEST} bytes in Base64'
        raise ConfigurationError(f"{place}: expected {expected}")
    return secret
