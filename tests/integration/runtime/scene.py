"""Jobs in all states beside a worker that has one in hand, for tests of what other tools do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar

from acme_jobs.lab.v1.lab_pb2 import Charge, Echo, Fail, Noop
from portaria.core.states import State
from portaria.store import keys
from stack import Stack, eventually
from stack.lab import Lab

QUEUES = ("lab:critical", "lab:high", "lab:default", "lab:low")

_FAR = timedelta(hours=1)
# What a worker's parent writes all the time.
_RESTLESS = (keys.REAPER, "rq:worker:")


class Scene:
    """Where the names of the jobs are what they do; `ids` has them all."""

    NOW: ClassVar = {
        "succeeded": State.SUCCEEDED, "failed": State.FAILED, "retries": State.RETRYING,
        "runs": State.RUNNING, "expired": State.EXPIRED, "waits": State.PENDING,
        "later": State.SCHEDULED,
    }  # fmt: skip
    ENDS: ClassVar = {
        "succeeded": (State.SUCCEEDED, 1), "failed": (State.FAILED, 1),
        "retries": (State.SUCCEEDED, 2), "runs": (State.SUCCEEDED, 1),
        "expired": (State.EXPIRED, 0), "waits": (State.SUCCEEDED, 1),
        "later": (State.SUCCEEDED, 1),
    }  # fmt: skip

    def __init__(self, stack: Stack, lab: Lab) -> None:
        self._lab = lab
        self._gate, self._log = stack.folder / "gate", stack.folder / "log"
        self.worker = stack.worker("lab", arguments=("--name", "porter"))
        charge = Charge(gate=str(self._gate), log=str(self._log))
        fails = Fail(how=Fail.HOW_PERMANENT, times=9)
        self.ids: dict[str, str] = {}
        self._add("succeeded", lab.submit(Echo(text="olá")))
        self._add("failed", lab.submit(fails, priority="critical"))
        self._add("retries", lab.submit(Fail(times=1), change=_in_an_hour))
        self._add("runs", lab.submit(charge))
        self._add("expired", lab.submit(Noop(), start_before=timedelta(seconds=0.1)))
        self._add("waits", lab.submit(Noop(), priority="low"))
        self._add("later", lab.submit(Noop(), delay=_FAR))
        worker = self.worker.name
        eventually(lambda: lab.redis.hget("rq:worker:porter-1", "current_job"), because=worker)

    def _add(self, name: str, job_id: str) -> None:
        self.ids[name] = job_id
        self._lab.wait(job_id, self.NOW[name])

    def dump(self) -> dict[str, Any]:
        """All that is in Redis, but for what a living worker writes anyway."""
        redis: Any = self._lab.redis
        found = sorted(key.decode() for key in redis.scan_iter())
        return {key: _value(redis, key) for key in found if not key.startswith(_RESTLESS)}

    def states(self) -> dict[str, State]:
        """The state of each job now."""
        return {name: self._lab.get(job_id).state for name, job_id in self.ids.items()}

    def ends(self) -> dict[str, tuple[State, int]]:
        """Lets all go on; answers how each ended, and by which attempt."""
        for name in ("later", "retries"):
            self._lab.redis.zadd(keys.DUE, {self.ids[name]: 0}, xx=True)
        self._gate.touch()
        ended = {name: self._lab.wait(job_id) for name, job_id in self.ids.items()}
        assert self._log.read_text() == "1\n"
        return {name: (job.state, job.attempt) for name, job in ended.items()}


def _in_an_hour(envelope: Any) -> None:
    envelope.spec.options.retry.initial_backoff.FromTimedelta(_FAR)
    envelope.spec.options.retry.max_backoff.FromTimedelta(_FAR)


def _value(redis: Any, key: str) -> tuple[bool, Any]:
    """What a key holds, and whether it will vanish by itself."""
    read = {
        b"string": redis.get,
        b"hash": redis.hgetall,
        b"set": redis.smembers,
        b"list": lambda name: redis.lrange(name, 0, -1),
        b"stream": redis.xrange,
        # Of a job in hand the lease is renewed all the time.
        b"zset": lambda name: redis.zrange(name, 0, -1, withscores=not name.startswith("rq:wip:")),
    }[redis.type(key)]
    return redis.ttl(key) == -1, read(key)
