"""Stock rq-scheduler at its best: what the lateness and the cost of ours are compared with.

Its interval is how often it looks. At 0.1 s a job waits for half of that on average, and an idle
one costs ten looks a second; 1 s is the shortest that people run. Both are measured.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from redis import Redis
from rq.job import Job
from rq_scheduler import Scheduler

from bench.baseline_rq import QUEUE, noop

SHORTEST, USUAL = 0.1, 1.0


def fill(redis: Redis, count: int, due_ms: Callable[[], int]) -> dict[str, int]:
    """Hands in so many no-op jobs; answers when each is due, by its id."""
    scheduler = Scheduler(QUEUE, connection=redis)
    due = {}
    for _ in range(count):
        moment = due_ms()
        naive = datetime.fromtimestamp(moment / 1000, UTC).replace(tzinfo=None)
        due[scheduler.schedule(naive, noop, result_ttl=600).id] = moment
    return due


def queued_ms(redis: Redis, job_id: str) -> int | None:
    """When a job was put into its queue; None where it waits still."""
    moment = Job.fetch(job_id, connection=redis).enqueued_at
    return None if moment is None else int(moment.replace(tzinfo=UTC).timestamp() * 1000)


def command(url: str, interval: float) -> list[str]:
    """`rqscheduler` with its logs off."""
    return ["rqscheduler", "--url", url, "--interval", str(interval), "--quiet"]
