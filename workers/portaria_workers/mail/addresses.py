"""E-mail addresses: one address in a field, as the contract's `email` rule defines it."""

from __future__ import annotations

import hashlib
import re

LONGEST_ADDRESS = 254

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The rule of the HTML standard, which protovalidate's `email` is as well: ASCII, and a domain with
# other letters in punycode. Dots only between others, as in RFC 5321: servers refuse the rest.
_LOCAL = r"(?!\.|[^@]*\.[.@])[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+"
_ADDRESS = re.compile(rf"{_LOCAL}@{_LABEL}(?:\.{_LABEL})*\Z")


def normalize_address(text: str) -> str:
    """The address with its domain in lower case; the part before the @ is the receiver's to read.

    Raises ValueError for anything but one address of at most 254 characters.
    """
    if len(text) > LONGEST_ADDRESS or not _ADDRESS.match(text):
        raise ValueError("is not an e-mail address")
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}"


def address_digest(address: str) -> str:
    """What stands for an address where it need not be read: 64 hex digits, the same for any case.

    It shows no address at a glance and hides none: whoever has addresses, or guesses them, can tell
    which are meant. A secret in it would be lost with the key ring, and the list with it.
    """
    return hashlib.sha256(address.lower().encode()).hexdigest()
