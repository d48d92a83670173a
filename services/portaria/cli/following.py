"""Follows jobs on a screen, or line by line, and tells how they ended."""

import json
import sys
from collections import Counter
from collections.abc import Iterable
from datetime import timedelta
from typing import TextIO

import click

from portaria.cli.exits import Exit
from portaria.cli.json_text import json_text, message_dict, unpacked
from portaria.cli.rows import Row, Rows, failure_words, moment, one_line
from portaria.cli.wording import change_line, length
from portaria.client import Client, NotFound
from portaria.client.results import lacks_result
from portaria.client.selecting import Lasting
from portaria.client.states import state_name
from portaria.core.clock import Clock, SystemClock
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED, Job
from portaria.v1.jobs_service_pb2 import JobEvent

_BAR_INTERVAL = timedelta(milliseconds=100)
_LINE_INTERVAL = timedelta(seconds=1)


def follow(
    client: Client, job_ids: tuple[str, ...] | list[str], *, timeout: timedelta | None, out: TextIO
) -> Rows:
    """Shows every change until all jobs are done: a bar on a terminal, else lines."""
    live = out.isatty()
    events = client.watch(
        *job_ids, timeout=timeout, progress_interval=_BAR_INTERVAL if live else _LINE_INTERVAL
    )
    rows = Rows(job_ids)
    if live:
        from portaria.cli.live import draw

        draw(events, rows, out)
    else:
        print_lines(events, rows, out, SystemClock())
    return rows


def print_lines(events: Iterable[JobEvent], rows: Rows, out: TextIO, clock: Clock) -> None:
    """One line per change."""
    for event in events:
        click.echo(change_line(rows.apply(event), clock.now()), file=out)


def follow_selected(
    client: Client, selection: Lasting, *, timeout: timedelta | None, as_json: bool
) -> Exit:
    """As `print_selected`, of jobs that are not known beforehand."""
    events = client.watch(timeout=timeout, progress_interval=_LINE_INTERVAL, **selection)
    return print_selected(events, SystemClock(), as_json=as_json)


def print_selected(events: Iterable[JobEvent], clock: Clock, *, as_json: bool) -> Exit:
    """Prints every change, and at last how many jobs ended how, whatever ended the watch."""
    rows, ended = Rows([]), Counter[str]()
    try:
        for event in events:
            row = rows.apply(event)
            line = json.dumps(message_dict(event)) if as_json else change_line(row, clock.now())
            click.echo(line)
            if row.done:
                # Such a watch may last for ever.
                rows.forget(row.job_id)
                if not row.removed:
                    ended[row.state] += 1
    except KeyboardInterrupt:
        click.echo(err=True)  # the terminal's ^C stands on this line
        raise click.Abort from None
    finally:
        # A watch without an end of its own ends by Ctrl-C, or by the time given.
        if ended:
            said = ", ".join(f"{count} {state}" for state, count in ended.most_common())
            click.echo(said, err=True)
    if not ended:
        click.echo("no job", err=True)
    return Exit.OK if ended.keys() <= {"SUCCEEDED"} else Exit.JOB_ENDED_BADLY


def ended_jobs(client: Client, rows: Iterable[Row]) -> list[Job]:
    """The jobs as they ended, results included; without those that are gone."""
    found = []
    for row in rows:
        try:
            found.append(whole(client, client.get(row.job_id)))
        except NotFound:
            continue
    return found


def print_end(job: Job) -> None:
    """How a job ended, and its result as JSON."""
    begun, ended = moment(job.create_time), moment(job.end_time)
    after = f" after {length(ended - begun)}" if begun and ended else ""
    failed = "" if _succeeded(job) else failure_words(job.last_failure)
    why = f": {failed}" if failed else ""
    color = "green" if _succeeded(job) else "red"
    click.echo(click.style(state_name(job.state), fg=color) + after + why)
    for warning in job.warnings:
        click.echo(f"warning: {one_line(warning)}")
    if job.HasField("result"):
        click.echo(json_text(message_dict(unpacked(job.result))))


def show_ends(jobs: list[Job], rows: list[Row], *, as_json: bool) -> Exit:
    """How jobs that were watched by id ended, and the exit code for it."""
    if as_json:
        click.echo(json_text([message_dict(job) for job in jobs]))
        return exit_of_jobs(jobs, len(rows))
    for job in jobs:
        if len(rows) > 1:
            click.echo(f"{job.job_id}  ", nl=False)
        print_end(job)
    for row in rows:
        if row.removed:
            click.echo(f"{row.job_id}: {row.removed}", err=True)
    return exit_of_jobs(jobs, len(rows))


def exit_of_jobs(jobs: Iterable[Job], expected: int) -> Exit:
    """0 where every expected job is there and succeeded."""
    good = sum(_succeeded(job) for job in jobs)
    return Exit.OK if good == expected else Exit.JOB_ENDED_BADLY


def bar_stream(*, json: bool) -> TextIO:
    """Where progress goes: with JSON asked for, stdout holds nothing else."""
    return sys.stderr if json else sys.stdout


def _succeeded(job: Job) -> bool:
    return job.state == JOB_STATE_SUCCEEDED


def whole(client: Client, job: Job) -> Job:
    """The job, also with a result that was too large for the short view."""
    if not lacks_result(job):
        return job
    full = client.get(job.job_id, full=True)
    if full.HasField("result"):
        job.result.CopyFrom(full.result)
    return job
