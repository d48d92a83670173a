"""A door that speaks TLS, and who may speak with it."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from acme_jobs.lab.v1.lab_pb2 import Noop
from integration.redis.certificates import Certificates
from portaria.client import AsyncClient, Client, DoorUnavailable, Tls
from portaria.up.health import is_serving
from portaria.up.ports import free_port
from stack import Process, Stack

SHORTLY = timedelta(milliseconds=700)
Start = Callable[..., Process]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture
def start(stack: Stack, certificates: Certificates) -> Start:
    """Starts a door with a certificate for 127.0.0.1, where the stack's address is."""

    def starting(**env: str) -> Process:
        tls = {
            "PORTARIA_TLS_CERT_FILE": str(certificates.certificate("server")),
            "PORTARIA_TLS_KEY_FILE": str(certificates.key("server")),
        }
        door = stack.processes.portaria("door", "serve", **tls, **env)
        door.wait_for("redis reached")
        return door

    return starting


@pytest.fixture
def trusting(certificates: Certificates) -> Tls:
    """A client that trusts the door and has nothing to show."""
    return Tls(ca_file=certificates.authority)


@pytest.fixture
def known(certificates: Certificates) -> Tls:
    """A client with a certificate of its own."""
    return Tls(
        ca_file=certificates.authority,
        cert_file=certificates.certificate("client"),
        key_file=certificates.key("client"),
    )


async def test_jobs_are_submitted_and_watched_over_tls(
    stack: Stack, start: Start, trusting: Tls
) -> None:
    """By both clients; the log has no warning."""
    door = start()
    stack.worker("lab")

    with Client(stack.address, tls=trusting) as client:
        events = list(client.submit(Noop()).watch(timeout=timedelta(seconds=20)))
    async with AsyncClient(stack.address, tls=trusting) as client:
        job = await (await client.submit(Noop())).wait(timedelta(seconds=20))

    assert events[-1].done
    assert job.done
    assert "without TLS" not in door.output()


async def test_several_doors_are_called_over_tls(stack: Stack, start: Start, trusting: Tls) -> None:
    """By both clients, where one IP has them; each door's certificate is for this IP."""
    another = f"127.0.0.1:{free_port()}"
    doors = [start(), start(PORTARIA_LISTEN=another)]
    addresses = f"{stack.address},{another}"

    with Client(addresses, tls=trusting) as client:
        handle = client.submit(Noop())
        doors[0].send(signal.SIGKILL)
        doors[0].wait(10)
        assert client.get(handle.id).job_id == handle.id
    async with AsyncClient(addresses, tls=trusting) as client:
        assert (await client.get(handle.id)).job_id == handle.id


def test_commands_and_health_checks_take_it_from_the_environment(
    stack: Stack, start: Start, certificates: Certificates
) -> None:
    """As every setting; a wrong file is told in words."""
    start()
    commands = (
        ("-m", "portaria.cli.main", "submit", "acme_jobs.lab.v1.Noop", "--json", "{}"),
        ("-m", "portaria.up.health"),
    )

    for command in commands:
        done = _run(stack, *command, PORTARIA_TLS_CA_FILE=str(certificates.authority))
        assert (done.returncode, done.stderr) == (0, ""), command
        bad = _run(stack, *command, PORTARIA_TLS_CA_FILE="/no/such.pem")
        assert bad.returncode == 2
        assert "PORTARIA_TLS_CA_FILE: /no/such.pem: No such file or directory" in bad.stderr
        assert "Traceback" not in bad.stderr


def test_a_door_that_knows_its_clients_lets_in_no_other(
    stack: Stack, start: Start, trusting: Tls, known: Tls, certificates: Certificates
) -> None:
    """Neither one without a certificate, nor one whose certificate somebody else signed."""
    start(PORTARIA_TLS_CLIENT_CA_FILE=str(certificates.authority))
    stranger = Certificates(_folder(stack, "stranger"))
    strange = Tls(
        ca_file=certificates.authority,
        cert_file=stranger.certificate("client"),
        key_file=stranger.key("client"),
    )

    with Client(stack.address, tls=known) as client:
        assert client.submit(Noop()).id
    for other in (trusting, strange, None):
        with pytest.raises(DoorUnavailable):
            _call(stack.address, other)


def test_a_door_that_cannot_be_verified_is_not_used(
    stack: Stack, start: Start, trusting: Tls
) -> None:
    """And the client says why; nobody falls back to no TLS."""
    door = start()
    another = _folder(stack, "another") / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(another))
    elsewhere = f"127.0.0.2:{free_port()}"
    start(PORTARIA_LISTEN=elsewhere)

    with pytest.raises(DoorUnavailable, match="not from an authority that is trusted here"):
        _call(stack.address, Tls(ca_file=another))
    with pytest.raises(DoorUnavailable, match="not from an authority that is trusted here"):
        _call(stack.address, Tls())
    with pytest.raises(DoorUnavailable, match="its certificate is for another name"):
        _call(elsewhere, trusting)
    with pytest.raises(DoorUnavailable, match="it may speak TLS alone"):
        _call(stack.address, None)
    assert not is_serving(stack.address, within=0.3)
    assert "Traceback" not in door.output()


def test_a_client_with_tls_does_not_speak_with_a_door_without(stack: Stack, trusting: Tls) -> None:
    """What it would say might be secret."""
    stack.door()

    with pytest.raises(DoorUnavailable, match="speaks TLS, and the door does not"):
        _call(stack.address, trusting)


def test_a_door_with_files_that_cannot_be_used_does_not_start(stack: Stack, tmp_path: Path) -> None:
    """All that is wrong in one answer, exit code 2, no trace, nothing of a key."""
    secret = tmp_path / "key.pem"
    secret.write_text("c4n4ry-k3y")

    done = _run(
        stack, "-m", "portaria.cli.main", "serve",
        PORTARIA_TLS_CERT_FILE=str(tmp_path / "none.pem"),
        PORTARIA_TLS_KEY_FILE=str(secret),
        PORTARIA_TLS_CLIENT_CA_FILE=str(tmp_path),
    )  # fmt: skip

    assert done.returncode == 2
    assert f"PORTARIA_TLS_CERT_FILE: {tmp_path}/none.pem: No such file" in done.stderr
    assert f"PORTARIA_TLS_CLIENT_CA_FILE: {tmp_path}: Is a directory" in done.stderr
    for word in ("Traceback", "c4n4ry-k3y"):
        assert word not in done.stdout + done.stderr


def test_a_door_without_tls_that_others_reach_says_so(stack: Stack) -> None:
    """As a warning; what is not plainly this machine counts as elsewhere."""
    mapped = "[::ffff:127.0.0.1]:0"

    door = stack.processes.portaria("door", "serve", PORTARIA_LISTEN=mapped)

    door.wait_for("reached from elsewhere without TLS")


def _call(address: str, tls: Tls | None) -> None:
    with Client(address, tls=tls, timeout=SHORTLY) as client:
        client.queues()


def _run(stack: Stack, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**stack.env, **env},
        cwd=stack.folder,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _folder(stack: Stack, name: str) -> Path:
    folder = stack.folder / name
    folder.mkdir()
    return folder
