"""What other tools, or an attacker with Redis at hand, put into our queues and hashes."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import pytest
from rq import Queue
from rq.job import Job, JobStatus

from conformance.kernel import QUEUE, Kernel
from portaria.store import keys

FIELDS = (
    "state", "hold", "origin", "attempt", "failures", "crashes",
    "losts", "tag", "ttl", "request", "once", "env",
)  # fmt: skip


class Bomb:
    """Leaves a file where it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.trace,)


def test_a_pickled_job_is_refused_and_never_loaded(kernel: Kernel, tmp_path: Path) -> None:
    """It is kept among RQ's failed jobs for people to see, and the worker goes on."""
    trace = tmp_path / "unpickled"
    forged: Any = {"data": pickle.dumps(Bomb(trace)), "result": pickle.dumps(Bomb(trace))}
    kernel.redis.hset(keys.job("evil"), mapping=forged)
    kernel.redis.rpush(keys.queue(QUEUE), "evil")
    kernel.submit("j1")

    turn = kernel.turn()

    assert turn.refused == ["evil"]
    assert [claim.job_id for claim in turn.claims] == ["j1"]
    assert kernel.members(f"rq:failed:{QUEUE}") == ["evil"]
    assert kernel.field("evil", "status") == "failed"
    assert kernel.field("evil", "exc_info").startswith("refused")
    assert kernel.queued() == []
    assert not trace.exists()


def test_a_job_that_rq_enqueued_is_refused_and_shown_by_rq(kernel: Kernel) -> None:
    """RQ's own tools show it as failed, with the reason."""
    foreign = Queue(QUEUE, connection=kernel.redis).enqueue("os.system", "true")

    assert kernel.turn().refused == [foreign.id]

    shown = Job.fetch(foreign.id, connection=kernel.redis)
    assert shown.get_status() == JobStatus.FAILED
    assert "not submitted through the door" in kernel.field(foreign.id, "exc_info")


def test_an_id_without_a_job_is_dropped(kernel: Kernel) -> None:
    """There is nothing to show."""
    kernel.redis.rpush(keys.queue(QUEUE), "nobody", "")
    kernel.submit("j1")

    turn = kernel.turn()

    assert (turn.refused, [claim.job_id for claim in turn.claims]) == ([], ["j1"])
    assert kernel.members(f"rq:failed:{QUEUE}") == []


@pytest.mark.parametrize("kind", ["string", "list", "zset", "stream"])
def test_a_key_that_is_no_hash_stops_nobody(kernel: Kernel, kind: str) -> None:
    """The id is dropped; jobs behind it run."""
    key = keys.job("odd")
    match kind:
        case "string":
            kernel.redis.set(key, "x")
        case "list":
            kernel.redis.rpush(key, "x")
        case "zset":
            kernel.redis.zadd(key, {"x": 1})
        case _:
            kernel.redis.xadd(key, {"x": "1"})
    kernel.redis.rpush(keys.queue(QUEUE), "odd")
    kernel.submit("j1")

    assert kernel.claim().job_id == "j1"
    assert kernel.queued() == []


@pytest.mark.parametrize("missing", FIELDS)
def test_a_forged_hash_with_a_field_missing_is_refused(kernel: Kernel, missing: str) -> None:
    """Half of our fields are no job of ours; the worker goes on."""
    kernel.submit("j1")
    kernel.redis.hdel(keys.job("j1"), missing)
    kernel.submit("j2")

    turn = kernel.turn()

    assert turn.refused == ["j1"]
    assert [claim.job_id for claim in turn.claims] == ["j2"]


@pytest.mark.parametrize("field", ["attempt", "failures", "crashes", "losts", "ttl"])
def test_a_forged_hash_with_words_for_numbers_is_refused(kernel: Kernel, field: str) -> None:
    """It would stop the script at every turn, and so the queue."""
    kernel.submit("j1")
    kernel.change("j1", **{field: "many"})
    kernel.submit("j2")

    turn = kernel.turn()

    assert turn.refused == ["j1"]
    assert [claim.job_id for claim in turn.claims] == ["j2"]


def test_a_foreign_lease_stops_no_reaping(kernel: Kernel) -> None:
    """Whatever stands among the leases: ours are judged, what is no lease is removed."""
    kernel.submit("j1")
    kernel.lapse(kernel.claim())
    kernel.redis.zadd(f"rq:wip:{QUEUE}", {"no lease": 10_000_000_000, "odd:lease": 10_000_000_000})
    kernel.redis.set(keys.job("odd"), "x")

    assert kernel.reap_now() == ["j1"]
    assert kernel.leases() == []


def test_rqs_own_running_jobs_are_left_to_rq(kernel: Kernel) -> None:
    """Their scores are true times, far below ours."""
    kernel.redis.sadd("rq:queues", "rq:queue:other")
    kernel.redis.zadd("rq:wip:other", {"theirs:1": 1_000})

    kernel.reap_now()

    assert kernel.members("rq:wip:other") == ["theirs:1"]


def test_a_foreign_entry_among_the_due_ones_stops_nobody(kernel: Kernel) -> None:
    """It is dropped; the job behind it is queued."""
    kernel.submit("j1", delay_ms=60_000)
    kernel.make_due("j1")
    kernel.redis.set(keys.job("odd"), "x")
    kernel.redis.zadd(keys.DUE, {"odd": 0, "nobody": 0})

    assert kernel.promote().moved == 1
    assert kernel.members(keys.DUE) == []
