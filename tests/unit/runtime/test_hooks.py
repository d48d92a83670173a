"""What portaria.Worker stands on: RQ's hooks, which RQ is free to change."""

from __future__ import annotations

import inspect
import subprocess
import sys

import rq
from rq import Worker as RqWorker
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from portaria.runtime.worker import Worker


def test_rq_calls_the_work_that_we_replace_with_the_arguments_that_we_take() -> None:
    """RQ's CLI hands `work` exactly the parameters that ours has."""
    theirs = inspect.signature(RqWorker.work).parameters
    ours = inspect.signature(Worker.work).parameters

    assert list(ours) == list(theirs)


def test_every_method_that_we_replace_or_call_exists_in_rq() -> None:
    """A new RQ that renames one of them must be noticed here, not by a worker."""
    for name in ("_set_connection", "register_birth", "register_death", "serialize", "queue_names"):
        assert callable(getattr(RqWorker, name)), name


def test_the_names_of_rqs_keys_are_as_we_know_them() -> None:
    """They are RQ's contract with its own tools."""
    assert PUBSUB_CHANNEL_TEMPLATE == "rq:pubsub:%s"
    assert REDIS_WORKER_KEYS == "rq:workers"
    assert WORKERS_BY_QUEUE_KEY == "rq:workers:%s"
    assert rq.__version__.startswith("2.")


def test_a_worker_imports_neither_grpc_nor_rich() -> None:
    """Its parent forks, which gRPC does not survive; and rich is a seventh of its start."""
    code = (
        "import sys, portaria; portaria.Worker;"
        "from portaria.jobs.discovery import load_handlers;"
        "load_handlers(['portaria_workers'], {'mail'});"
        "print({'grpc', 'rich'} & sys.modules.keys())"
    )
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )

    assert printed.stdout.strip() == "set()"
