"""The table of parts: Redis, door, SMTP sandbox, downloads; then workers by domain, schedulers."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Self

from portaria.client.tls import pem_or_default
from portaria.core.errors import ConfigurationError
from portaria.database import DatabaseUnavailable, open_database
from portaria.database.upgrading import upgrade
from portaria.jobs.discovery import load_job_types
from portaria.settings import Settings
from portaria.up.checks import is_registered, is_scheduling, redis_answers
from portaria.up.health import answers_http, is_serving
from portaria.up.part import Part
from portaria.up.place import Place, address_of, environment, exported, find_place, write_env_file
from portaria.up.process import OwnedProcess
from portaria.up.redis_server import RedisServer, RedisServerError

# By name: the platform imports no domain, it only runs what is installed beside it.
_SANDBOX = "portaria_workers.mail.sandbox"
# Whose jobs are few and short.
_ALONE = frozenset({"maintenance"})
SCHEDULERS = 2


class System:
    """Everything that one machine needs to take jobs and run them.

    A context: where the Redis is ours, it runs from the start, since the others must know its
    address, and ends with the context.
    """

    def __init__(
        self, settings: Settings, *, concurrency: int = 2, log_style: str | None = None
    ) -> None:
        """Raises ConfigurationError, e.g. where job types cannot be loaded or Redis not started."""
        self.settings = settings
        self.domains = load_job_types(settings.jobs).domains()
        self.place: Place = find_place(settings)
        self.concurrency = concurrency
        self._upgrade_database()
        self.redis = None if self.place.redis_url else self._start_redis()
        self.redis_url = self.redis.url if self.redis else str(self.place.redis_url)
        self._env = environment(self.place, settings, self.redis_url, os.environ)
        if log_style and "log_format" not in settings.model_fields_set:
            self._env["PORTARIA_LOG_FORMAT"] = log_style
        self._check_redis()

    @property
    def has_sandbox(self) -> bool:
        """Whether mails go to a sandbox of our own."""
        return self.place.smtp_listen is not None and _exists(_SANDBOX)

    def parts(self) -> list[Part]:
        """The table, in the order of needs."""
        table = [self._redis_part()] if self.redis else []
        base = tuple(part.name for part in table)
        table.append(self._door(base))
        if self.has_sandbox:
            table.append(self._sandbox())
        if self.place.downloads_listen:
            table.append(self._downloads())
        ready = tuple(part.name for part in table)
        table += [self._worker(domain, ready) for domain in self.domains]
        return table + [self._scheduler(number + 1, ready) for number in range(SCHEDULERS)]

    def processes_of(self, domain: str) -> int:
        """How many jobs the worker of a domain runs at a time."""
        return 1 if domain in _ALONE else self.concurrency

    def __enter__(self) -> Self:
        variables = exported(self.place, self.settings, self.redis_url)
        write_env_file(self.place.env_file, variables)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self.redis:
            self.redis.stop()
        self.place.release()

    def _start_redis(self) -> RedisServer:
        try:
            server = RedisServer(self.place.data_dir / "redis")
            server.start()
        except RedisServerError as error:
            raise ConfigurationError(str(error)) from None
        return server

    def _upgrade_database(self) -> None:
        settings = self.settings.model_copy(update={"database_url": self.place.database_url})
        database = open_database(settings)
        try:
            upgrade(database, settings.jobs)
        except DatabaseUnavailable:
            raise ConfigurationError(
                "PORTARIA_DATABASE_URL: that database cannot be used; unset it to have a file"
            ) from None
        finally:
            database.dispose()

    def _check_redis(self) -> None:
        if not self.redis and not redis_answers(self.redis_url):
            raise ConfigurationError(
                "PORTARIA_REDIS_URL: that Redis does not answer; unset it to use the embedded one"
            )

    def _redis_part(self) -> Part:
        assert self.redis is not None
        return Part(name="redis", process=self.redis.process, ready=self.redis.answers, within=600)

    def _door(self, needs: tuple[str, ...]) -> Part:
        process = self._python("door", "-m", "portaria.cli.main", "serve")
        address, pem = self.place.address, pem_or_default(None)
        return Part(
            name="door",
            process=process,
            ready=lambda: is_serving(address, within=0.2, pem=pem),
            needs=needs,
        )

    def _sandbox(self) -> Part:
        ready = self.place.data_dir / "sandbox.ready"
        process = self._python(
            "smtp", "-m", _SANDBOX, "--listen", str(self.place.smtp_listen),
            "--dir", self.place.mail_dir, "--ready-file", ready,
        )  # fmt: skip
        ready.unlink(missing_ok=True)
        return Part(name="smtp", process=process, ready=ready.exists)

    def _downloads(self) -> Part:
        process = self._python("downloads", "-m", "portaria.cli.main", "downloads")
        address = address_of(str(self.place.downloads_listen))
        return Part(name="downloads", process=process, ready=lambda: answers_http(address))

    def _worker(self, domain: str, needs: tuple[str, ...]) -> Part:
        process = self._python(
            f"worker-{domain}", "-m", "portaria.cli.main", "worker", domain,
            "--concurrency", str(self.processes_of(domain)),
        )  # fmt: skip
        url = self.redis_url
        return Part(
            name=process.name,
            process=process,
            ready=lambda: is_registered(process, url),
            needs=needs,
        )

    def _scheduler(self, number: int, needs: tuple[str, ...]) -> Part:
        process = self._python(f"scheduler-{number}", "-m", "portaria.cli.main", "scheduler")
        url = self.redis_url
        return Part(
            name=process.name,
            process=process,
            ready=lambda: is_scheduling(process, url),
            needs=needs,
        )

    def _python(self, name: str, *arguments: str | Path) -> OwnedProcess:
        log = self.place.log_dir / f"{name}.log"
        log.unlink(missing_ok=True)
        return OwnedProcess(name, [sys.executable, *arguments], log=log, env=self._env)


def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False
