"""What tells that a part works, seen from Redis."""

from __future__ import annotations

import socket
import time
from collections.abc import Collection, Iterator

import psutil

from portaria.core.errors import PortariaError
from portaria.store import keys
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


def is_scheduling(process: OwnedProcess, redis_url: str) -> bool:
    """Whether a process, or one that it started, is a scheduler that lives."""
    host = socket.gethostname()
    return _any_scheduler(redis_url, tuple(f"{host}.{pid}." for pid in _family(process.pid)))


def has_scheduler_on(hostname: str, redis_url: str) -> bool:
    """Whether a scheduler of a host lives; one that is silent counts for 15 s."""
    return _any_scheduler(redis_url, (f"{hostname}.",))


def _any_scheduler(redis_url: str, prefixes: tuple[str, ...]) -> bool:
    """By their names, which begin with host and pid unless somebody chose others."""
    try:
        with connect(redis_url) as redis, translated():
            found = redis.zrange(keys.SCHEDULERS, 0, -1, withscores=True)
    except PortariaError:
        return False
    now = time.time()
    return any(until > now and name.decode().startswith(prefixes) for name, until in found)


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
