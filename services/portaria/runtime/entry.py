"""The function that RQ's `data` of every job of ours names: what a stock worker would run."""

import logging
import os
import signal

from rq import get_current_job
from rq.job import Job


def refuse() -> None:
    """Puts the job back and stops the stock `rq worker` that took it.

    Our jobs are run by `rq worker -w portaria.Worker` or `portaria worker` only: a stock worker
    knows neither their envelopes nor their leases.
    """
    logging.getLogger("rq.worker").error(
        "this queue belongs to Portaria: start it with `rq worker -w portaria.Worker`"
    )
    job = get_current_job()
    if job is not None:
        # The stock worker popped the id; our own state of the job is untouched by it.
        job.connection.lpush(f"rq:queue:{job.origin}", job.id)
        _stop_the_worker_of(job)
    raise RuntimeError("refused: jobs of Portaria run under portaria.Worker only")


def _stop_the_worker_of(job: Job) -> None:
    """Stops the worker that runs this; it may be this process, or the one that forked it."""
    pid = int(job.connection.hget(f"rq:worker:{job.worker_name}", "pid") or 0)
    # Whoever started the worker is not to be hit, nor whatever a forged record names.
    if pid in (os.getpid(), os.getppid()):
        os.kill(pid, signal.SIGTERM)
