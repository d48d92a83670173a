"""`portaria worker POOL…`: the workers of one or more domains, under one parent."""

from __future__ import annotations

import socket
import sys

import click

from portaria.core.states import PRIORITIES, queue_name


@click.command()
@click.argument("pools", nargs=-1, required=True, metavar="POOL…")
@click.option("--concurrency", "-c", default=1, show_default=True, type=click.IntRange(1, 64),
              help="Jobs at the same time; one process each.")  # fmt: skip
@click.option("--burst", "-b", is_flag=True, help="Stop once the queues are empty.")
@click.option("--max-jobs", type=click.IntRange(1), help="Stop after so many jobs.")
@click.option("--name", help="Worker name; -1, -2… is appended. Default: host, pid.")
def worker(
    pools: tuple[str, ...], concurrency: int, burst: bool, max_jobs: int | None, name: str | None
) -> None:
    """Run the jobs of POOL (a domain: mail, documents, erp…), critical ones first.

    Exit code 2 where settings, pools or handlers cannot work.
    """
    from portaria import logs
    from portaria.core.errors import ConfigurationError, PortariaError
    from portaria.core.ids import new_token
    from portaria.runtime import streams
    from portaria.runtime.door import Door
    from portaria.runtime.family import Plan
    from portaria.runtime.patience import patiently
    from portaria.runtime.worker import Worker, check_pools, run_workers
    from portaria.settings import load_settings
    from portaria.store.connect import connect

    try:
        settings = load_settings()
        streams.protect()
        logs.configure(level=settings.log_level, style=settings.log_format, stream=streams.Lines(2))
        queues = [queue_name(pool, priority) for priority in PRIORITIES for pool in pools]
        check_pools(queues, settings)
        connection = connect(settings.redis_url)
        patiently(connection.ping)
        base = name or f"{socket.gethostname()}.{'+'.join(pools)}.{new_token()[:6]}"
        names = [f"{base}-{number}" for number in range(1, concurrency + 1)]
        plan = Plan(
            workers=names,
            queues=queues,
            door=Door.of(settings),
            burst=burst,
            limit=max_jobs,
            most_jobs_per_child=settings.max_jobs_per_child,
            prefetch=settings.prefetch,
        )
        workers = [Worker(queues, name=each, connection=connection) for each in names]
        run_workers(workers, plan, settings)
    except ConfigurationError as error:
        click.echo(error.message, err=True)
        sys.exit(2)
    except (PortariaError, OSError) as error:
        click.echo(f"cannot start: {error}", err=True)
        sys.exit(3)
