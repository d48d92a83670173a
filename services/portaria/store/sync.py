"""The store for code that blocks: worker parents, schedulers, tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from redis import Redis
from redis.exceptions import NoScriptError, ResponseError

from portaria.core.ids import new_token
from portaria.store import keys
from portaria.store.calls import Call
from portaria.store.faults import fault, translated
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

    def run_each(self, many: Sequence[Call[Reply]]) -> list[Reply | ResponseError]:
        """Sends calls of one script together, which take effect in their order; answers their
        replies, and what went wrong with some of them.

        Raises StoreUnavailable and StoreFull; the others may have taken effect.
        """
        with translated():
            pipeline: Any = self.redis.pipeline(transaction=False)
            for call in many:
                pipeline.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)
            replies = pipeline.execute(raise_on_error=False)
            if any(isinstance(reply, NoScriptError) for reply in replies):
                # None of them took effect: Redis does not know their script, until the first.
                replies = [self._answer(call) for call in many]
            found: list[Reply | ResponseError] = []
            for call, reply in zip(many, replies, strict=True):
                if isinstance(reply, Exception) and fault(reply) is not None:
                    raise reply
                is_fault = isinstance(reply, ResponseError)
                found.append(reply if is_fault else call.parse(reply))
            return found

    def get(self, job_id: str) -> JobRecord | None:
        """The record of a job."""
        with translated():
            return job_record(job_id, self.redis.hgetall(keys.job(job_id)))  # type: ignore[arg-type]

    def run_id(self) -> str:
        """Which run of Redis this is: changes when it restarts."""
        with translated():
            info: Any = self.redis.info("server")
            return str(info["run_id"])

    def memory_used(self) -> float:
        """The share of its memory limit that Redis uses; 0 where it has none."""
        with translated():
            info: Any = self.redis.info("memory")
            limit = int(info.get("maxmemory") or 0)
            return int(info["used_memory"]) / limit if limit else 0.0

    def prepare(self) -> str:
        """Makes generation and schema at the first start; answers the generation.

        A new one where Redis was promoted since: it may lack what watchers were told.
        """
        with translated():
            # A full Redis refuses every SET, and must not refuse those who would drain it.
            if known := self._prepared():
                return known
            self.redis.set(keys.SCHEMA, SCHEMA_VERSION, nx=True)
            self.redis.set(keys.GENERATION, new_token(), nx=True)
            lineage: Any = self.redis.info("replication")
            before: Any = self.redis.set(keys.LINEAGE, lineage["master_replid"], get=True)
            if was_promoted(before, lineage):
                self.redis.set(keys.GENERATION, new_token())
            generation: Any = self.redis.get(keys.GENERATION)
            return str(generation.decode())

    def _prepared(self) -> str:
        """The generation, where nothing is to be written; else empty."""
        lineage: Any = self.redis.info("replication")
        names = (keys.SCHEMA, keys.GENERATION, keys.LINEAGE)
        found: list[Any] = [self.redis.get(name) for name in names]
        is_same = found[2] == lineage["master_replid"].encode()
        return found[1].decode() if all(found) and is_same else ""

    def unsafe_settings(self) -> list[str]:
        """What about this Redis can lose an acknowledged job; empty where nothing can."""
        with translated():
            return unsafe(lambda name: self.redis.config_get(name))

    def _answer(self, call: Call[Reply]) -> Any:
        try:
            return self._evaluate(call)
        except ResponseError as error:
            return error

    def _evaluate(self, call: Call[Reply]) -> Any:
        # Bytes as they are, so that no argument is ever encoded twice.
        try:
            return self.redis.evalsha(call.script.sha, len(call.keys), *call.keys, *call.arguments)
        except NoScriptError:
            return self.redis.eval(call.script.text, len(call.keys), *call.keys, *call.arguments)


def was_promoted(before: bytes | None, lineage: Mapping[str, Any]) -> bool:
    """Whether this master was a replica of the one that was prepared `before`.

    A restart changes the replication id, too, but then the second one is not that of before.
    """
    return before is not None and before.decode() == lineage["master_replid2"]


UNREADABLE = "its settings may not be read, so its durability is not known"
SAFE = {"appendonly": "yes", "appendfsync": "always", "maxmemory-policy": "noeviction"}


REPLICAS = "min-replicas-to-write"


def unsafe(config_get: Any, replicas: int = 0) -> list[str]:
    """Compares the settings of a Redis with what we promise, where `replicas` must have a job."""
    found = []
    for name, wanted in SAFE.items():
        try:
            value = config_get(name).get(name)
        except ResponseError:
            return [UNREADABLE]
        if value is not None and value != wanted:
            found.append(f"{name} is {value}: expected {wanted}")
    if replicas and int(config_get(REPLICAS).get(REPLICAS) or 0) < 1:
        # A master that was cut off would go on with jobs that the promoted one runs, too.
        found.append(f"{REPLICAS} is 0: expected 1 or more")
    return found
