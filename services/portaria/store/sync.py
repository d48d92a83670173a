"""The store for code that blocks: worker parents, schedulers, tools."""

from __future__ import annotations

from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError

from portaria.core.ids import new_token
from portaria.store import keys
from portaria.store.calls import Call
from portaria.store.faults import translated
from portaria.store.record import JobRecord, job_record

Reply = TypeVar("Reply")

SCHEMA_VERSION = "1"


class Store:
    """Calls over one redis-py client. Raises StoreUnavailable and StoreFull."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def run(self, call: Call[Reply]) -> Reply:
        """Sends one call and answers its reply."""
        with translated():
            return call.parse(self._evaluate(call))

    def get(self, job_id: str) -> JobRecord | None:
        """The record of a job."""
        with translated():
            return job_record(job_id, self.redis.hgetall(keys.job(job_id)))  # type: ignore[arg-type]

    def run_id(self) -> str:
        """Which run of Redis this is: changes when it restarts."""
        with translated():
            info: Any = self.redis.info("server")
            return str(info["run_id"])

    def prepare(self) -> str:
        """Makes generation and schema at the first start; answers the generation."""
        with translated():
            self.redis.set(keys.SCHEMA, SCHEMA_VERSION, nx=True)
            self.redis.set(keys.GENERATION, new_token(), nx=True)
            generation: Any = self.redis.get(keys.GENERATION)
            return str(generation.decode())

    def unsafe_settings(self) -> list[str]:
        """What about this Redis can lose an acknowledged job; empty where nothing can."""
        with translated():
            return unsafe(lambda name: self.redis.config_get(name))

    def _evaluate(self, call: Call[Reply]) -> Any:
        # Bytes as they are, so that no argument is ever encoded twice.
        try:
            return self.redis.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)
        except NoScriptError:
            return self.redis.eval(call.script.text, len(call.keys), *call.keys, *call.arguments)


UNREADABLE = "its settings may not be read, so its durability is not known"
SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


def unsafe(config_get: Any) -> list[str]:
    """Compares the settings of a Redis with what we promise."""
    found = []
    for name, wanted in SAFE.items():
        try:
            value = config_get(name).get(name)
        except ResponseError:
            return [UNREADABLE]
        if value is not None and value != wanted:
            found.append(f"{name} is {value}: expected {wanted}")
    return found
