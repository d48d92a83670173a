"""portaria.Worker: RQ's worker from outside, ours inside.

RQ's CLI, registration, names, heartbeat, commands and signals stay; the claim, the process a job
and the bookkeeping are replaced. What is overridden is checked against RQ's by a test, since RQ
promises nothing about it.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from importlib.metadata import version
from typing import Any, NoReturn

from redis import Redis
from rq import Worker as RqWorker

from portaria import logs
from portaria.core.errors import ConfigurationError
from portaria.core.seal import load_key_ring
from portaria.core.states import split_queue
from portaria.jobs import Handler
from portaria.jobs.discovery import load_files, load_handlers
from portaria.runtime import streams
from portaria.runtime.door import Door
from portaria.runtime.family import Plan
from portaria.runtime.patience import patiently
from portaria.runtime.registry import RqRegistry
from portaria.runtime.supervisor import Supervisor
from portaria.runtime.types import TypeRegistry
from portaria.settings import Settings, load_settings
from portaria.store import Store
from portaria.store.connect import reconnect
from portaria.store.wire import Target


class Worker(RqWorker):
    """Runs Portaria's jobs under `rq worker -w portaria.Worker QUEUE…`, one child each."""

    log_result_lifespan = False
    log_job_description = False

    def _set_connection(self, connection: Redis) -> Redis:
        """RQ would wait up to seven minutes for a reply; we never block on this connection."""
        return reconnect(connection)

    def work(
        self,
        burst: bool = False,
        logging_level: str | None = None,
        date_format: str = "",
        log_format: str = "",
        max_jobs: int | None = None,
        max_idle_time: int | None = None,
        with_scheduler: bool = False,
        dequeue_strategy: Any = None,
    ) -> bool:
        """Works until SIGTERM or SIGINT; see `rq worker --help`. True where any job ran."""
        if with_scheduler:
            _quit("--with-scheduler: RQ's scheduler is not used here; run `portaria scheduler`")
        if dequeue_strategy not in (None, "default"):
            _quit("--dequeue-strategy: priority is strict, in the order of the queues")
        try:
            settings = load_settings()
            streams.protect()
            level = (logging_level or settings.log_level).lower()
            logs.configure(level=level, stream=streams.Lines(2))
            plan = Plan(
                workers=[self.name],
                queues=self.queue_names(),
                door=Door.of(settings),
                burst=burst,
                limit=max_jobs,
                max_idle=max_idle_time,
                most_jobs_per_child=settings.max_jobs_per_child,
                prefetch=settings.prefetch,
            )
            return run_workers([self], plan, settings) > 0
        except ConfigurationError as error:
            _quit(error.message)


def run_workers(workers: Sequence[Worker], plan: Plan, settings: Settings) -> int:
    """Runs the children of one parent, one for each RQ worker; answers how many jobs ran.

    Raises ConfigurationError before anything is started.
    """
    handlers = check_pools(plan.queues, settings)
    ring = load_key_ring(settings.key_file)
    connection = workers[0].connection
    store = Store(connection)
    domains = {split_queue(queue)[0] for queue in plan.queues}
    types = TypeRegistry(store, ring, load_files(settings.jobs, domains))
    registry = RqRegistry(workers, sorted(handlers), described(plan, settings))
    log = logs.logger()
    if threading.active_count() > 1:
        # A lock that such a thread holds at the fork would stay locked in the child for ever.
        log.warning("a handler's module started threads; import them inside the handler")
    patiently(store.prepare)
    for fault in patiently(store.unsafe_settings):
        log.warning("this redis can lose acknowledged jobs", fault=fault)
    supervisor = Supervisor(
        plan,
        store=store,
        target=Target.of(connection),
        handlers=handlers,
        ring=ring,
        registry=registry,
        keep_types=types.keep,
        grace=settings.grace_seconds,
        most_mb=settings.max_memory_mb,
    )
    patiently(types.announce)
    patiently(registry.register)
    log.info(
        "worker ready",
        workers=[worker.name for worker in workers],
        queues=list(plan.queues),
        types=[name.rpartition(".")[2] for name in sorted(handlers)],
    )
    try:
        ran = supervisor.run()
    finally:
        registry.unregister()
    log.info("worker stopped", ran=ran)
    return ran


def described(plan: Plan, settings: Settings) -> dict[str, str]:
    """What `portaria inspect conf` shows of a worker; nothing that may hold a password."""
    shown = {
        "version": version("portaria"),
        "concurrency": len(plan.workers),
        "prefetch": plan.prefetch,
        "max_jobs_per_child": plan.most_jobs_per_child,
        "max_memory_mb": settings.max_memory_mb,
        "grace_seconds": settings.grace_seconds,
        "namespace": settings.namespace,
        "jobs": ",".join(settings.jobs),
        "log_level": settings.log_level,
    }
    return {name: str(value) for name, value in shown.items()}


def check_pools(queues: Sequence[str], settings: Settings) -> dict[str, Handler]:
    """The handlers of the queues' domains. Raises ConfigurationError where one has no job type."""
    try:
        domains = {split_queue(queue)[0] for queue in queues}
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    handlers = load_handlers(settings.jobs, domains)
    idle = domains - {handler.job_type.domain for handler in handlers.values()}
    if idle:
        names, packages = ", ".join(sorted(idle)), ", ".join(settings.jobs)
        raise ConfigurationError(f"no job type of {names} in {packages}")
    return handlers


def _quit(message: str) -> NoReturn:
    print(message, file=sys.stderr)  # before logging is set up, and for people
    raise SystemExit(2)
