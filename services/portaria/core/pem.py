"""Certificates and keys in PEM files, checked together before any of them is used."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from portaria.core.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class PemNames:
    """What whoever names the files calls them."""

    certificate: str
    key: str
    authorities: str


@dataclass(frozen=True, slots=True)
class Pem:
    """What one side shows, and whom it believes; nothing of it ever in a log."""

    certificate: bytes | None = field(repr=False)
    """With the chain above it, and a key to it."""
    key: bytes | None = field(repr=False)
    authorities: bytes | None = field(repr=False)


def load_pem(
    certificate: Path | None, key: Path | None, authorities: Path | None, names: PemNames
) -> Pem:
    """Reads the files that are given. Raises ConfigurationError that says all that is wrong."""
    wrong: list[str] = []
    shown = _read(certificate, names.certificate, wrong)
    secret = _read(key, names.key, wrong)
    believed = _read(authorities, names.authorities, wrong)
    for raw, name in ((shown, names.certificate), (believed, names.authorities)):
        if raw is not None and not _is_certificate(raw):
            wrong.append(f"{name}: holds no certificate in PEM")
    if certificate and not key:
        wrong.append(f"{names.key}: must be given, too: the key to {names.certificate}")
    if key and not certificate:
        wrong.append(f"{names.certificate}: must be given, too: the certificate of {names.key}")
    if certificate and key and not wrong:
        wrong += (f"{names.key}: {fault}" for fault in _pair_faults(certificate, key))
    if wrong:
        raise ConfigurationError("\n".join(["the settings cannot be used:", *wrong]))
    return Pem(shown, secret, believed)


def _read(path: Path | None, name: str, wrong: list[str]) -> bytes | None:
    try:
        return None if path is None else path.read_bytes()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "is not a path"
        wrong.append(f"{name}: {path}: {why}")
        return None


def _is_certificate(raw: bytes) -> bool:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(
            # Bundles may have comments in any language; what is between the marks is ASCII.
            cadata=raw.decode("ascii", "ignore")
        )
    except (ssl.SSLError, ValueError):
        return False
    return True


def _pair_faults(certificate: Path, key: Path) -> Iterator[str]:
    """What is wrong with a key to a certificate that is one."""
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, _no_password)
    except _EncryptedError:
        yield "is encrypted: a process that starts by itself cannot be asked for a password"
    except ssl.SSLError as error:
        mismatch = error.reason == "KEY_VALUES_MISMATCH"
        yield "does not belong to the certificate" if mismatch else "holds no private key in PEM"


class _EncryptedError(Exception):
    """OpenSSL asked for a password."""


def _no_password() -> str:
    raise _EncryptedError
