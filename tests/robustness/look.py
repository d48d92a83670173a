"""A raw look at Redis after all is over: plain commands, literal key names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

FIELDS = (
    "state", "status", "origin", "request", "hold", "type", "attempt", "failures", "crashes",
    "losts", "max_attempts",
)  # fmt: skip
_BATCH = 500


@dataclass(frozen=True, slots=True)
class Look:
    """What Redis held at one moment."""

    keys: Mapping[str, str] = field(default_factory=dict)
    """key -> type."""
    jobs: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """job id -> the FIELDS of its hash."""
    requests: Mapping[str, tuple[str, int]] = field(default_factory=dict)
    """request key -> value, milliseconds left (-1: for ever)."""
    queued: Mapping[str, list[str]] = field(default_factory=dict)
    """queue key -> ids."""
    registries: Mapping[str, list[str]] = field(default_factory=dict)
    """key of a sorted set -> members."""
    holds: Mapping[str, str] = field(default_factory=dict)
    depth: Mapping[str, str] = field(default_factory=dict)
    workers: Mapping[str, list[str]] = field(default_factory=dict)
    """rq:workers and rq:workers:{queue} -> names."""


def look(redis: Redis) -> Look:
    """Reads everything that the checks need. The clients' commands are reads only."""
    keys = _keys(redis)
    ids = [key.removeprefix("rq:job:") for key in keys if key.startswith("rq:job:")]
    rows = _each(redis, ids, lambda pipeline, job_id: pipeline.hmget(f"rq:job:{job_id}", FIELDS))
    requests = [key for key in keys if key.startswith("portaria:request:")]
    values = _each(redis, requests, lambda pipeline, key: pipeline.get(key))
    left = _each(redis, requests, lambda pipeline, key: pipeline.pttl(key))
    untyped: Any = redis
    return Look(
        keys=keys,
        jobs={
            job_id: {name: value or "" for name, value in zip(FIELDS, row, strict=True)}
            for job_id, row in zip(ids, rows, strict=True)
        },
        requests=dict(zip(requests, zip(values, left, strict=True), strict=True)),
        queued={k: untyped.lrange(k, 0, -1) for k in keys if k.startswith("rq:queue:")},
        registries={k: untyped.zrange(k, 0, -1) for k, kind in keys.items() if kind == "zset"},
        holds=untyped.hgetall("portaria:holds"),
        depth=untyped.hgetall("portaria:depth"),
        workers={
            key: sorted(name.removeprefix("rq:worker:") for name in untyped.smembers(key))
            for key in keys
            if key == "rq:workers" or key.startswith("rq:workers:")
        },
    )


def let_registrations_lapse(redis: Redis, workers: Iterable[str]) -> None:
    """Ends the 30 s for which RQ keeps a dead worker's registration: what waiting would do."""
    for worker in workers:
        redis.pexpire(f"rq:worker:{worker}", 1)


def _keys(redis: Redis) -> dict[str, str]:
    keys = sorted(set(redis.scan_iter(count=1000)))
    return dict(zip(keys, _each(redis, keys, lambda p, key: p.type(key)), strict=True))


def _each(redis: Redis, items: list[str], ask: Any) -> Iterator[Any]:
    for start in range(0, len(items), _BATCH):
        pipeline = redis.pipeline(transaction=False)
        for item in items[start : start + _BATCH]:
            ask(pipeline, item)
        yield from pipeline.execute()
