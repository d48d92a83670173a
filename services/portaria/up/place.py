"""Where the parts of one system are: addresses, directories, and the environment that says so."""

from __future__ import annotations

import os
import shlex
import socket
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from portaria.client.tls import CA_VARIABLE, CERT_VARIABLE, KEY_VARIABLE
from portaria.core.errors import ConfigurationError
from portaria.database.engine import absolute_url
from portaria.settings import PREFIX, Settings
from portaria.storage.opening import is_local, root_of
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
    database_url: str = field(repr=False)
    storage_url: str
    downloads_listen: str | None
    """Where links to documents are served; None: they lie in S3."""
    downloads_base: str
    claims: tuple[socket.socket, ...] = field(default=(), compare=False, repr=False)
    """Hold our ports against other systems of this machine until they are released."""

    def release(self) -> None:
        """Gives the ports to others."""
        for each in self.claims:
            each.close()

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
    """Chooses addresses: the usual ones of door and downloads where they are free, else free ports.

    Raises ConfigurationError where a port that was set is taken.
    """
    given = settings.model_fields_set
    listen, claimed = _address(settings.listen, "listen", given)
    smtp_listen = None if "smtp_url" in given else f"127.0.0.1:{free_port()}"
    downloads: str | None = None
    also: tuple[socket.socket, ...] = ()
    if is_local(settings):
        downloads, also = _address(settings.downloads_listen, "downloads_listen", given)
    return Place(
        data_dir=settings.data_dir.absolute(),
        listen=listen,
        address=address_of(listen),
        redis_url=settings.redis_url if "redis_url" in given else None,
        smtp_url=f"smtp://{smtp_listen}" if smtp_listen else settings.smtp_url,
        smtp_listen=smtp_listen,
        database_url=absolute_url(settings),
        storage_url=settings.storage_url or f"file://{quote(str(root_of(settings)))}",
        downloads_listen=downloads,
        downloads_base=settings.downloads_base
        or (f"http://{address_of(downloads)}" if downloads else ""),
        claims=claimed + also,
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
        "PORTARIA_DATABASE_URL": place.database_url,
        "PORTARIA_STORAGE_URL": place.storage_url,
        "PORTARIA_DOWNLOADS_BASE": place.downloads_base,
        "PORTARIA_DATA_DIR": str(place.data_dir),
        "PORTARIA_SIGNING_KEY_FILE": str(key_file.absolute()),
        "PORTARIA_JOBS": ",".join(settings.jobs),
        "RQ_REDIS_URL": redis_url,
        **({"PORTARIA_DOWNLOADS_LISTEN": place.downloads_listen} if place.downloads_listen else {}),
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


def _address(
    wanted: str, name: str, given: Collection[str]
) -> tuple[str, tuple[socket.socket, ...]]:
    """Where to listen: as set, as usual, or at a free port; and what claims it."""
    if wanted.startswith("unix:"):
        return wanted, ()
    host, _, port = wanted.rpartition(":")
    if int(port) == 0:
        return f"{host}:{free_port()}", ()
    try:
        return wanted, (claim(host.strip("[]"), int(port)),)
    except OSError as error:
        if name not in given:
            return f"{host}:{free_port()}", ()
        raise ConfigurationError(
            f"{PREFIX}{name.upper()}: cannot listen on {wanted}: {error.strerror}; "
            "unset it to have a free port"
        ) from None
