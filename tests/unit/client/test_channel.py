"""Where a client calls, and from which process."""

import os
import subprocess
import sys

import pytest
import trustme

from portaria.client import AsyncClient, Client, Tls
from portaria.client.channel import (
    OPTIONS,
    ProcessGuard,
    address_or_default,
    doors_of,
    options_of,
    target_of,
)
from portaria.client.states import state_name
from portaria.core.errors import ConfigurationError
from portaria.v1.job_pb2 import JOB_STATE_RUNNING


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        ("door:1", {"PORTARIA_ADDRESS": "other:2"}, "door:1"),
        (None, {"PORTARIA_ADDRESS": "other:2"}, "other:2"),
        (None, {"PORTARIA_ADDRESS": ""}, "127.0.0.1:50051"),
        (None, {}, "127.0.0.1:50051"),
    ],
)
def test_the_address_is_the_given_one_or_the_setting_or_the_default(given, environ, expected):
    """In this order."""
    assert address_or_default(given, environ) == expected


@pytest.mark.parametrize(
    ("address", "target"),
    [
        ("door:50051", "door:50051"),
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("127.0.0.1:1,10.0.0.2:50051", "ipv4:127.0.0.1:1,10.0.0.2:50051"),
        (" 127.0.0.1:1, 127.0.0.1:2", "ipv4:127.0.0.1:1,127.0.0.1:2"),
        ("[::1]:1,[fe80::1]:2", "ipv6:[::1]:1,[fe80::1]:2"),
        ("ipv4:127.0.0.1:1,127.0.0.1:2", "ipv4:127.0.0.1:1,127.0.0.1:2"),
        ("unix:/run/door.sock", "unix:/run/door.sock"),
        ("dns:///doors:50051", "dns:///doors:50051"),
    ],
)
def test_a_list_of_doors_is_a_target_of_grpc(address, target):
    """Whatever else gRPC resolves by itself stays as it is."""
    assert target_of(address) == target


@pytest.mark.parametrize(
    ("address", "doors"),
    [
        ("door:50051", ["door:50051"]),
        ("127.0.0.1:1, 10.0.0.2:50051", ["127.0.0.1:1", "10.0.0.2:50051"]),
        ("[::1]:1,[::1]:2", ["[::1]:1", "[::1]:2"]),
        ("ipv4:///127.0.0.1:1,127.0.0.1:2", ["127.0.0.1:1", "127.0.0.1:2"]),
        ("unix:/run/door.sock", ["unix:/run/door.sock"]),
    ],
)
def test_each_door_of_a_list_can_be_called_alone(address, doors):
    """What gRPC resolves by itself is one."""
    assert doors_of(address) == doors


@pytest.mark.parametrize(
    "address",
    ["door:1,door:2", "127.0.0.1:1,", ",", "127.0.0.1:1,127.0.0.1", "127.0.0.1:1,[::1]:1",
     "[127.0.0.1]:1,127.0.0.1:2", "::1:1,::1:2", "127.0.0.1:1,127.0.0.1:-2"],
)  # fmt: skip
@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_list_that_grpc_would_not_resolve_is_refused_at_once(client, address):
    """With what a list is, before any call."""
    with pytest.raises(ConfigurationError, match=r"is IP:PORT,IP:PORT"):
        client(address)


@pytest.mark.parametrize(
    ("address", "authority"),
    [
        ("127.0.0.1:1,127.0.0.1:2", "127.0.0.1"),
        ("[::1]:1,[::1]:2", "[::1]"),
        ("ipv4:///127.0.0.1:1,127.0.0.1:2", "127.0.0.1"),
    ],
)
def test_certificates_of_a_list_are_for_the_ip_that_its_doors_share(address, authority):
    """Without TLS, and for a single door, gRPC knows by itself whom it calls."""
    target = target_of(address)

    assert options_of(target, tls=True) == (*OPTIONS, ("grpc.default_authority", authority))
    assert options_of(target, tls=False) == OPTIONS
    assert options_of(target.partition(",")[0], tls=True) == OPTIONS


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_a_list_of_several_ips_is_refused_with_tls(client, tmp_path):
    """With what to give instead: gRPC holds all certificates of a channel against one name."""
    address, authority = "127.0.0.1:1,127.0.0.2:1", tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(authority))
    client(address)

    with pytest.raises(ConfigurationError, match="give one name that stands for them"):
        client(address, tls=Tls(ca_file=authority))


def test_a_client_of_before_a_fork_says_so(monkeypatch):
    """In a forked child gRPC's threads are missing: a call would hang, so it is refused."""
    guard = ProcessGuard()
    guard.check()

    monkeypatch.setattr(os, "getpid", lambda: 1)

    with pytest.raises(RuntimeError, match="make one in each process"):
        guard.check()


def test_a_state_that_is_newer_than_the_client_has_a_name():
    """New states may be added; an old client must not break on them."""
    assert state_name(JOB_STATE_RUNNING) == "RUNNING"
    assert state_name(99) == "STATE_99"


def test_a_caller_needs_neither_redis_nor_rq():
    """Importing the client imports nothing of what only servers and the CLI install."""
    code = "import sys, portaria.client; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stdout.split()}

    foreign = {"redis", "rq", "click", "rich", "pydantic", "structlog", "hiredis", "protovalidate"}
    assert loaded & foreign == set()
    assert "grpc" in loaded
