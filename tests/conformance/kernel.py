"""The kernel as tests drive it: one line a call, and the keys it leaves seen directly."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Protocol, TypeVar

from redis import Redis

from portaria.core.states import State
from portaria.store import (
    Claim,
    Finished,
    JobRecord,
    Promotion,
    Renewal,
    Submission,
    Submitted,
    Turn,
    Verdict,
    calls,
    keys,
)
from portaria.store.calls import Audited, Began, Call, Cancelled, Deleted, Updated
from portaria.store.events import StateEvent, parse_state

Reply = TypeVar("Reply")

QUEUES = ("lab:critical", "lab:high", "lab:default", "lab:low")
QUEUE = "lab:default"
CRASHED, LOST, DOUBT = b"crashed", b"lost", b"doubt"
"""Stand for the failures that callers hand in; the scripts only pass them on."""

FAR = 10_000_000_000
"""What scores of RQ's registries lie ahead of the truth, in seconds."""


class Runs(Protocol):
    """What every kind of store can do."""

    def run(self, call: Call[Reply]) -> Reply: ...
    def get(self, job_id: str) -> JobRecord | None: ...


class Kernel:
    """One store, and the Redis behind it."""

    def __init__(self, store: Runs, redis: Redis) -> None:
        self.store = store
        self.redis = redis
        self._turns = 0
        self._run_id = ""

    # --- calls ----------------------------------------------------------------------------------

    def submit(self, job_id: str, queue: str = QUEUE, **given: Any) -> Submitted:
        """Submits a job; what is not given is of no interest to the test."""
        return self.store.run(calls.submit(submission(job_id, queue, **given)))

    def turn(
        self,
        worker: str = "ana",
        *finished: Finished,
        want: int = 1,
        queues: Sequence[str] = QUEUES,
        token: str = "",
        incarnation: str = "first",
        **given: Any,
    ) -> Turn:
        """One turn, under a token of its own unless one is given."""
        self._turns += 1
        return self.store.run(
            calls.turn(
                worker=worker,
                incarnation=incarnation,
                token=token or f"{worker}.{self._turns}",
                queues=queues,
                want=want,
                finished=finished,
                **given,
            )
        )

    def claim(self, worker: str = "ana", **given: Any) -> Claim:
        """Takes a turn that hands out exactly one job."""
        (claimed,) = self.turn(worker, **given).claims
        return claimed

    def begin(self, claim: Claim, worker: str = "ana", **given: Any) -> Began | None:
        """Tells that a held job runs by now."""
        hold = (claim.job_id, claim.token)
        return self.turn(worker, begun=hold, **{"want": 0, **given}).began

    def give_back(self, *claims: Claim, worker: str = "ana", **given: Any) -> Turn:
        """Returns what was held and not started, in the order in which it was claimed."""
        holds = [(claim.job_id, claim.token) for claim in claims]
        return self.turn(worker, returned=holds, **{"want": 0, **given})

    def renew(
        self, *workers: str, incarnation: str = "first", running: str = "", **given: Any
    ) -> list[Renewal]:
        triples = [(each, incarnation, running) for each in workers]
        return self.store.run(calls.renew(triples, **given))

    def recover(self, worker: str = "ana", **given: Any) -> list[str]:
        return self.store.run(recovery(worker, **given))

    def reap(self, **given: Any) -> tuple[str, list[str]]:
        return self.store.run(self.reaping(**given))

    def reaping(self, run_id: str = "run", **given: Any) -> Call[tuple[str, list[str]]]:
        return calls.reap(run_id=run_id, lost_failure=LOST, doubt_failure=DOUBT, **given)

    def promote(self, **given: int) -> Promotion:
        return self.store.run(calls.promote(**given))

    def cancel(self, *job_ids: str, namespace: str = "default", **given: Any) -> list[Cancelled]:
        return self.store.run(calls.cancel(namespace, job_ids, **given))

    def delete(self, *job_ids: str, namespace: str = "default") -> list[Deleted]:
        return self.store.run(calls.delete(namespace, job_ids))

    def update(self, job_id: str, *, namespace: str = "default", **given: Any) -> Updated:
        return self.store.run(calls.update(namespace, job_id, **given))

    def unpark(self, *types: str, domain: str = "lab", **given: int) -> int:
        return self.store.run(calls.unpark([(domain, each) for each in types], **given))

    def audit(self, pause_ms: int = 0, **given: int) -> Audited:
        return self.store.run(calls.audit(pause_ms=pause_ms, gap_ms=0, **given))

    def audit_all(self, **given: int) -> list[str]:
        """One whole round; the ids that it mended."""
        mended: list[str] = []
        while True:
            slice_ = self.audit(**given)
            mended += slice_.mended
            if not slice_.goes_on:
                return mended

    def progress(self, claim: Claim, report: bytes) -> str:
        return self.store.run(calls.progress(claim.job_id, claim.token, report))

    def effect(self, claim: Claim, operation: str, key: str, value: str = "") -> tuple[str, str]:
        return self.store.run(calls.effect(claim.job_id, claim.token, operation, key, value))

    # --- what only time or other scripts would bring about ------------------------------------

    def change(self, job_id: str, **fields: Any) -> None:
        """Writes fields of a job behind the scripts' back."""
        mapping: Any = fields
        self.redis.hset(keys.job(job_id), mapping=mapping)

    def lapse(self, claim: Claim) -> None:
        """Lets a lease lapse without waiting for it."""
        self.redis.zadd(wip(claim.queue), {f"{claim.job_id}:{claim.token}": FAR + 1})

    def reap_now(self, **given: Any) -> list[str]:
        """Reaps as if the last reaping was a moment ago, so that no grace is opened."""
        seconds, micros = self.redis.time()
        last = seconds * 1000 + micros // 1000 - 500
        self.redis.hset(keys.REAPER, mapping={"last": last, "grace": 0, "run": "run"})
        word, job_ids = self.reap(**given)
        assert word == "reaped"
        return job_ids

    def stand_still(self, *job_ids: str) -> None:
        """As if nothing had happened to these jobs for a long time."""
        for job_id in job_ids:
            self.change(job_id, updated=1)

    def make_due(self, job_id: str) -> None:
        """Lets the moment of a waiting job come."""
        self.redis.zadd(keys.DUE, {job_id: 1})

    # --- what the keys hold ---------------------------------------------------------------------

    def record(self, job_id: str) -> JobRecord:
        record = self.store.get(job_id)
        assert record is not None, f"no job {job_id}"
        return record

    def state(self, job_id: str) -> State:
        return self.record(job_id).state

    def field(self, job_id: str, name: str) -> str:
        value: Any = self.redis.hget(keys.job(job_id), name)
        return "" if value is None else value.decode()

    def queued(self, queue: str = QUEUE) -> list[str]:
        """The ids in a queue, the next one first."""
        return [each.decode() for each in _list(self.redis.lrange(keys.queue(queue), 0, -1))]

    def all_events(self) -> list[StateEvent]:
        """Every change that was told, the oldest first."""
        entries: Any = self.redis.xrange(keys.EVENTS)
        return [parse_state(entry_id, fields[b"e"]) for entry_id, fields in entries]

    def events(self, job_id: str) -> list[StateEvent]:
        """Every change that was told of a job, the oldest first."""
        return [event for event in self.all_events() if event.job_id == job_id]

    def told(self, job_id: str) -> list[str]:
        """The states that were told of a job, in order."""
        return [event.state for event in self.events(job_id)]

    def members(self, key: str) -> list[str]:
        """The members of a zset, by score."""
        return [each.decode() for each in _list(self.redis.zrange(key, 0, -1))]

    def leases(self, queue: str = QUEUE) -> list[str]:
        """id:token of everything that is held, by lapse."""
        return self.members(wip(queue))

    def lease_ms(self, claim: Claim) -> float:
        """Milliseconds until a lease lapses."""
        score: Any = self.redis.zscore(wip(claim.queue), f"{claim.job_id}:{claim.token}")
        seconds, micros = self.redis.time()
        return float((score - FAR) * 1000 - (seconds * 1000 + micros / 1000))

    def depth(self, queue: str = QUEUE) -> int:
        value: Any = self.redis.hget(keys.DEPTH, queue)
        return int(value or 0)

    def tokens(self, queue: str = QUEUE) -> int:
        """Wake tokens that wait for an idle worker."""
        return int(self.redis.llen(keys.wake(queue)))

    def snapshot(self) -> dict[str, Any]:
        """Every key with its value, for "nothing was written"."""
        names = sorted(each.decode() for each in _list(self.redis.keys("*")))
        return {name: self.redis.dump(name) for name in names}


