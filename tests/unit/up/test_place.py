"""Addresses: what was set is kept, what was not is free, and a second terminal can read it."""

from __future__ import annotations

import socket
import stat
import subprocess
from pathlib import Path

import pytest

from portaria.core.errors import ConfigurationError
from portaria.database.engine import database_url
from portaria.settings import load_settings
from portaria.storage.opening import root_of
from portaria.up.place import address_of, environment, exported, find_place, write_env_file
from portaria.up.ports import claim, free_port

ANY = "127.0.0.1:0"
FREE = {"PORTARIA_DOWNLOADS_LISTEN": ANY}
POSTGRES = "postgresql://portaria:s3cret@db.example/portaria"
REDIS = "redis://:s3cret@127.0.0.1:7000/0"


def test_what_is_not_set_gets_free_ports_and_our_own_servers(tmp_path: Path) -> None:
    """Two systems in two directories do not meet, not even before their doors listen."""
    settings = load_settings({"PORTARIA_DATA_DIR": str(tmp_path)})

    one, two = find_place(settings), find_place(settings)

    assert one.listen != two.listen
    assert one.downloads_listen != two.downloads_listen
    assert two.downloads_base == f"http://{two.downloads_listen}"
    assert one.smtp_url == f"smtp://{one.smtp_listen}"
    assert one.redis_url is None
    for place in (one, two):
        place.release()


def test_a_claimed_port_is_free_again_when_the_claim_is_closed() -> None:
    """The kernel forgets a claim with its owner."""
    port = free_port()
    first = claim("127.0.0.1", port)

    with pytest.raises(OSError, match="in use"):
        claim("127.0.0.1", port)
    first.close()

    claim("127.0.0.1", port).close()


def test_what_is_set_is_used(tmp_path: Path) -> None:
    """Servers that somebody else runs are not doubled by ours."""
    settings = load_settings(
        {
            "PORTARIA_DATA_DIR": str(tmp_path),
            "PORTARIA_LISTEN": ANY,
            **FREE,
            "PORTARIA_REDIS_URL": REDIS,
            "PORTARIA_SMTP_URL": "smtps://mail.example:465",
        }
    )

    place = find_place(settings)

    assert place.redis_url == REDIS
    assert place.smtp_url == "smtps://mail.example:465"
    assert place.smtp_listen is None


@pytest.mark.parametrize("name", ["LISTEN", "DOWNLOADS_LISTEN"])
def test_a_taken_port_is_refused_by_name(name: str) -> None:
    """Before anything is started, and with what to do about it."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        given = {"PORTARIA_LISTEN": ANY, f"PORTARIA_{name}": listen}

        with pytest.raises(ConfigurationError, match=f"PORTARIA_{name}: cannot listen on {listen}"):
            find_place(load_settings(given))


def test_documents_and_their_rows_are_found_from_every_directory(tmp_path: Path) -> None:
    """Those of the data dir, which has a blank in its name."""
    folder = tmp_path / "a b"
    settings = load_settings({"PORTARIA_DATA_DIR": str(folder), "PORTARIA_LISTEN": ANY, **FREE})

    place = find_place(settings)

    there = load_settings(exported(place, settings, REDIS))
    assert root_of(there) == root_of(settings) == folder / "objects"
    assert database_url(there) == database_url(settings)
    assert there.downloads_base == f"http://{place.downloads_listen}"


def test_documents_in_s3_need_no_server_of_ours(tmp_path: Path) -> None:
    """Their links go there."""
    given = {"PORTARIA_STORAGE_URL": "s3://bucket/x", "PORTARIA_DATABASE_URL": POSTGRES}
    settings = load_settings({"PORTARIA_LISTEN": ANY, **given})

    place = find_place(settings)

    variables = exported(place, settings, REDIS)
    assert place.downloads_listen is None
    assert {name: variables[name] for name in given} == given
    assert POSTGRES not in repr(place)


@pytest.mark.parametrize(
    ("listen", "address"),
    [
        ("127.0.0.1:5", "127.0.0.1:5"),
        ("0.0.0.0:5", "127.0.0.1:5"),
        ("[::]:5", "[::1]:5"),
        ("unix:/run/door", "unix:/run/door"),
    ],
)
def test_clients_are_told_an_address_that_they_can_call(listen: str, address: str) -> None:
    """To listen everywhere is no address to call."""
    assert address == address_of(listen)


def test_parts_get_the_callers_environment_with_our_addresses(tmp_path: Path) -> None:
    """A setting of the caller reaches the parts; an address of the caller's is replaced."""
    environ = {"PORTARIA_LOG_LEVEL": "debug", "PORTARIA_ADDRESS": "elsewhere:1", "LANG": "C"}
    settings = load_settings({"PORTARIA_DATA_DIR": str(tmp_path), "PORTARIA_LISTEN": ANY, **FREE})
    place = find_place(settings)

    env = environment(place, settings, REDIS, environ)

    assert env["PORTARIA_LOG_LEVEL"] == "debug"
    assert env["PORTARIA_ADDRESS"] == env["PORTARIA_LISTEN"] == place.address
    assert env["LANG"] == "C"
    assert env["PORTARIA_REDIS_URL"] == REDIS
    assert load_settings(env).data_dir == tmp_path


def test_the_env_file_can_be_sourced_and_is_private(tmp_path: Path) -> None:
    """A shell reads back what was written, odd characters included; nobody else reads it."""
    path = tmp_path / "env"
    variables = {"PORTARIA_REDIS_URL": REDIS, "PORTARIA_DATA_DIR": "/a b/$HOME/'x'"}

    write_env_file(path, variables)

    shell = f'. {path}; printf "%s\\n" "$PORTARIA_REDIS_URL" "$PORTARIA_DATA_DIR"'
    said = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True).stdout
    assert said.splitlines() == list(variables.values())
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_second_terminal_has_valid_settings(tmp_path: Path) -> None:
    """Every PORTARIA_ variable of the env file is a setting."""
    settings = load_settings({"PORTARIA_DATA_DIR": str(tmp_path), "PORTARIA_LISTEN": ANY, **FREE})

    variables = exported(find_place(settings), settings, REDIS)

    assert load_settings(variables).redis_url == REDIS
    assert variables["RQ_REDIS_URL"] == REDIS
    assert "PORTARIA_TLS_CA_FILE" not in variables


def test_the_second_terminal_speaks_tls_where_the_first_one_does(tmp_path: Path) -> None:
    """Wherever it is; the door's own key is not its concern."""
    given = {"PORTARIA_TLS_CA_FILE": "ca.pem", "PORTARIA_TLS_KEY_FILE": "door.key"}
    settings = load_settings(
        {"PORTARIA_DATA_DIR": str(tmp_path), "PORTARIA_LISTEN": ANY, **FREE, **given}
    )

    variables = exported(find_place(settings), settings, REDIS)

    assert variables["PORTARIA_TLS_CA_FILE"] == str(Path("ca.pem").absolute())
    assert "PORTARIA_TLS_KEY_FILE" not in variables
