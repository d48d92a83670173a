"""Jobs and job types as tables that fit a terminal of a hundred columns."""

from collections.abc import Iterable
from datetime import datetime

from rich.table import Table
from rich.text import Text

from portaria.cli.detail import pending_words
from portaria.cli.live import STYLES
from portaria.cli.rows import due_at, failure_words, moment, one_line
from portaria.cli.screens import bare_table, brief
from portaria.cli.wording import length
from portaria.client.states import state_name
from portaria.v1.job_pb2 import JOB_STATE_RETRYING, Job, Priority
from portaria.v1.jobs_service_pb2 import JobTypeInfo


def jobs_table(jobs: Iterable[Job], now: datetime) -> Table:
    """One line a job; its id is never cut, so that it can be copied."""
    table = bare_table()
    table.add_column("job", no_wrap=True, min_width=36)
    table.add_column("state", no_wrap=True, min_width=10)
    table.add_column("type")
    table.add_column("queue")
    table.add_column("age", no_wrap=True, justify="right", min_width=3)
    table.add_column("")
    for job in jobs:
        state = state_name(job.state)
        created = moment(job.create_time)
        table.add_row(
            job.job_id,
            Text(state, style=STYLES.get(state, "")),
            _cut(job.type.rpartition(".")[2]),
            _cut(job.queue),
            brief(now - created) if created else "",
            _cut(job_note(job, now)),
        )
    return table


def types_table(types: Iterable[JobTypeInfo]) -> Table:
    """One line a type, its description last."""
    table = bare_table()
    table.add_column("type")
    table.add_column("priority", no_wrap=True)
    table.add_column("attempts", no_wrap=True, justify="right")
    table.add_column("timeout", no_wrap=True, justify="right")
    table.add_column("worker", no_wrap=True)
    table.add_column("")
    for each in types:
        priority = Priority.Name(each.default_priority).removeprefix("PRIORITY_").lower()
        table.add_row(
            _cut(f"{each.domain}.{each.type.rpartition('.')[2]}"),
            priority,
            str(each.default_retry.max_attempts),
            length(each.timeout.ToTimedelta()),
            Text("yes") if each.served else Text("none", style="red"),
            _cut(one_line(each.description), style="dim"),
        )
    return table


def job_note(job: Job, now: datetime) -> str:
    """Why it waits, what failed, or how far it is."""
    failure = failure_words(job.last_failure)
    if job.done:
        return failure or one_line(job.cancel_reason)
    due = due_at(job)
    if due and (due > now or job.state == JOB_STATE_RETRYING):
        wait = f"in {brief(due - now)}" if due > now else "due"
        return wait + (f": {failure}" if failure else "")
    return pending_words(job) or _progress(job)


def _progress(job: Job) -> str:
    figures = f"{job.progress.percent:.0f} %" if job.progress.total else ""
    return "  ".join(each for each in (figures, one_line(job.progress.message)) if each)


def _cut(text: str, style: str = "") -> Text:
    """What gives way where a line is too long; so its column must not say no_wrap itself."""
    return Text(text, style=style, no_wrap=True, overflow="ellipsis")
