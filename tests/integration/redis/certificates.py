"""Certificates of an authority that nobody knows, and a Redis that speaks TLS alone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import trustme
from redis import Redis

from portaria.up.ports import free_port
from portaria.up.redis_server import RedisServer


@dataclass(frozen=True)
class Certificates:
    """Files of an authority, a server on 127.0.0.1, and a client."""

    folder: Path

    def __post_init__(self) -> None:
        authority = trustme.CA()
        authority.cert_pem.write_to_path(str(self.authority))
        self._write("server", authority.issue_cert("127.0.0.1"))
        self._write("client", authority.issue_cert("worker.example"))

    @property
    def authority(self) -> Path:
        """Whom to trust."""
        return self.folder / "authority.pem"

    def certificate(self, name: str) -> Path:
        """Of "server" or "client"."""
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        """The private key to it."""
        return self.folder / f"{name}.key"

    def options(self) -> str:
        """Of a URL: trust, and a certificate to show."""
        return (
            f"ssl_ca_certs={self.authority}"
            f"&ssl_certfile={self.certificate('client')}&ssl_keyfile={self.key('client')}"
        )

    def _write(self, name: str, issued: trustme.LeafCert) -> None:
        issued.private_key_pem.write_to_path(str(self.key(name)))
        for pem in issued.cert_chain_pems:
            pem.write_to_path(str(self.certificate(name)), append=True)


def speak_tls(server: RedisServer, certificates: Certificates) -> int:
    """Has a Redis that runs listen with TLS, for clients with a certificate; answers the port."""
    port = free_port()
    with Redis.from_url(server.url) as client:
        for name, value in {
            "tls-cert-file": certificates.certificate("server"),
            "tls-key-file": certificates.key("server"),
            "tls-ca-cert-file": certificates.authority,
            "tls-auth-clients": "yes",
            "tls-port": port,
        }.items():
            client.config_set(name, str(value))
    return port
