"""How a client speaks TLS with the door."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from portaria.core.pem import Pem, PemNames, load_pem

CA_VARIABLE = "PORTARIA_TLS_CA_FILE"
CERT_VARIABLE = "PORTARIA_TLS_CLIENT_CERT_FILE"
KEY_VARIABLE = "PORTARIA_TLS_CLIENT_KEY_FILE"

_ARGUMENTS = PemNames("cert_file", "key_file", "ca_file")
_VARIABLES = PemNames(CERT_VARIABLE, KEY_VARIABLE, CA_VARIABLE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """PEM files: whom to trust, and what to show a door that lets only its own clients in.

    Without `ca_file`, the public authorities that gRPC knows are trusted. The door's certificate
    must be for the name or IP in the address. The files are read once, when the client is made.
    """

    ca_file: Path | str | None = None
    cert_file: Path | str | None = None
    key_file: Path | str | None = None
    names: PemNames = field(default=_ARGUMENTS, repr=False, compare=False)
    """What errors call the files."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str] | None = None) -> Tls | None:
        """As PORTARIA_TLS_CA_FILE and the two of the client say; None where nothing is set."""
        environ = os.environ if environ is None else environ
        ca, cert, key = (environ.get(each) for each in (CA_VARIABLE, CERT_VARIABLE, KEY_VARIABLE))
        if not (ca or cert or key):
            return None
        return cls(
            ca_file=ca or None, cert_file=cert or None, key_file=key or None, names=_VARIABLES
        )

    def load(self) -> Pem:
        """Reads the files. Raises ConfigurationError with all that is wrong with them."""
        return load_pem(
            _path(self.cert_file), _path(self.key_file), _path(self.ca_file), self.names
        )


def pem_or_default(tls: Tls | None) -> Pem | None:
    """The files given, else those of the environment, read; None for no TLS."""
    wanted = tls or Tls.from_environ()
    return None if wanted is None else wanted.load()


def channel_credentials(pem: Pem) -> grpc.ChannelCredentials:
    """For a channel."""
    return grpc.ssl_channel_credentials(
        root_certificates=pem.authorities,
        private_key=pem.key,
        certificate_chain=pem.certificate,
    )


def _path(given: Path | str | None) -> Path | None:
    return None if given is None else Path(given)