def submission(job_id: str, queue: str = QUEUE, **given: Any) -> Submission:
    """A job of which only the id matters, unless more is given."""
    defaults: dict[str, Any] = {
        "namespace": "default",
        "request_id": f"r-{job_id}",
        "content_hash": "abc",
        "type": "acme_jobs.lab.v1.Noop",
        "envelope": f"envelope of {job_id}".encode(),
        "timeout_s": 30,
        "ttl_ms": 86_400_000,
        "max_attempts": 3,
    }
    return Submission(job_id=job_id, queue=queue, **{**defaults, **given})


def recovery(worker: str, **given: Any) -> Call[list[str]]:
    """A recover call whose child died young."""
    defaults: dict[str, Any] = {
        "incarnation": "first",
        "following": "second",
        "crash_failure": CRASHED,
        "doubt_failure": DOUBT,
        "lost_failure": LOST,
    }
    return calls.recover(worker=worker, **{**defaults, **given})


def ended(claim: Claim, verdict: Verdict = Verdict.SUCCEEDED, **given: Any) -> Finished:
    """The end of a claimed run."""
    return Finished(job_id=claim.job_id, token=claim.token, verdict=verdict, **given)


def wip(queue: str) -> str:
    """RQ's registry of running jobs, which holds our leases."""
    return f"rq:wip:{queue}"


def warnings(*lines: str) -> bytes:
    """As the worker packs them."""
    return json.dumps(lines).encode()


def _list(reply: Any) -> list[bytes]:
    return list(reply)


Setup = Callable[[Kernel], Call[Any]]
