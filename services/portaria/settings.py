"""Settings: PORTARIA_* variables, read once, all faults reported together."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from portaria.core.errors import ConfigurationError
from portaria.core.redis_url import check_redis_url
from portaria.core.urls import (
    check_base_url,
    check_database_url,
    check_outside_url,
    check_storage_url,
    check_url,
)

PREFIX = "PORTARIA_"
DEFAULT_REDIS_URL = "redis://127.0.0.1:6379/0"

_TLS_FILES = (
    "tls_cert_file",
    "tls_key_file",
    "tls_client_ca_file",
    "tls_ca_file",
    "tls_client_cert_file",
    "tls_client_key_file",
)
_FILES = (*_TLS_FILES, "webhook_key_file", "dkim_key_file", "s3_secret_key_file", "queries_dir")
_ENDPOINT = re.compile(r"[a-z][a-z0-9-]{0,62}")
_SMTP_SCHEMES = {"smtp", "smtp+starttls", "smtps"}
SLOWEST_RATE = 0.001
"""A second; no slower one can be kept."""


class Settings(BaseModel):
    """Everything that can be set. Each name is its variable without the prefix, in lower case."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    redis_url: str = DEFAULT_REDIS_URL
    """redis://, rediss:// (TLS), redis+sentinel:// or unix://, see core/redis_url.py; `portaria up`
    starts the embedded one when unset."""
    redis_replicas: int = Field(default=0, ge=0, le=16)
    """How many replicas of Redis must have a job before it is acknowledged."""
    listen: str = "127.0.0.1:50051"
    """Where the door listens, HOST:PORT; port 0 takes a free one."""
    address: str = "127.0.0.1:50051"
    """Where clients call: HOST:PORT, or IP:PORT,IP:PORT for several doors."""
    jobs: tuple[str, ...] = ("portaria_workers",)
    """Packages whose job types and handlers are loaded, separated by commas."""
    schedules: tuple[str, ...] | None = None
    """Modules of declared schedules, separated by commas; empty for none. Unset: the module
    `schedules` of each of the packages, where there is one."""
    release: str = Field(default="", max_length=64)
    """The version of the declared schedules; unset, that of the distribution that brings them."""
    data_dir: Path = Path(".portaria")
    """Embedded Redis, sandbox mail, generated keys."""
    signing_key_file: Path | None = None
    """The key ring; generated once in the data dir when unset."""
    namespace: str = Field(default="default", pattern=r"^[a-z][a-z0-9-]{0,62}$")
    """Whose jobs these are, until callers are authenticated."""
    smtp_url: str = "smtp://127.0.0.1:2525"
    """smtp://, smtp+starttls:// or smtps://, with user and password where the server asks. smtp://
    sends the password, and the mails, in clear: to another machine take one of the others."""
    mail_from: str = Field(default="Portaria <no-reply@portaria.example>", min_length=3)
    """The sender of every mail."""
    link_base: str = "https://portaria.example"
    """What links in mails begin with; never taken from a payload."""
    webhooks: tuple[tuple[str, str], ...] = ()
    """Where webhooks may go: NAME=URL, separated by blanks. https://; http:// to this machine."""
    webhook_key_file: Path | None = None
    """Their secrets, a line each: a name, then one or more "whsec_…", separated by blanks."""
    smtp_rate: float = Field(default=0, ge=0, le=100_000)
    """Mails a second that a mail server is given, by all workers together; 0 for no limit, else at
    least 0.001."""
    unsubscribe_url: str = ""
    """What List-Unsubscribe of bulk mails names, a token at its end; none where this is empty.
    ASCII, without query and fragment."""
    dkim_key_file: Path | None = None
    """The private key (PEM) by which mails are signed; needs portaria[dkim]."""
    dkim_selector: str = Field(
        default="portaria", pattern=r"^[A-Za-z0-9]([A-Za-z0-9.-]{0,61}[A-Za-z0-9])?$"
    )
    """Under which the domain of the sender publishes the key."""
    storage_url: str = ""
    """Where documents are kept: file:///DIRECTORY or s3://BUCKET/PREFIX; unset, in the data dir."""
    s3_endpoint: str = ""
    """Of an S3 that is not Amazon's; https://, or http:// to this machine."""
    s3_region: str = ""
    """Of the bucket; unset, as AWS_REGION says."""
    s3_access_key_id: str = ""
    """With the file below; unset, as the AWS_* variables or the machine's own role say."""
    s3_secret_key_file: Path | None = None
    """The secret to it, alone in a file."""
    database_url: str = ""
    """postgresql://USER:PASSWORD@HOST/NAME or sqlite:///FILE; unset, a file in the data dir."""
    downloads_listen: str = "127.0.0.1:50080"
    """Where `portaria downloads` serves links to documents of a local storage."""
    downloads_base: str = ""
    """What such links begin with, as others reach it; unset, http:// and where it listens."""
    link_seconds: int = Field(default=86_400, ge=60, le=604_800)
    """How long links to documents work, but for those that say so themselves; in S3 by a machine's
    role an hour at most, since they end with it."""
    queries_dir: Path | None = None
    """Queries that ExportSpreadsheet may name, NAME.sql each, over those that are shipped."""
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """debug, info, warning or error."""
    log_format: Literal["auto", "pretty", "json"] = "auto"
    """pretty, json, or auto: pretty on a terminal."""
    grace_seconds: float = Field(default=30.0, ge=0, le=3600)
    """How long a stopping process lets running work finish."""
    max_jobs_per_child: int = Field(default=10_000, ge=1, le=1_000_000)
    """Jobs after which a worker's child is replaced by a fresh one."""
    max_memory_mb: int = Field(default=1024, ge=0, le=1_048_576)
    """MiB of its own with which a child is replaced after its job; killed at half as much again.
    0 for no cap."""
    prefetch: int = Field(default=16, ge=1, le=16)
    """The most jobs that a child claims at once, where they are tiny; 1 turns that off."""
    reflection: bool = True
    """Whether the door answers gRPC reflection."""
    tls_cert_file: Path | None = None
    """The door's certificate, with its chain (PEM): the door speaks TLS then, and nothing else.
    Read once, when the door starts, with the two below: to renew a certificate, restart the door.
    """
    tls_key_file: Path | None = None
    """The key to it."""
    tls_client_ca_file: Path | None = None
    """Who signs the certificates of clients; one without such a certificate is not let in."""
    tls_ca_file: Path | None = None
    """Whom clients trust (PEM): they speak TLS then, and nothing else."""
    tls_client_cert_file: Path | None = None
    """The certificate that clients show, with its chain."""
    tls_client_key_file: Path | None = None
    """The key to it."""

    @field_validator(*_FILES, mode="before")
    @classmethod
    def _unset(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("jobs", "schedules", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(name.strip() for name in value.split(",") if name.strip())
        return value

    @field_validator("jobs", "schedules")
    @classmethod
    def _importable(
        cls, value: tuple[str, ...] | None, info: ValidationInfo
    ) -> tuple[str, ...] | None:
        if not value and info.field_name == "jobs":
            raise ValueError("names no package")
        for name in value or ():
            if not all(part.isidentifier() for part in name.split(".")):
                raise ValueError(f'"{name}" is not the name of a Python package')
        return value

    @field_validator("webhooks", mode="before")
    @classmethod
    def _pairs(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(tuple(word.partition("=")[::2]) for word in value.split())
        return value

    @field_validator("webhooks")
    @classmethod
    def _endpoints(cls, value: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        names = [name for name, _ in value]
        for name, url in value:
            if not _ENDPOINT.fullmatch(name) or not url:
                raise ValueError("expected NAME=URL, e.g. default=https://example.com/hooks")
            if names.count(name) > 1:
                raise ValueError(f'names "{name}" twice')
            try:
                check_outside_url(url)
            except ValueError as error:
                raise ValueError(f'"{name}": {error}') from None
        return value

    @field_validator("redis_url")
    @classmethod
    def _redis(cls, value: str) -> str:
        return check_redis_url(value)

    @field_validator("smtp_url")
    @classmethod
    def _smtp(cls, value: str) -> str:
        return check_url(value, _SMTP_SCHEMES)

    @field_validator("link_base", "downloads_base", "unsubscribe_url")
    @classmethod
    def _link(cls, value: str, info: ValidationInfo) -> str:
        if not value and info.field_name != "link_base":
            return value
        return check_url(value.rstrip("/"), {"http", "https"})

    @field_validator("smtp_rate")
    @classmethod
    def _rate(cls, value: float) -> float:
        if 0 < value < SLOWEST_RATE:
            raise ValueError(f"expected 0 for no limit, or at least {SLOWEST_RATE:g}")
        return value

    @field_validator("unsubscribe_url")
    @classmethod
    def _put_before(cls, value: str) -> str:
        return check_base_url(value) if value else value

    @field_validator("storage_url")
    @classmethod
    def _storage(cls, value: str) -> str:
        return check_storage_url(value)

    @field_validator("s3_endpoint")
    @classmethod
    def _s3(cls, value: str) -> str:
        return check_outside_url(value.rstrip("/")) if value else value

    @field_validator("database_url")
    @classmethod
    def _database(cls, value: str) -> str:
        return check_database_url(value)

    @field_validator("listen", "address", "downloads_listen")
    @classmethod
    def _host_port(cls, value: str, info: ValidationInfo) -> str:
        host, colon, port = value.rpartition(":")
        if value.startswith("unix:") and info.field_name != "downloads_listen":
            return value
        if not (host and colon and port.isdigit() and int(port) < 65536):
            raise ValueError("expected HOST:PORT, e.g. 127.0.0.1:50051")
        return value

    @property
    def key_file(self) -> Path:
        """Where the key ring is."""
        return self.signing_key_file or self.data_dir / "signing.key"


def load_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Reads the environment. Raises ConfigurationError that lists every fault, values left out.

    A PORTARIA_* variable that does not exist is a fault, too: it is a typing error of somebody.
    """
    environ = os.environ if environ is None else environ
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    given = {name: value for name, value in environ.items() if name.startswith(PREFIX)}
    wrong = [
        f"{name}: no such setting{_near(name, known)}" for name in sorted(given.keys() - known)
    ]
    values: dict[str, Any] = {
        name.removeprefix(PREFIX).lower(): value for name, value in given.items() if name in known
    }
    try:
        settings = Settings.model_validate(values)
    except ValidationError as error:
        for fault in error.errors(include_input=False, include_url=False, include_context=False):
            name = PREFIX + str(fault["loc"][0]).upper()
            wrong.append(f"{name}: {_plainly(fault['msg'])}")
        settings = None
    if wrong or settings is None:
        raise ConfigurationError("\n".join(["the settings cannot be used:", *wrong]))
    return settings


def _plainly(message: str) -> str:
    """Without the validator's own preambles."""
    message = message.removeprefix("Value error, ").removeprefix("Input ")
    return message.replace("should be", "must be").replace("should match", "must match")


def _near(name: str, known: set[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1)
    return f"; did you mean {near[0]}?" if near else ""
