"""The links by which recipients of bulk mail leave the list.

A link ends with a token that only we can make. It names nobody: it holds the namespace and the
digest under which the suppression list keeps the address. It works for as long as the key by which
it was sealed is in the ring.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from portaria.core.seal import KeyRing, SealBroken, load_key_ring
from portaria.jobs import PermanentError
from portaria.settings import Settings
from portaria_workers.mail.addresses import address_digest

_PURPOSE = "mail/unsubscribe"


@dataclass(frozen=True, slots=True)
class Unsubscribing:
    """Makes the links of one namespace."""

    base: str
    namespace: str
    keys: KeyRing

    @classmethod
    def open(cls, settings: Settings, namespace: str) -> Unsubscribing | None:
        """None where PORTARIA_UNSUBSCRIBE_URL is not set."""
        if not settings.unsubscribe_url:
            return None
        return cls(settings.unsubscribe_url, namespace, _keys(settings.key_file))

    def url(self, address: str) -> str:
        """The link of one address; always the same while the key is the newest."""
        body = f"{self.namespace}/".encode() + bytes.fromhex(address_digest(address))
        sealed = self.keys.seal(_PURPOSE, body)
        return f"{self.base}/{base64.urlsafe_b64encode(sealed).decode().rstrip('=')}"


def read_token(token: str, settings: Settings, namespace: str) -> str:
    """The digest of the address that a link is for.

    Raises PermanentError TOKEN for one that is not ours, or is another namespace's.
    """
    try:
        sealed = base64.urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
        body = _keys(settings.key_file).unseal(_PURPOSE, sealed)
    except (SealBroken, binascii.Error, ValueError):
        raise _wrong() from None
    whose, _, digest = body.partition(b"/")
    if whose != namespace.encode():
        raise _wrong()
    return digest.hex()


def _wrong() -> PermanentError:
    return PermanentError("TOKEN", "the token is not one of ours")


@lru_cache(maxsize=4)
def _keys(path: Path) -> KeyRing:
    return load_key_ring(path)
