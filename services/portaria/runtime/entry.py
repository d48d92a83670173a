"""The function that RQ's `data` of every job of ours names: what a stock worker would run."""

import logging
import os
import signal

from rq import get_current_job


def refuse() -> None:
    """Puts the job back and stops the stock `rq worker` that took it.

    Our jobs are run by `rq worker -w portaria.Worker` or `portaria worker` only: a stock worker
    knows neither their envelopes nor their leases.
    """
    job = get_current_job()
    if job is not None:
        # The stock worker popped the id; our own state of the job is untouched by it.
        job.connection.lpush(f"rq:queue:{job.origin}", job.id)
    logging.getLogger("rq.worker").error(
        "this queue belongs to Portaria: start it with `rq worker -w portaria.Worker`"
    )
    os.kill(os.getppid(), signal.SIGTERM)
    raise RuntimeError("refused: jobs of Portaria run under portaria.Worker only")
