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
PAUSED = "portaria:paused"
"""hash: queue -> JSON of who paused it, when and why; nobody claims from these."""
AUDIT = "portaria:audit"
"""hash: where the round over all open jobs is."""
BATCHES = "portaria:batches"
"""zset: id of a batch -> milliseconds of the next look at it."""
NAMESPACES = "portaria:namespaces"
"""set: those that ever had a job."""
RELEASES = "portaria:releases"
"""hash: {namespace}:{owner} -> the release that applied a declared list of schedules last."""
SCHEDULERS = "portaria:schedulers"
"""zset: name -> second until which a scheduler is taken to live."""
ALARM = "portaria:alarm"
"""stream: a schedule that changed, or "" for a job, where that is due sooner than was known."""
REAPER = "portaria:reaper"
"""hash: when leases were last judged."""
QUEUES = "rq:queues"
"""set: rq:queue:{queue} of every queue that ever had a job."""
WORKERS = "rq:workers"
"""set: rq:worker:{name} of the workers in RQ's register."""
TYPES = "portaria:types"
"""hash: name of a .proto file -> its descriptor, sealed."""
TYPES_REVISION = "portaria:types:revision"
"""string: random, another one after each change of the files."""
GENERATION = "portaria:generation"
"""string: random, made at first start and after a promotion; part of every cursor."""
LINEAGE = "portaria:lineage"
"""string: the replication id of the master that was prepared last."""
SCHEMA = "portaria:schema"
"""string: what version of these keys the data has."""


def job(job_id: str) -> str:
    """hash: RQ's fields of a job, and ours."""
    return f"rq:job:{job_id}"


def queue(name: str) -> str:
    """list: ids, the next one first."""
    return f"rq:queue:{name}"


def worker(name: str) -> str:
    """hash: a worker's words about itself, RQ's and ours, until it is silent for 30 s."""
    return f"rq:worker:{name}"


def registry(kind: str, queue_name: str) -> str:
    """zset: RQ's registry of a queue; `kind` is wip, scheduled, failed, finished or canceled."""
    return f"rq:{kind}:{queue_name}"


def request(namespace: str, request_id: str) -> str:
    """string: "content-hash id", kept until an hour after the job ended."""
    return f"portaria:request:{namespace}:{request_id}"


def batch(workflow_id: str) -> str:
    """hash: a batch or workflow: how far it is written and placed, what its joins are; until an
    hour after its last job ended, or as long as the results of its jobs are kept.
    """
    return f"portaria:batch:{workflow_id}"


def workflows(namespace: str) -> str:
    """zset: ids of workflows and batches, all with score 0: by name, and so by age."""
    return f"portaria:workflows:{namespace}"


def ended(workflow_id: str) -> str:
    """string: a bit for each job of a workflow that has ended; see lua/flow.lua."""
    return f"portaria:ended:{workflow_id}"


def kids(workflow_id: str, join: str = "") -> str:
    """hash: open jobs that members of a workflow or batch submitted -> join; of one, or of all."""
    return f"portaria:kids:{workflow_id}" + (f":{join}" if join else "")


def todo(workflow_id: str) -> str:
    """zset: join -> the number from which what follows it is left to settle.lua."""
    return f"portaria:todo:{workflow_id}"


def scheduler(name: str) -> str:
    """hash: rq-scheduler's word about a scheduler, while it lives."""
    return f"rq:scheduler_instance:{name}"


def schedule(namespace: str, schedule_id: str) -> str:
    """hash: the definition of a schedule, sealed, and what became of its ticks."""
    return f"portaria:schedule:{namespace}:{schedule_id}"


def schedules(namespace: str) -> str:
    """zset of the ids of all schedules, all with score 0."""
    return f"portaria:schedules:{namespace}"


def release(namespace: str, owner: str) -> str:
    """field of portaria:releases: a declared list."""
    return f"{namespace}:{owner}"


def ticks(namespace: str) -> str:
    """zset: schedule -> milliseconds of its next tick; not of paused and ended ones."""
    return f"portaria:ticks:{namespace}"


def runs(namespace: str, schedule_id: str) -> str:
    """stream: what became of the last 50 ticks of a schedule."""
    return f"portaria:runs:{namespace}:{schedule_id}"


def tick(namespace: str, schedule_id: str, milliseconds: int) -> str:
    """string: "content-hash id" of the job of one tick, until an hour after it ended."""
    return f"portaria:tick:{namespace}:{schedule_id}:{milliseconds}"


def unique(namespace: str, job_type: str, key: str) -> str:
    """string: id of the open job that holds a unique key."""
    return f"portaria:unique:{namespace}:{job_type}:{key}"


def effects(job_id: str) -> str:
    """hash: the ledger of a job's effects, until it is purged."""
    return f"portaria:effects:{job_id}"


def rate(key: str) -> str:
    """string: up to when the moments of a rate are given away; expires a second after that."""
    return f"portaria:rate:{key}"


def wake(queue_name: str) -> str:
    """list: at most 64 tokens on which idle workers block."""
    return f"portaria:wake:{queue_name}"


def parked(domain: str, job_type: str) -> str:
    """zset: id -> when it was parked, since no worker that claimed it served its type."""
    return f"portaria:parked:{domain}:{job_type}"


def index(namespace: str, kind: str = "", value: str = "") -> str:
    """zset of ids, all with score 0: by name, and so by age. `kind` is type, workflow, label or
    schedule.
    """
    return f"portaria:index:{namespace}" + (f":{kind}:{value}" if kind else "")
