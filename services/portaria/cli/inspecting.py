"""portaria inspect: one aspect of all workers at a time."""

import re
from collections.abc import Callable, Iterable
from datetime import datetime
from itertools import islice
from typing import Any

import click
from rich.console import RenderableType

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.operating import domain_option, output_option
from portaria.cli.rows import moment
from portaria.client import Client
from portaria.v1.admin_service_pb2 import Worker
from portaria.v1.job_pb2 import Job

Row = tuple[RenderableType, ...]


@click.group(no_args_is_help=True)
def inspect() -> None:
    """One aspect of all workers, under the names that Celery has for them."""


@inspect.command(epilog=EXIT_CODES_HELP)
@domain_option
@output_option
def active(domain: str, output: str) -> int:
    """The jobs that run."""
    from portaria.cli.json_text import json_text, message_dict
    from portaria.cli.screens import name_text, plain_table, show
    from portaria.cli.wording import length
    from portaria.core.clock import SystemClock

    found: list[tuple[Worker, Job]] = _asked("cannot look", lambda client: _jobs(client, domain))
    if output == "json":
        click.echo(json_text([{"worker": each.name, **message_dict(job)} for each, job in found]))
        return Exit.OK
    now = SystemClock().now()
    rows: list[Row] = [
        (name_text(worker.name), job.job_id, _short(job.type), length(now - begun))
        for worker, job in found
        if (begun := moment(job.start_time)) is not None
    ]
    if rows:
        show(plain_table("worker", "job", "type", "runs for", rows=rows))
    else:
        click.echo("nothing runs")
    return Exit.OK


@inspect.command(epilog=EXIT_CODES_HELP)
@domain_option
@output_option
def reserved(domain: str, output: str) -> int:
    """The jobs that a worker holds and has not begun."""
    return _of_workers(
        domain, output, ("worker", "job"), _each("reserved_job_ids"), "nothing is reserved"
    )


@inspect.command(epilog=EXIT_CODES_HELP)
@domain_option
@output_option
def registered(domain: str, output: str) -> int:
    """The job types that each worker serves."""
    return _of_workers(domain, output, ("worker", "job type"), _each("job_types"), "no worker runs")


@inspect.command(epilog=EXIT_CODES_HELP)
@domain_option
@output_option
def conf(domain: str, output: str) -> int:
    """The settings of each worker; no secrets are among them."""

    def rows(worker: Worker) -> Iterable[tuple[str, ...]]:
        return sorted((name, str(value)) for name, value in worker.settings.items())

    return _of_workers(domain, output, ("worker", "setting", "value"), rows, "no worker runs")


@inspect.command(
    epilog=EXIT_CODES_HELP, short_help="Which workers were heard of within ten seconds."
)
@domain_option
@output_option
def ping(domain: str, output: str) -> int:
    """Which workers were heard of within ten seconds; exit code 3 where none was."""
    from portaria.cli.json_text import json_text
    from portaria.cli.screens import name_text, plain_table, show

    found = _workers(domain)
    answers = {each.name: "lost" if _is_lost(each) else "pong" for each in found}
    if output == "json":
        click.echo(json_text(answers))
    elif not found:
        click.echo("no worker runs")
    else:
        rows = [(name_text(name), word) for name, word in answers.items()]
        show(plain_table("worker", "", rows=rows))
    return Exit.OK if "pong" in answers.values() else Exit.UNAVAILABLE


@inspect.command(epilog=EXIT_CODES_HELP)
@domain_option
@output_option
def stats(domain: str, output: str) -> int:
    """What each worker did since it began, and what it takes."""
    from portaria.cli.json_text import json_text
    from portaria.cli.screens import show, workers_table
    from portaria.core.clock import SystemClock

    found = _workers(domain)
    if output == "json":
        click.echo(json_text({each.name: _figures(each) for each in found}))
    elif not found:
        click.echo("no worker runs")
    else:
        show(workers_table(found, SystemClock().now()))
    return Exit.OK


