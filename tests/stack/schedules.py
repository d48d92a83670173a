"""Schedules made as the door makes them, and what became of their ticks."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from google.protobuf.message import Message
from redis import Redis

from portaria.admission.rules import Rules
from portaria.core.clock import from_milliseconds, to_milliseconds
from portaria.core.seal import KeyRing, load_key_ring
from portaria.intake.admission import Admission
from portaria.intake.catalogue import Catalogue
from portaria.jobs.discovery import load_files
from portaria.schedules.checking import Checker
from portaria.schedules.definitions import Definitions
from portaria.store import Store, keys
from portaria.store.schedule_records import ScheduleRecord, read_schedules
from portaria.store.schedules import Changed, Definition, create
from portaria.v1.schedules_service_pb2 import Schedule
from stack.stack import Stack

NAMESPACE = "default"


@dataclass(frozen=True, slots=True)
class Ran:
    """One job of a schedule."""

    tick_ms: int
    job_id: str
    created_ms: int

    @property
    def late_ms(self) -> int:
        """From its tick until it was written."""
        return self.created_ms - self.tick_ms


class Planner:
    """Makes schedules in a stack's Redis, sealed with its key."""

    def __init__(
        self, stack: Stack, *, jobs: str = "acme_jobs", keys_of: KeyRing | None = None
    ) -> None:
        self.redis = Redis.from_url(stack.redis_server.url)
        self._store = Store(self.redis)
        ring = keys_of or load_key_ring(stack.data_dir / "signing.key")
        catalogue = Catalogue(load_files((jobs,)))
        catalogue.learn({})
        rules = Rules()
        self.admission = Admission(catalogue=catalogue, rules=rules, keys=ring, namespace=NAMESPACE)
        self.checker = Checker(self.admission, rules)
        self.definitions = Definitions(ring, NAMESPACE)

    def now(self) -> datetime:
        """By the clock of Redis."""
        seconds, micros = self.redis.time()
        return datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)

    def create(
        self, schedule_id: str, payload: Message, *, first: datetime | None = None, **given: Any
    ) -> datetime:
        """Makes one; answers its first tick, which is the next one unless it is given."""
        definition = self.definition(schedule_id, payload, **given)
        if first is not None:
            definition = replace(definition, next_ms=to_milliseconds(first))
        assert self._store.run(create(NAMESPACE, schedule_id, definition)) is Changed.OK
        return from_milliseconds(definition.next_ms)

    def definition(self, schedule_id: str, payload: Message, **given: Any) -> Definition:
        """What is written of one."""
        every = given.pop("every", None)
        jitter = given.pop("jitter_seconds", 0)
        schedule = Schedule(schedule_id=schedule_id, **given)
        if every is not None:
            schedule.interval.FromTimedelta(every)
        if jitter:
            schedule.jitter.FromSeconds(jitter)
        schedule.spec.payload.Pack(payload)
        checked = self.checker.check(schedule)
        following = checked.recurrence.next_after(self.now())
        return self.definitions.write(
            checked.schedule,
            content_hash=checked.content_hash,
            created_by="ana",
            next_ms=to_milliseconds(following) if following else 0,
        )

    def rewind(self, schedule_id: str, tick: datetime) -> None:
        """As though no scheduler had run since: this tick is the next one."""
        score = {schedule_id: to_milliseconds(tick)}
        assert self.redis.zadd(keys.ticks(NAMESPACE), score, xx=True) == 0

    def record(self, schedule_id: str) -> ScheduleRecord:
        """The schedule as it is."""
        (found,) = read_schedules(self.redis, [(NAMESPACE, schedule_id)])
        assert found is not None
        return found

    def is_behind(self, moment: datetime) -> bool:
        """Whether a tick up to a moment has not been fired."""
        return bool(self.redis.zcount(keys.ticks(NAMESPACE), "-inf", to_milliseconds(moment)))

    def ran(self, schedule_id: str) -> list[Ran]:
        """Every tick that became a job, in order: from the record of each tick."""
        prefix = keys.tick(NAMESPACE, schedule_id, 0).removesuffix("0")
        names = sorted(self.redis.scan_iter(f"{prefix}*", count=10_000))
        found = []
        for name in names:
            packed: Any = self.redis.get(name)
            job_id = packed.decode().split(" ")[1]
            created: Any = self.redis.hget(keys.job(job_id), "created")
            found.append(Ran(int(name.decode().rpartition(":")[2]), job_id, int(created or 0)))
        return found

    def jobs(self, schedule_id: str) -> list[str]:
        """Every job that names the schedule."""
        index = keys.index(NAMESPACE, "schedule", schedule_id)
        found: Any = self.redis.zrange(index, 0, -1)
        return [each.decode() for each in found]

    def close(self) -> None:
        """Closes its connection."""
        self.redis.close()


def moments(ran: list[Ran]) -> list[datetime]:
    """The ticks, as moments."""
    return [from_milliseconds(each.tick_ms) for each in ran]
