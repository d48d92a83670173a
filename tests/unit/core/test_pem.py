"""Certificates and keys: all that is wrong with them at once, and nothing of a key."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from portaria.core.errors import ConfigurationError
from portaria.core.pem import PemNames, load_pem

NAMES = PemNames("CERT", "KEY", "CA")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def folder(tmp_path: Path, authority: trustme.CA) -> Path:
    """With `cert`, `key` to it, `ca`, and files that are no such thing."""
    issued = authority.issue_cert("door.example")
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key"))
    for each in issued.cert_chain_pems:
        each.write_to_path(str(tmp_path / "cert"), append=True)
    authority.issue_cert("b.example").private_key_pem.write_to_path(str(tmp_path / "other"))
    key = load_pem_private_key((tmp_path / "key").read_bytes(), None)
    locked = key.private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    (tmp_path / "locked").write_bytes(locked)
    (tmp_path / "empty").touch()
    (tmp_path / "binary").write_bytes(b"\xff\x00\x01")
    return tmp_path


def load(folder: Path, **given: str):
    """Reads files of the folder."""
    paths = {name: folder / file for name, file in given.items()}
    kinds = ("certificate", "key", "authorities")
    return load_pem(*(paths.get(kind) for kind in kinds), NAMES)


def refusal(folder: Path, **given: str) -> list[str]:
    """What is said against them, a line each."""
    with pytest.raises(ConfigurationError) as raised:
        load(folder, **given)
    head, *lines = raised.value.message.splitlines()
    assert head == "the settings cannot be used:"
    return lines


def test_good_files_are_read_whole(folder: Path) -> None:
    """As they are; and nothing of them is shown by repr."""
    pem = load(folder, certificate="cert", key="key", authorities="ca")

    assert (pem.certificate, pem.key, pem.authorities) == tuple(
        (folder / name).read_bytes() for name in ("cert", "key", "ca")
    )
    assert "BEGIN" not in repr(pem)


def test_each_may_be_left_out_but_a_pair_is_a_pair(folder: Path) -> None:
    """Nothing at all is fine, too."""
    assert load(folder).certificate is None
    assert load(folder, authorities="ca").authorities
    assert refusal(folder, certificate="cert") == ["KEY: must be given, too: the key to CERT"]
    assert refusal(folder, key="key") == ["CERT: must be given, too: the certificate of KEY"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"certificate": "none", "key": "key"}, "CERT: {folder}/none: No such file or directory"),
        ({"certificate": "cert", "key": "."}, "KEY: {folder}: Is a directory"),
        ({"certificate": "empty", "key": "key"}, "CERT: holds no certificate in PEM"),
        ({"certificate": "key", "key": "key"}, "CERT: holds no certificate in PEM"),
        ({"certificate": "binary", "key": "key"}, "CERT: holds no certificate in PEM"),
        ({"certificate": "cert", "key": "empty"}, "KEY: holds no private key in PEM"),
        ({"certificate": "cert", "key": "cert"}, "KEY: holds no private key in PEM"),
        ({"certificate": "cert", "key": "binary"}, "KEY: holds no private key in PEM"),
        ({"certificate": "cert", "key": "other"}, "KEY: does not belong to the certificate"),
        ({"certificate": "cert", "key": "locked"}, "KEY: is encrypted"),
        ({"authorities": "binary"}, "CA: holds no certificate in PEM"),
        ({"authorities": "none"}, "CA: {folder}/none: No such file or directory"),
    ],
)
def test_each_fault_names_its_setting(given: dict[str, str], said: str, folder: Path) -> None:
    """In one line, without a word of what the files hold."""
    (line,) = refusal(folder, **given)

    assert line.startswith(said.format(folder=folder))
    assert "BEGIN" not in line


def test_all_faults_are_said_together(folder: Path) -> None:
    """One for each file."""
    lines = refusal(folder, certificate="binary", key="none", authorities="empty")

    assert {line.partition(":")[0] for line in lines} == {"CERT", "KEY", "CA"}
    assert len(lines) == 3
