"""Signed links to objects of a local storage: what a link grants, and the proof that we said so."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from portaria.core.seal import KeyRing, SealBroken

PURPOSE = "downloads"
"""Of the key that links are sealed with; see core/seal.py."""
_LONGEST_TOKEN = 4096


class LinkRefused(Exception):
    """We did not make it, or its time is over."""


@dataclass(frozen=True, slots=True)
class Grant:
    """One object, for whoever has the link."""

    key: str
    filename: str
    content_type: str
    expires: datetime
    """Counted in whole seconds."""


def sign(ring: KeyRing, grant: Grant) -> str:
    """The token of a link: letters, digits, - and _."""
    until = int(grant.expires.timestamp())
    body = json.dumps([grant.key, grant.filename, grant.content_type, until], ensure_ascii=False)
    return urlsafe_b64encode(ring.seal(PURPOSE, body.encode())).rstrip(b"=").decode()


def read(ring: KeyRing, token: str, now: datetime) -> Grant:
    """What a token grants. Raises LinkRefused, which does not say why."""
    try:
        body = ring.unseal(PURPOSE, _bytes(token))
    except (SealBroken, NotBase64, ValueError):
        raise LinkRefused from None
    # What carries our seal was written by `sign`.
    key, filename, content_type, until = json.loads(body)
    if now.timestamp() >= until:
        raise LinkRefused
    expires = datetime.fromtimestamp(until, UTC)
    return Grant(key, filename, content_type, expires)


def _bytes(token: str) -> bytes:
    if len(token) > _LONGEST_TOKEN:
        raise ValueError
    found = urlsafe_b64decode(token.encode("ascii") + b"=" * (-len(token) % 4))
    # Decoding passes over what is no digit of base 64, and over the last bits.
    if urlsafe_b64encode(found).rstrip(b"=") != token.encode("ascii"):
        raise ValueError
    return found


def until(now: datetime, good_for: timedelta) -> datetime:
    """The end of a link, at least a second from now."""
    return now + max(good_for, timedelta(seconds=1))
