"""Stock RQ at its best, as its settings allow: what Portaria's drain is compared with.

Tried on no-op jobs, two forking workers, 300 jobs, five rounds in turn, medians: 168 jobs/s with
defaults and quiet logs; 163 with results kept for ever (no EXPIREs), 177 with the job's module
imported by the parent as well, so that no fork imports it; of this last one 164 with JSON and 172
without a timeout. Results that are not kept (0) make it slower: RQ deletes more than it expires.
One queue a worker, which RQ claims from with one LMOVE; several would need BLPOP, and lose jobs.

The workers import this module: it holds nothing that would make their forks slower.
"""

from redis import Redis
from rq import Queue

QUEUE = "bench"
FORKING, SIMPLE = "rq.Worker", "rq.SimpleWorker"


def noop() -> None:
    """The job."""


def fill(redis: Redis, count: int) -> None:
    """Queues so many no-op jobs, in the format that RQ runs fastest."""
    job = Queue.prepare_data(noop, result_ttl=-1)
    Queue(QUEUE, connection=redis).enqueue_many([job] * count)


def worker_command(worker_class: str) -> list[str]:
    """`rq worker`, which by way of its settings (-c) imports this module before it forks."""
    quiet = ["-q", "--disable-job-desc-logging"]
    return ["rq", "worker", *quiet, "-c", __name__, "-w", worker_class, QUEUE]
