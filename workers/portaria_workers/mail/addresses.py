"""E-mail addresses: one address in a field, as the contract's `email` rule defines it."""

from __future__ import annotations

import re

LONGEST_ADDRESS = 254

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
# The rule of the HTML standard, which protovalidate's `email` is as well: ASCII, and a domain with
# other letters in punycode.
_ADDRESS = re.compile(rf"[A-Za-z0-9.!#$%&'*+/=?^_`{{|}}~-]+@{_LABEL}(?:\.{_LABEL})*\Z")


def normalize_address(text: str) -> str:
    """The address with its domain in lower case; the part before the @ is the receiver's to read.

    Raises ValueError for anything but one address of at most 254 characters.
    """
    if len(text) > LONGEST_ADDRESS or not _ADDRESS.match(text):
        raise ValueError("is not an e-mail address")
    local, _, domain = text.rpartition("@")
    return f"{local}@{domain.lower()}"
