"""Whether the door speaks TLS, and with whom."""

from __future__ import annotations

from ipaddress import ip_address

import grpc

from portaria.core.errors import ConfigurationError
from portaria.core.pem import PemNames, load_pem
from portaria.settings import Settings

_NAMES = PemNames("PORTARIA_TLS_CERT_FILE", "PORTARIA_TLS_KEY_FILE", "PORTARIA_TLS_CLIENT_CA_FILE")


def server_credentials(settings: Settings) -> grpc.ServerCredentials | None:
    """None for a door without TLS. Raises ConfigurationError with all that is wrong."""
    certificate, key = settings.tls_cert_file, settings.tls_key_file
    pem = load_pem(certificate, key, settings.tls_client_ca_file, _NAMES)
    if pem.certificate is None or pem.key is None:
        if pem.authorities is not None:
            raise ConfigurationError(
                "the settings cannot be used:\n"
                f"{_NAMES.authorities}: only a door with a certificate can ask clients for theirs:"
                f" set {_NAMES.certificate} and {_NAMES.key}, too"
            )
        return None
    return grpc.ssl_server_credentials(
        [(pem.key, pem.certificate)],
        root_certificates=pem.authorities,
        require_client_auth=pem.authorities is not None,
    )


def is_on_this_machine(address: str) -> bool:
    """Whether nobody elsewhere can reach an address, as PORTARIA_LISTEN has it."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
