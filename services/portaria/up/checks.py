"""What tells that a part works, seen from Redis."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import psutil

from portaria.core.errors import PortariaError
from portaria.store.connect import connect
from portaria.store.faults import translated
from portaria.up.process import OwnedProcess

_WORKERS = "rq:workers"


def redis_answers(url: str) -> bool:
    """Whether the Redis at a URL takes commands."""
    try:
        with connect(url) as redis, translated():
            return bool(redis.ping())
    except PortariaError:
        return False


def is_registered(process: OwnedProcess, redis_url: str) -> bool:
    """Whether a process, or one that it started, is in RQ's register of workers."""
    pids = {str(pid) for pid in _family(process.pid)}
    return _any_worker(redis_url, "pid", pids)


def has_worker_on(hostname: str, redis_url: str) -> bool:
    """Whether a worker of a host is in RQ's register, which forgets the silent ones."""
    return _any_worker(redis_url, "hostname", {hostname})


def _any_worker(redis_url: str, field: str, wanted: Collection[str]) -> bool:
    try:
        return any(value in wanted for value in _values(redis_url, field))
    except PortariaError:
        return False


def _values(redis_url: str, field: str) -> Iterator[str]:
    with connect(redis_url) as redis, translated():
        for key in redis.smembers(_WORKERS):
            value = redis.hget(key, field)
            if isinstance(value, bytes):
                yield value.decode()


def _family(pid: int) -> list[int]:
    try:
        return [pid, *(child.pid for child in psutil.Process(pid).children(recursive=True))]
    except psutil.NoSuchProcess:
        return []
