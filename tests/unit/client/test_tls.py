"""Whether a client speaks TLS."""

from __future__ import annotations

from pathlib import Path

import pytest

from portaria.client import AsyncClient, Client, ConfigurationError, DoorUnavailable, Tls

CA, CERT, KEY = (
    "PORTARIA_TLS_CA_FILE",
    "PORTARIA_TLS_CLIENT_CERT_FILE",
    "PORTARIA_TLS_CLIENT_KEY_FILE",
)


def test_the_environment_says_so_where_the_program_does_not() -> None:
    """Empty ones are none."""
    assert Tls.from_environ({}) is None
    assert Tls.from_environ({CA: "", CERT: "", KEY: ""}) is None
    assert Tls.from_environ({CA: "a"}) == Tls(ca_file="a")
    assert Tls.from_environ({CERT: "b", KEY: "c"}) == Tls(cert_file="b", key_file="c")


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_files_that_cannot_be_used_are_refused_at_once(
    client: type[Client | AsyncClient], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the name under which they were given: before any call, and never without TLS instead."""
    with pytest.raises(ConfigurationError, match=r"\nca_file: .*No such file"):
        client(tls=Tls(ca_file=tmp_path / "none"))

    monkeypatch.setenv(CA, str(tmp_path / "none"))
    with pytest.raises(ConfigurationError, match=rf"\n{CA}: .*No such file"):
        client()


def test_what_grpc_says_of_tls_is_put_into_words() -> None:
    """Other causes need none."""
    said = "ipv4:1.2.3.4:5: Tls handshake failed: CERTIFICATE_VERIFY_FAILED: no issuer: OK"

    other = "Custom verification check failed: UNAUTHENTICATED: Hostname Verification Check failed."

    assert "authority" in DoorUnavailable("a:1", said).message
    assert "for another name" in DoorUnavailable("a:1", other).message
    assert DoorUnavailable("a:1", other).is_about_tls
    assert DoorUnavailable("a:1", "Connection refused").message == "cannot reach the door at a:1"
