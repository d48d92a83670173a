"""Law 1: Lua does not roll back, so every script may stop at every command without harm.

Each test runs each scene once for every command that its script makes, and breaks it there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from conformance.kernel import FAR, QUEUES, Kernel, Setup, ended, wip
from integration.store.faults import broken
from integration.store.invariants import astray, jobs, leftovers, unreachable
from integration.store.scenes import NOOP, OTHER, SCENES, finish_with_hooks
from portaria.core.states import TERMINAL
from portaria.store import Turn, calls, keys
from portaria.store.batch import settle
from portaria.store.calls import Call
from portaria.store.types import register

SCENE = pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)


@SCENE
def test_no_fault_makes_a_job_unreachable(kernel: Kernel, scene: Setup) -> None:
    """Whatever was written before the fault, somebody will still find every job."""
    scene(kernel)
    before = _ids(unreachable(kernel))  # what the audit is there for
    for most, _ in broken(kernel, scene):
        assert _ids(unreachable(kernel)) <= before, f"after {most} commands"


@SCENE
def test_a_repeat_supplies_what_was_missing(kernel: Kernel, scene: Setup) -> None:
    """The same call, sent again: placed, told, ended; then every job comes to one end."""
    for most, call in broken(kernel, scene):
        answer = kernel.store.run(call)

        assert astray(kernel) == [], f"after {most} commands"
        ends = _Ends(kernel)
        if isinstance(answer, Turn):
            ends.hold(answer)
        ends.bring_about()
        assert (ends.wrong, leftovers(kernel)) == ([], []), f"after {most} commands"


@SCENE
def test_without_a_repeat_others_bring_every_job_to_its_end(kernel: Kernel, scene: Setup) -> None:
    """The caller died with the fault: leases lapse, moments come, others take over."""
    for most, _ in broken(kernel, scene):
        _forget_what_was_never_acknowledged(kernel)

        ends = _Ends(kernel)
        ends.bring_about()

        assert (ends.wrong, leftovers(kernel)) == ([], []), f"after {most} commands"


@SCENE
def test_a_repeat_that_comes_late_takes_nothing_from_others(kernel: Kernel, scene: Setup) -> None:
    """Others claimed in between: their holds stand, and no job is held twice."""
    for most, call in broken(kernel, scene):
        others = kernel.turn("rui", want=10)
        holds = {claim.job_id: claim.token for claim in others.claims}

        answer = kernel.store.run(call)

        present = jobs(kernel.redis)
        kept = {job_id: present[job_id]["hold"] for job_id in holds}
        assert kept == holds, f"after {most} commands"
        assert unreachable(kernel) == [], f"after {most} commands"
        ends = _Ends(kernel)
        ends.hold(others)
        if isinstance(answer, Turn):
            ends.hold(answer)
        ends.bring_about()
        assert (ends.wrong, leftovers(kernel)) == ([], []), f"after {most} commands"


def test_a_cut_off_submission_is_completed_by_whoever_asks_again(kernel: Kernel) -> None:
    """The caller repeats its request_id through another door, which makes another job id."""
    (submit, *_) = SCENES
    for most, _ in broken(kernel, submit):
        again = kernel.submit("another", request_id="r-j1")

        assert kernel.queued()[0] == again.job_id, f"after {most} commands"
        assert kernel.claim().job_id == again.job_id
        assert kernel.turn().claims == []


def test_a_hook_that_ran_meanwhile_is_not_submitted_again(kernel: Kernel) -> None:
    """The end of its parent broke off behind it, and is told again when the hook has ended."""
    for most, call in broken(kernel, finish_with_hooks):
        claims = kernel.turn("rui", want=10).claims
        kernel.turn("rui", *map(ended, claims), want=0)

        kernel.store.run(call)

        for claim in claims:
            assert kernel.told(claim.job_id)[-1] == "SUCCEEDED", f"after {most} commands"
            assert claim.job_id not in kernel.queued(claim.queue)


def test_a_delayed_job_that_is_completed_after_its_moment_runs(kernel: Kernel) -> None:
    """Cut off before it was placed, and repeated when it should have run already."""
    (_, submit_later, *_) = SCENES
    for most, call in broken(kernel, submit_later):
        if not kernel.redis.exists(keys.request("default", "r-j1")):
            continue
        kernel.change("j1", due=1)
        if "j1" in kernel.members(keys.DUE):
            kernel.make_due("j1")

        kernel.store.run(call)
        kernel.promote()

        assert kernel.claim().job_id == "j1", f"after {most} commands"
        assert unreachable(kernel) == [], f"after {most} commands"


@pytest.fixture(autouse=True)
def _without_the_disk(redis: Redis) -> Iterator[None]:
    """What is proven here has nothing to do with fsync, and writes very often."""
    redis.config_set("appendfsync", "no")
    yield
    redis.config_set("appendfsync", "always")


def _forget_what_was_never_acknowledged(kernel: Kernel) -> None:
    """A submission that nobody repeats leaves its hash behind, and nobody counts on it.

    What is in the index is placed by the audit.
    """
    for job_id, job in jobs(kernel.redis).items():
        indexed = kernel.redis.zscore(keys.index(job["namespace"]), job_id) is not None
        if job["request"] and "cursor" not in job and not indexed:
            kernel.redis.delete(keys.job(job_id), job["request"])
            if job["unique"] and kernel.redis.pttl(job["unique"]) > 0:
                kernel.redis.delete(job["unique"])  # it would expire


class _Ends:
    """Brings every job to its end, as time and other workers would, and counts the ends."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._held: list[Turn] = []
        self._accepted: list[str] = []
        self.wrong: list[str] = []

    def hold(self, turn: Turn) -> None:
        """These claims are run by those who have them."""
        self._held.append(turn)

    def bring_about(self) -> None:
        """Until nothing is left to do; then everything is purged."""
        for turn in self._held:
            self._finish(turn)
        before = self._stand_still()
        for _ in range(5):
            self._let_moments_come()
            while (turn := self._kernel.turn("rescuer", want=10)).claims:
                self._finish(turn)
            if (after := self._stand_still()) == before:
                break  # another round would do the same, which is nothing
            before = after
        open_jobs = self._open()
        self.wrong += [f"{job_id} never ended" for job_id in open_jobs]
        self.wrong += [f"{job_id} ended twice" for job_id in _twice(self._accepted)]
        self._purge()

    def _finish(self, turn: Turn) -> None:
        ends = [ended(claim) for claim in turn.claims]
        answer = self._kernel.turn("rescuer", *ends, want=0)
        pairs = zip(turn.claims, answer.taken, strict=True)
        self._accepted += [claim.job_id for claim, taken in pairs if taken]

    def _stand_still(self) -> object:
        """As if nothing had happened to any job for a long time; answers what there is then.

        All keys but those that say who looked last, and when.
        """
        redis = self._kernel.redis
        with redis.pipeline(transaction=False) as pipeline:
            for job_id, job in jobs(redis).items():
                open_since = {"open": 1} if "open" in job else {}
                pipeline.hset(keys.job(job_id), mapping={"updated": 1, **open_since})
            pipeline.eval(_DIGEST, 3, keys.AUDIT, keys.HOLDS, keys.REAPER)
            return pipeline.execute()[-1]

    def _let_moments_come(self) -> None:
        kernel = self._kernel
        kernel.audit_all()
        kernel.unpark(NOOP, OTHER)
        self._move(FAR + 1, *map(wip, QUEUES))
        kernel.reap_now()
        self._move(1, keys.DUE)
        kernel.promote()
        self._move(1, keys.EXPIRY)
        kernel.store.run(calls.expire())
        for batch_id in kernel.members(keys.BATCHES):
            if kernel.redis.hexists(keys.batch(batch_id), "ended"):
                kernel.redis.hset(keys.batch(batch_id), "ended", "1")
        self._move(1, keys.BATCHES)
        for _ in kernel.members(keys.BATCHES):
            kernel.store.run(settle())

    def _move(self, score: int, *names: str) -> None:
        """All members of these to one moment."""
        self._kernel.redis.eval(_MOVE, len(names), *names, score)

    def _open(self) -> list[str]:
        found = jobs(self._kernel.redis).items()
        return [job_id for job_id, job in found if job["state"] not in TERMINAL]

    def _purge(self) -> None:
        redis = self._kernel.redis
        redis.delete(keys.job("foreign"), keys.DUE)
        for queue in QUEUES:
            redis.zrem(f"rq:failed:{queue}", "foreign")
        for job_id in self._kernel.members(keys.PURGE):
            redis.zadd(keys.PURGE, {job_id: 1})
        self._kernel.store.run(calls.purge())


