"""Where the parts of one system are: addresses, directories, and the environment that says so."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from portaria.client.tls import CA_VARIABLE, CERT_VARIABLE, KEY_VARIABLE
from portaria.core.errors import ConfigurationError
from portaria.settings import PREFIX, Settings
from portaria.up.ports import claim, free_port

_ANY_HOST = {"0.0.0.0": "127.0.0.1", "": "127.0.0.1", "[::]": "[::1]", "::": "[::1]"}  # noqa: S104


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """What was set, and free ports for what was not."""

    data_dir: Path
    """Absolute."""
    listen: str
    address: str
    """Where clients on this machine call the door."""
    redis_url: str | None
    """The Redis that somebody else runs; None: the embedded one."""
    smtp_url: str
    smtp_listen: str | None
    """Where the sandbox listens; None: mails go to a server that somebody else runs."""
    claimed: socket.socket | None = field(default=None, compare=False, repr=False)
    """Holds the door's port against other systems of this machine until it is closed."""

    @property
    def mail_dir(self) -> Path:
        """Where the sandbox keeps mails."""
        return self.data_dir / "mail"

    @property
    def log_dir(self) -> Path:
        """What the parts write."""
        return self.data_dir / "logs"

    @property
    def env_file(self) -> Path:
        """What a second terminal sources."""
        return self.data_dir / "env"


def find_place(settings: Settings) -> Place:
    """Chooses addresses: the usual one of the door where it is free, else free ports.

    Raises ConfigurationError where a port that was set is taken.
    """
    given = settings.model_fields_set
    listen, claimed = _door_address(settings)
    smtp_listen = None if "smtp_url" in given else f"127.0.0.1:{free_port()}"
    return Place(
        data_dir=settings.data_dir.absolute(),
        listen=listen,
        address=address_of(listen),
        redis_url=settings.redis_url if "redis_url" in given else None,
        smtp_url=f"smtp://{smtp_listen}" if smtp_listen else settings.smtp_url,
        smtp_listen=smtp_listen,
        claimed=claimed,
    )


def address_of(listen: str) -> str:
    """Where a client on this machine finds what listens there."""
    if listen.startswith("unix:"):
        return listen
    host, _, port = listen.rpartition(":")
    return f"{_ANY_HOST.get(host, host)}:{port}"


def environment(
    place: Place, settings: Settings, redis_url: str, environ: Mapping[str, str]
) -> dict[str, str]:
    """What every part is started with: the caller's environment, with the addresses chosen."""
    chosen = {
        "PORTARIA_REDIS_URL": redis_url,
        "PORTARIA_LISTEN": place.listen,
        **exported(place, settings, redis_url),
    }
    return {**environ, **chosen}


def exported(place: Place, settings: Settings, redis_url: str) -> dict[str, str]:
    """What a second terminal needs to be a client, a worker or an onlooker of this system."""
    key_file = settings.signing_key_file or place.data_dir / "signing.key"
    clients_tls = {
        CA_VARIABLE: settings.tls_ca_file,
        CERT_VARIABLE: settings.tls_client_cert_file,
        KEY_VARIABLE: settings.tls_client_key_file,
    }
    return {
        "PORTARIA_ADDRESS": place.address,
        "PORTARIA_REDIS_URL": redis_url,
        "PORTARIA_SMTP_URL": place.smtp_url,
        "PORTARIA_DATA_DIR": str(place.data_dir),
        "PORTARIA_SIGNING_KEY_FILE": str(key_file.absolute()),
        "PORTARIA_JOBS": ",".join(settings.jobs),
        "RQ_REDIS_URL": redis_url,
        **{name: str(path.absolute()) for name, path in clients_tls.items() if path},
    }


def write_env_file(path: Path, variables: Mapping[str, str]) -> None:
    """Writes `export …` lines, readable by their owner only: a password is among them."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write("# Of the last `portaria up` here: source it in another terminal.\n")
        file.writelines(f"export {name}={shlex.quote(text)}\n" for name, text in variables.items())
    draft.replace(path)


def _door_address(settings: Settings) -> tuple[str, socket.socket | None]:
    wanted = settings.listen
    if wanted.startswith("unix:"):
        return wanted, None
    host, _, port = wanted.rpartition(":")
    if int(port) == 0:
        return f"{host}:{free_port()}", None
    try:
        return wanted, claim(host.strip("[]"), int(port))
    except OSError as error:
        if "listen" not in settings.model_fields_set:
            return f"{host}:{free_port()}", None
        raise ConfigurationError(
            f"{PREFIX}LISTEN: cannot listen on {wanted}: {error.strerror}; "
            "unset it to have a free port"
        ) from None
