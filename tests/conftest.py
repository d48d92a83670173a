"""Fixtures that every test may use. A test takes ports that are free and leaves nothing behind."""

from __future__ import annotations

import functools
import gc
import os
import shutil
import sys
from collections.abc import Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from redis import Redis
from redis import utils as redis_py

from portaria.up.redis_server import RedisServer

# As the processes under test find it; see PORTARIA_JOBS in stack.py.
sys.path.insert(0, str(Path(__file__).parent / "fixtures"))

from stack import Processes, Stack, versions
from stack.processes import base_env

if TYPE_CHECKING:
    from stack.postgres import PostgresServer
    from stack.s3 import S3Server

# Thousands of tests and their modules stay to the end: what collects garbage need not look through
# them, neither while they are gathered nor, again and again, while tests run.
gc.disable()

# redis-py parses its own package's metadata for each connection, and tests open thousands.
redis_py.get_lib_version = functools.cache(redis_py.get_lib_version)

_ROOM = 1 << 30
"""Bytes that a Redis in memory may come to need for its log, with those of other workers."""

_PROCESSES = pytest.StashKey[list[Processes]]()


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Where workers share the tests, the longest go first on each: the last ones run alone.

    Long is what asks for more than the usual timeout. Each worker begins with as many tests, in
    this order, and takes over from the others in the end.
    """
    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if workers > 1:
        long = [item for item in items if _asks_for_time(item)]
        rest = [item for item in items if not _asks_for_time(item)]
        items.clear()
        for number in range(workers):
            size = len(rest) // (workers - number)
            items += [*long[number::workers], *rest[:size]]
            del rest[:size]


def _asks_for_time(item: pytest.Item) -> bool:
    timeout = item.get_closest_marker("timeout")
    return timeout is not None and timeout.args[0] > 60


def pytest_collection_finish() -> None:
    """From here on Python collects as usual."""
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def _session_redis(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    version = getattr(request, "param", "")  # see versions.both_versions
    binary = versions.binary(version) if version else None
    with (
        TemporaryDirectory(prefix="portaria-redis-", dir=_in_memory()) as folder,
        RedisServer(Path(folder), binary=binary) as server,
    ):
        yield server


def _in_memory() -> Path | None:
    """Where fsync costs nothing: a disk takes longer for it than Redis for all else together.

    No test cuts the power, and what is lost without fsync is lost by nothing less. None where there
    is no such place, or little room in it, as in a container by default.
    """
    shared = Path("/dev/shm")
    return shared if shared.is_dir() and shutil.disk_usage(shared).free > _ROOM else None


@pytest.fixture
def redis_server(_session_redis: RedisServer) -> RedisServer:
    """A real Redis with the shipped durability, empty. A test may kill, pause and restart it."""
    server = _session_redis
    server.resume()
    if not server.answers():
        server.stop()
        server.start()
    with Redis.from_url(server.url) as client:
        client.config_set("maxmemory", 0)
        client.flushall()
        client.script_flush()
    return server


@pytest.fixture
def redis(redis_server: RedisServer) -> Iterator[Redis]:
    """A client of the empty Redis; answers are bytes."""
    with Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture(scope="session")
def _session_postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PostgresServer]:
    # Here, since most sessions have no use for its libraries.
    from stack.postgres import PostgresServer

    with PostgresServer(tmp_path_factory.mktemp("postgres")) as server:
        yield server


@pytest.fixture
def postgres(_session_postgres: PostgresServer) -> PostgresServer:
    """A real PostgreSQL; `create_database` makes a test one of its own. A test may kill it."""
    if not _session_postgres.process.running:
        _session_postgres.start()
    return _session_postgres


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that speaks the protocol of S3; `create_bucket` makes a test one of its own."""
    from stack.s3 import S3Server

    with S3Server(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def processes(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Processes]:
    """Starts real processes; stopped at the end, their output shown when the test fails."""
    folder = tmp_path / "processes"
    folder.mkdir()
    started = Processes(folder, base_env())
    _show_on_failure(request, started)
    yield started
    started.stop()


@pytest.fixture
def stack(
    redis_server: RedisServer, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[Stack]:
    """A system of real processes; its parts start when the test asks for them."""
    started = Stack(redis_server, tmp_path)
    _show_on_failure(request, started.processes)
    yield started
    started.close()


def _show_on_failure(request: pytest.FixtureRequest, processes: Processes) -> None:
    request.node.stash.setdefault(_PROCESSES, []).append(processes)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Adds what each process wrote last to the report of a failing test."""
    report = yield
    if report.failed:
        for processes in item.stash.get(_PROCESSES, []):
            report.sections += [(f"output of {name}", tail) for name, tail in processes.tails()]
    return report
