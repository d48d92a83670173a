"""Checks of the URLs in settings: each raises ValueError that says what was expected, and never the
URL, which may hold a password."""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import parse_qs, urlsplit

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PLAIN = re.compile(r"[!$-;=@-~]+")
_PREFIX = re.compile(r"(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*/?")


def check_url(value: str, schemes: Collection[str]) -> str:
    """A URL with one of the schemes and a host."""
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError("is not a URL") from None
    if parts.scheme not in schemes:
        raise ValueError(f"expected a URL with {', '.join(f'{s}://' for s in sorted(schemes))}")
    if not parts.hostname:
        raise ValueError("names no host")
    return value


def check_outside_url(value: str) -> str:
    """Where others are called: no secrets in it, nor bodies over a wire that others read."""
    check_url(value, {"http", "https"})
    parts = urlsplit(value)
    if parts.username is not None or parts.fragment:
        raise ValueError("expected a URL without user and fragment")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        raise ValueError("expected https://, but for this machine")
    return value


def check_base_url(value: str) -> str:
    """What is written into a header with a path put behind it."""
    check_url(value, {"http", "https"})
    if not _PLAIN.fullmatch(value):
        raise ValueError(
            "expected a URL in ASCII, without query and fragment: something is put behind it"
        )
    return value


def check_storage_url(value: str) -> str:
    """Empty, file:// and an absolute path, or s3:// and a bucket, with a prefix or without."""
    if not value:
        return value
    parts = urlsplit(value)
    plain = not (parts.query or parts.fragment or ".." in parts.path.split("/"))
    if parts.scheme == "file" and plain and not parts.netloc and len(parts.path) > 1:
        return value.rstrip("/")
    if parts.scheme == "s3" and plain and _BUCKET.fullmatch(parts.netloc):
        if _PREFIX.fullmatch(parts.path):
            return value.rstrip("/")
        raise ValueError("a prefix has letters, digits and . _ - between its slashes")
    raise ValueError("expected file:///DIRECTORY or s3://BUCKET/PREFIX")


def check_database_url(value: str) -> str:
    """Empty, postgresql:// with a host and a name, or sqlite:/// and a file.

    A host may be the directory of a Unix socket: postgresql://USER@/NAME?host=/run/postgresql.
    """
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme == "sqlite":
        named = not parts.netloc and len(parts.path) > 1 and not value.endswith("/")
        if named and parts.path != "/:memory:" and not (parts.query or parts.fragment):
            return value
    if parts.scheme == "postgresql" and len(parts.path) > 1:
        if parts.netloc.endswith("@") and "host" in parse_qs(parts.query):
            return value
        return check_url(value, {"postgresql"})
    raise ValueError("expected postgresql://USER:PASSWORD@HOST/NAME or sqlite:///FILE")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
