"""One job as a person reads it."""

from collections.abc import Iterator
from datetime import datetime
from typing import TextIO

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from portaria.cli.json_text import json_text, shown_dict, unpacked
from portaria.cli.live import STYLES
from portaria.cli.rows import due_at, failure_words, moment, one_line
from portaria.cli.wording import length, local_time
from portaria.client.states import state_name
from portaria.core.clock import Clock, SystemClock
from portaria.core.states import State
from portaria.v1.job_pb2 import Attempt, Job, PendingReason

# Why a pending job waits, where that is more than its turn.
_REASONS = {
    "QUEUE_PAUSED": "its queue is paused",
    "NO_WORKER": "no worker serves its queue",
    "TYPE_NOT_SERVED": "no worker has a handler for its type",
    "LIMITED": "a limit of its type is reached",
    "NOT_DUE": "it is not due yet",
    "BLOCKED": "it waits for another job",
}


def print_job(job: Job, out: TextIO | None = None, clock: Clock | None = None) -> None:
    """Prints a job as a table, then its result, payload and attempts where they are there."""
    console = Console(file=out, highlight=False, soft_wrap=True)
    console.print(job_view(job, (clock or SystemClock()).now()))


def job_view(job: Job, now: datetime) -> RenderableType:
    """The whole picture."""
    parts: list[RenderableType] = [_facts(job, now)]
    if job.HasField("result"):
        parts += _block("result", json_text(shown_dict(unpacked(job.result))))
    if job.spec.HasField("payload"):
        parts += _block("payload", json_text(shown_dict(unpacked(job.spec.payload))))
    if job.attempts:
        parts += [Text(), Text("attempts", style="bold"), _attempts(job)]
    if job.last_failure.traceback:
        lines = "\n".join(map(_printable, job.last_failure.traceback.splitlines()))
        parts += [Text(), Text("traceback", style="bold"), Text(lines)]
    return Group(*parts)


def _facts(job: Job, now: datetime) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _rows(job, now):
        if value:
            grid.add_row(name, value)
    return grid


def _rows(job: Job, now: datetime) -> Iterator[tuple[str, str | Text]]:
    state = state_name(job.state)
    yield "job", job.job_id
    yield "type", job.type
    yield "state", Text(state, style=STYLES.get(state, "bold"))
    yield "waits", pending_words(job)
    yield "queue", job.queue
    yield "progress", _progress(job)
    yield "attempts", _counts(job)
    yield "failure", failure_words(job.last_failure)
    yield "cause", job.last_failure.cause_job_id
    yield "worker", job.worker
    yield from _times(job, now)
    yield "labels", ", ".join(f"{key}={job.labels[key]}" for key in sorted(job.labels))
    for warning in job.warnings:
        yield "warning", one_line(warning)
    yield "workflow", job.workflow_id
    yield "node", job.node_id
    yield "schedule", job.schedule_id
    yield "retry of", job.retried_from
    yield "retried as", job.retried_as
    yield "cancelled", one_line(job.cancel_reason)
    yield "created by", job.created_by


def _times(job: Job, now: datetime) -> Iterator[tuple[str, str]]:
    created, begun, ended = map(moment, (job.create_time, job.start_time, job.end_time))
    due = due_at(job)
    yield "created", local_time(created)
    if due and not job.done and due > now:
        what = "next attempt" if job.attempt else "starts"
        yield what, f"{local_time(due)} (in {length(due - now)})"
    yield "started", local_time(begun)
    yield "ended", local_time(ended)
    if begun:
        yield "ran for", length((ended or now) - begun)
    yield "kept until", local_time(moment(job.purge_time))


def pending_words(job: Job) -> str:
    """Why a job waits, where that is more than its turn."""
    if job.done:
        return ""
    try:
        name = PendingReason.Name(job.pending_reason).removeprefix("PENDING_REASON_")
    except ValueError:
        return ""
    ahead = "1 job is ahead of it" if job.jobs_ahead == 1 else ""
    if job.jobs_ahead > 1:
        ahead = f"{job.jobs_ahead:,} jobs are ahead of it"
    return _REASONS.get(name, ahead)


def _progress(job: Job) -> str:
    if not job.HasField("progress"):
        return ""
    progress = job.progress
    of = f"{progress.percent:.0f} % ({progress.current}/{progress.total})"
    figures = of if progress.total else str(progress.current or "")
    return "  ".join(part for part in (figures, one_line(progress.message)) if part)


def _counts(job: Job) -> str:
    if not job.attempt:
        return ""
    failed = f", {job.failures} of {job.max_attempts} failures" if job.failures else ""
    return f"{job.attempt}{failed}"


def _attempts(job: Job) -> Table:
    table = Table.grid(padding=(0, 2))
    for each in job.attempts:
        table.add_row(*_attempt(each, state_name(job.state)))
    return table


def _attempt(each: Attempt, state: str) -> tuple[str, ...]:
    begun, ended = moment(each.start_time), moment(each.end_time)
    took = length(ended - begun) if begun and ended else ""
    # Every other end leaves a failure; where it does not, the job's own is the truth.
    end = "ok" if state == State.SUCCEEDED else state
    outcome = failure_words(each.failure) or (end if ended else "running")
    return f"  {each.number}", local_time(begun), took, outcome


def _printable(line: str) -> str:
    return "".join(each if each.isprintable() else " " for each in line)


def _block(title: str, text: str) -> list[RenderableType]:
    return [Text(), Text(title, style="bold"), Text(text)]
