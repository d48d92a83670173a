"""Who can reach a door, and what a door needs to ask for certificates."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from portaria.core.errors import ConfigurationError
from portaria.frontdoor.tls import is_on_this_machine, server_credentials
from portaria.settings import load_settings


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("127.0.0.1:50051", True),
        ("127.8.8.8:1", True),
        ("[::1]:0", True),
        ("localhost:1", True),
        ("unix:/run/door.sock", True),
        ("0.0.0.0:50051", False),
        ("[::]:50051", False),
        ("10.0.0.1:1", False),
        ("door.example:1", False),
    ],
)
def test_only_loopback_is_this_machine(address: str, expected: bool) -> None:
    """A name may stand for anything."""
    assert is_on_this_machine(address) is expected


def test_a_door_without_files_speaks_no_tls() -> None:
    """As do variables that are empty."""
    assert server_credentials(load_settings({})) is None
    assert server_credentials(load_settings({"PORTARIA_TLS_CERT_FILE": ""})) is None


def test_clients_are_not_asked_in_vain(tmp_path: Path) -> None:
    """Who means to let in some clients only must not get a door that lets in all."""
    authority = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))

    with pytest.raises(ConfigurationError, match="PORTARIA_TLS_CLIENT_CA_FILE: only a door with"):
        server_credentials(load_settings({"PORTARIA_TLS_CLIENT_CA_FILE": str(authority)}))