@inspect.command(epilog=EXIT_CODES_HELP)
@domain_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True)
@output_option
def scheduled(domain: str, limit: int, output: str) -> int:
    """The jobs that wait for their moment: first runs, and retries."""
    from portaria.cli.json_text import json_text, message_dict
    from portaria.cli.screens import plain_table, show
    from portaria.cli.wording import length, local_time
    from portaria.core.clock import SystemClock

    domains = [domain] if domain else []
    found: list[Job] = _asked(
        "cannot list jobs",
        lambda client: list(
            islice(client.list(states=["SCHEDULED", "RETRYING"], domains=domains), limit)
        ),
    )
    if output == "json":
        click.echo(json_text([message_dict(job) for job in found]))
        return Exit.OK
    now = SystemClock().now()
    due = sorted((at, job.job_id, job) for job in found if (at := _due(job)) is not None)
    rows: list[Row] = [
        (job_id, _short(job.type), job.queue, local_time(at), f"in {length(at - now)}")
        for at, job_id, job in due
    ]
    if rows:
        show(plain_table("job", "type", "queue", "starts", "", rows=rows))
    else:
        click.echo("nothing is scheduled")
    return Exit.OK


def _of_workers(
    domain: str,
    output: str,
    columns: tuple[str, ...],
    rows_of: Callable[[Worker], Iterable[tuple[str, ...]]],
    nothing: str,
) -> int:
    from portaria.cli.json_text import json_text
    from portaria.cli.screens import name_text, plain_table, show

    found = _workers(domain)
    if output == "json":
        click.echo(json_text({each.name: _plain(list(rows_of(each))) for each in found}))
        return Exit.OK
    rows: list[Row] = []
    first: dict[tuple[tuple[str, ...], ...], str] = {}
    for worker in found:
        own = tuple(rows_of(worker))
        alike = first.setdefault(own, worker.name)
        if alike != worker.name and own:
            rows.append((name_text(worker.name), f"as {alike}", *[""] * (len(columns) - 2)))
            continue
        for number, row in enumerate(own):
            rows.append((name_text("" if number else worker.name), *row))
    if rows:
        show(plain_table(*columns, rows=rows))
    else:
        click.echo(nothing)
    return Exit.OK


def _figures(worker: Worker) -> dict[str, str | int | float]:
    return {
        "state": Worker.State.Name(worker.state).removeprefix("STATE_"),
        "pid": worker.pid,
        "cpu_percent": worker.cpu_percent,
        "rss_bytes": worker.rss_bytes,
        "succeeded": worker.succeeded,
        "failed": worker.failed,
        "busy_seconds": worker.busy_time.ToTimedelta().total_seconds(),
        "running": len(worker.running_job_ids),
        "reserved": len(worker.reserved_job_ids),
    }


def _short(name: str) -> str:
    """ "mail.SendEmail" of "portaria_workers.mail.v1.SendEmail"."""
    package, _, last = name.rpartition(".")
    domain = [part for part in package.split(".") if not re.fullmatch(r"v\d+", part)][-1:]
    return ".".join([*domain, last])


def _plain(rows: list[tuple[str, ...]]) -> Any:
    """A list of words, or a mapping where each row is a name and a value."""
    if rows and len(rows[0]) == 2:
        return {row[0]: row[1] for row in rows}
    return [row[0] for row in rows]


def _each(field: str) -> Callable[[Worker], Iterable[tuple[str, ...]]]:
    return lambda worker: [(str(value),) for value in getattr(worker, field)]


def _jobs(client: Client, domain: str) -> list[tuple[Worker, Job]]:
    """Each job that runs, unless it was forgotten since."""
    workers = client.workers(domain)
    jobs = client.get_many([job_id for each in workers for job_id in each.running_job_ids])
    return [
        (each, jobs[job_id])
        for each in workers
        for job_id in each.running_job_ids
        if job_id in jobs
    ]


def _due(job: Job) -> datetime | None:
    return moment(job.next_attempt_time) or moment(job.run_time)


def _is_lost(worker: Worker) -> bool:
    return worker.state == Worker.STATE_LOST


def _workers(domain: str) -> list[Worker]:
    found: list[Worker] = _asked("cannot list workers", lambda client: client.workers(domain))
    return found


def _asked(what: str, question: Callable[[Any], Any]) -> Any:
    from portaria.cli.connecting import open_client, telling
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling(what):
        return question(client)
