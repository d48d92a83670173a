"""What must be true of the keys after any fault; each answers what is wrong, a line a fault."""

from __future__ import annotations

from typing import Any

from redis import Redis

from conformance.kernel import Kernel, wip
from portaria.core.states import TERMINAL, State
from portaria.store import keys
from portaria.store.events import REMOVED

Hash = dict[str, str]

_STAYS = (
    b"portaria:events",
    b"portaria:progress",
    b"portaria:watched",
    b"portaria:rate:",
    b"portaria:request:",
    b"portaria:holds",
    b"portaria:wake:",
    b"portaria:reaper",
    b"portaria:audit",
    b"portaria:namespaces",
    b"portaria:paused",
    b"portaria:schedule",
    b"portaria:runs:",
    b"portaria:tick:",
    b"portaria:ticks:",
    b"portaria:alarm",
    b"rq:queues",
    b"rq:worker:",
)
"""What is trimmed, expires, or belongs to no job."""


def jobs(redis: Redis) -> dict[str, Hash]:
    """Every job of ours, by id."""
    keys_of_jobs: Any = redis.keys(keys.job("*"))
    names = sorted(keys_of_jobs)
    with redis.pipeline(transaction=False) as pipeline:
        for name in names:
            pipeline.hgetall(name)
        hashes = pipeline.execute()
    found: dict[str, Hash] = {}
    for name, fields in zip(names, hashes, strict=True):
        text = {key.decode(): value.decode("latin-1") for key, value in fields.items()}
        if "state" in text:
            found[name.decode().removeprefix(keys.job(""))] = text
    return found


def unreachable(kernel: Kernel) -> list[str]:
    """Jobs that nothing would ever run, end or remove.

    A submission whose request record is missing was not acknowledged: nobody counts on it, and a
    repeat writes it anew.
    """
    return [
        f"{job_id}: {job['state']}, held by {job['hold']!r}, is nowhere"
        for job_id, job in jobs(kernel.redis).items()
        if _counts(kernel, job) and not _is_reachable(kernel, job_id, job)
    ]


def astray(kernel: Kernel) -> list[str]:
    """What is not as it must be once a script has run to its end."""
    wrong = unreachable(kernel)
    present = jobs(kernel.redis)
    wrong += [f"{job_id}: vanished, and nobody was told" for job_id in _vanished(kernel, present)]
    for job_id, job in present.items():
        if _waits_for_its_batch(job):
            continue  # nobody was told of it
        told = kernel.told(job_id)
        if not told or told[-1] != job["state"]:
            wrong.append(f"{job_id}: is {job['state']}, told were {told}")
        ends = set(told) & {str(state) for state in TERMINAL}
        if len(ends) > 1:
            wrong.append(f"{job_id}: two ends were told: {ends}")
        if job["state"] in ends and job["request"] and kernel.redis.ttl(job["request"]) <= 0:
            wrong.append(f"{job_id}: its request record never ends")
        if "cursor" not in job:
            wrong.append(f"{job_id}: was never placed")
        if not _is_indexed(kernel, job_id, job):
            wrong.append(f"{job_id}: is in no index")
    return wrong


def leftovers(kernel: Kernel) -> list[str]:
    """Entries of registries that nothing would ever remove, once every job is purged."""
    names: Any = kernel.redis.keys("*")
    kept = [name for name in names if not name.startswith(_STAYS)]
    # The record of a batch whose jobs have all ended expires.
    return [
        name.decode()
        for name in sorted(kept)
        if not (name.startswith(b"portaria:batch:") and kernel.redis.ttl(name) > 0)
    ]


def _vanished(kernel: Kernel, present: dict[str, Hash]) -> list[str]:
    gone = {event.job_id for event in kernel.all_events()} - present.keys()
    return [job_id for job_id in sorted(gone) if kernel.told(job_id)[-1] != REMOVED]


def _counts(kernel: Kernel, job: Hash) -> bool:
    """Whether anybody may count on a job; the record of a batch stands for all of its jobs."""
    return not job["request"] or bool(kernel.redis.exists(job["request"]))


def _waits_for_its_batch(job: Hash) -> bool:
    return job["state"] == State.BLOCKED and not job["request"] and "cursor" not in job


def _is_reachable(kernel: Kernel, job_id: str, job: Hash) -> bool:
    if not job["request"] and "cursor" not in job:
        # Its batch is removed or placed, whichever it has come to; the audit places a hook.
        index = keys.index(job["namespace"])
        is_hook = kernel.redis.zscore(index, job_id) is not None
        return is_hook or kernel.redis.zscore(keys.BATCHES, job["tag"].split(" ")[3]) is not None
    match State(job["state"]):
        case State.PENDING if "cursor" not in job:
            return True  # not acknowledged: the request record makes the repeat place it
        case State.PENDING if job["hold"]:
            return _is_leased(kernel, job_id, job)
        case State.PENDING if job.get("parked"):
            return job_id in kernel.members(keys.parked("lab", job["type"]))
        case State.PENDING:
            return job_id in kernel.queued(job["origin"])
        case State.BLOCKED:
            # What it waits for lets it go; its workflow is looked at until it has ended.
            return kernel.redis.zscore(keys.BATCHES, job["tag"].split(" ")[3]) is not None
        case State.SCHEDULED if "cursor" not in job:
            return True
        case State.SCHEDULED | State.RETRYING:
            return kernel.redis.zscore(keys.DUE, job_id) is not None and job["hold"] == ""
        case State.RUNNING | State.CANCELLING:
            return _is_leased(kernel, job_id, job)
        case _:
            return kernel.redis.zscore(keys.PURGE, job_id) is not None and job["hold"] == ""


def _is_leased(kernel: Kernel, job_id: str, job: Hash) -> bool:
    return kernel.redis.zscore(wip(job["origin"]), f"{job_id}:{job['hold']}") is not None


def _is_indexed(kernel: Kernel, job_id: str, job: Hash) -> bool:
    names = (keys.index(job["namespace"]), keys.index(job["namespace"], "type", job["type"]))
    return all(kernel.redis.zscore(name, job_id) is not None for name in names)
