"""Signed links: only what a holder of our ring signed is granted, and only in time."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest

from portaria.core.seal import KeyRing
from portaria.storage.links import Grant, LinkRefused, read, sign

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
RING = KeyRing([b"1" * 32])
GRANT = Grant("default/2026/11/a.pdf", "relatório.pdf", "application/pdf", NOW + timedelta(hours=1))


def test_a_link_grants_what_was_signed() -> None:
    """All of it, in characters that every URL takes."""
    token = sign(RING, GRANT)

    assert read(RING, token, NOW) == GRANT
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def test_a_link_ends() -> None:
    """At its second."""
    token = sign(RING, GRANT)

    read(RING, token, GRANT.expires - timedelta(seconds=1))
    with pytest.raises(LinkRefused):
        read(RING, token, GRANT.expires)


def test_no_character_of_a_link_can_be_changed() -> None:
    """Not even the bits of the last one that say nothing."""
    token = sign(RING, GRANT)

    for place, old in enumerate(token):
        for new in ("A" if old != "A" else "B", "g" if old != "g" else "h"):
            with pytest.raises(LinkRefused):
                read(RING, token[:place] + new + token[place + 1 :], NOW)


def test_a_link_of_another_ring_or_of_another_purpose_is_refused() -> None:
    """What seals envelopes signs no links."""
    other = KeyRing([b"2" * 32])
    body = base64.urlsafe_b64decode(sign(RING, GRANT) + "==")[37:]
    sealed = base64.urlsafe_b64encode(RING.seal("domain/mail", body)).rstrip(b"=").decode()

    for token in (sign(other, GRANT), sealed):
        with pytest.raises(LinkRefused):
            read(RING, token, NOW)


def test_a_link_outlives_a_change_of_keys() -> None:
    """As long as the old key is in the ring."""
    token = sign(RING, GRANT)

    assert read(KeyRing([b"2" * 32, b"1" * 32]), token, NOW) == GRANT


@pytest.mark.parametrize(
    "token", ["", "x", "favicon.ico", "=" * 10, "é", "a b", "A" * 5000, "AQ==", "\ud800"]
)
def test_what_is_no_link_is_refused(token: str) -> None:
    """In the same words."""
    with pytest.raises(LinkRefused):
        read(RING, token, NOW)


@pytest.mark.parametrize("padding", ["=", "==", " ", "\n", "%3D"])
def test_a_link_has_one_form(padding: str) -> None:
    """What decoders pass over is refused."""
    with pytest.raises(LinkRefused):
        read(RING, sign(RING, GRANT) + padding, NOW)
