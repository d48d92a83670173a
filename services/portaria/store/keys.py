"""Every key in Redis. `rq:…` are RQ's own, `portaria:…` ours; formats are for ever."""

HOLDS = "portaria:holds"
"""hash: worker -> "incarnation token flags id|queue|token …" """
DUE = "portaria:due"
"""zset: id -> milliseconds, of jobs that wait for their first run or their next attempt."""
EVENTS = "portaria:events"
"""stream: one entry a state change, ten minutes of them."""
PROGRESS = "portaria:progress"
"""stream: progress while somebody watches; short."""
WATCHED = "portaria:watched"
"""string with expiry: exists while somebody watches."""
DEPTH = "portaria:depth"
"""hash: queue -> pending jobs."""
EXPIRY = "portaria:expiry"
"""zset: id -> milliseconds, of jobs that must begin or end by some moment."""
PURGE = "portaria:purge"
"""zset: id -> milliseconds, of finished jobs that will be forgotten."""
REAPER = "portaria:reaper"
"""hash: when leases were last judged."""
GENERATION = "portaria:generation"
"""string: random, made at first start; part of every cursor."""
SCHEMA = "portaria:schema"
"""string: what version of these keys the data has."""


def job(job_id: str) -> str:
    """hash: RQ's fields of a job, and ours."""
    return f"rq:job:{job_id}"


def queue(name: str) -> str:
    """list: ids, the next one first."""
    return f"rq:queue:{name}"


def request(namespace: str, request_id: str) -> str:
    """string: "content-hash id", kept until an hour after the job ended."""
    return f"portaria:request:{namespace}:{request_id}"


def unique(namespace: str, job_type: str, key: str) -> str:
    """string: id of the open job that holds a unique key."""
    return f"portaria:unique:{namespace}:{job_type}:{key}"


def effects(job_id: str) -> str:
    """hash: the ledger of a job's effects, until it is purged."""
    return f"portaria:effects:{job_id}"


def wake(queue_name: str) -> str:
    """list: at most 64 tokens on which idle workers block."""
    return f"portaria:wake:{queue_name}"