_MOVE = """
for _, key in ipairs(KEYS) do
  for _, member in ipairs(redis.call('zrange', key, 0, -1)) do
    redis.call('zadd', key, ARGV[1], member)
  end
end
"""
_DIGEST = """
local keys, values = redis.call('keys', '*'), {}
table.sort(keys)
for _, key in ipairs(keys) do
  if key ~= KEYS[1] and key ~= KEYS[2] and key ~= KEYS[3] then
    table.insert(values, key .. redis.call('dump', key))
  end
end
return redis.sha1hex(table.concat(values))
"""


def _ids(lines: list[str]) -> set[str]:
    return {line.partition(":")[0] for line in lines}


def _twice(job_ids: list[str]) -> set[str]:
    return {job_id for job_id in job_ids if job_ids.count(job_id) > 1}


def test_half_a_registration_is_completed_by_its_repeat(kernel: Kernel) -> None:
    """The revision comes last: until then no reader looks, and the same call writes all again."""
    files = {"a.proto": b"A", "b.proto": b"", "c.proto": b"C"}

    def scene(kernel: Kernel) -> Call[Any]:
        kernel.store.run(register("", "one", {"b.proto": b"B"}))
        return register("one", "two", files)

    for most, call in broken(kernel, scene):
        assert kernel.redis.get(keys.TYPES_REVISION) == b"one", f"after {most} commands"

        assert kernel.store.run(call)

        assert kernel.redis.get(keys.TYPES_REVISION) == b"two"
        assert kernel.redis.hgetall(keys.TYPES) == {b"a.proto": b"A", b"c.proto": b"C"}
