"""A schedule: made, followed for its first runs, and deleted."""

from __future__ import annotations

from datetime import UTC, timedelta

import click

from portaria.cli.wording import clock_time
from portaria.client import Client
from portaria.client.states import state_name
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED
from portaria_workers.maintenance.v1.maintenance_pb2 import SelfTest

_SCHEDULE = "demo"
_RUNS = 2
_RUNS_WITHIN = timedelta(seconds=30)


def show_schedule(client: Client) -> bool:
    """Makes it, shows its first runs, and deletes it; answers whether they succeeded."""
    made = client.schedules.create(_SCHEDULE, SelfTest(), every=timedelta(seconds=2))
    following = made.next_run_time.ToDatetime(UTC)
    click.echo(
        f'\na schedule, "{_SCHEDULE}": a self-test {made.in_words}; '
        f"the next one at {clock_time(following)}"
    )
    ended = 0
    for event in client.watch(schedule_id=_SCHEDULE, timeout=_RUNS_WITHIN):
        if event.HasField("state_change"):
            moment = clock_time(event.event_time.ToDatetime(UTC))
            click.echo(f"  {moment}  {event.job_id}  {state_name(event.state)}")
        ended += event.done
        if ended == _RUNS:
            break
    runs = client.schedules.runs(_SCHEDULE)
    client.schedules.delete(_SCHEDULE)
    click.echo("its history:")
    for run in reversed(runs):
        late = run.lateness.ToTimedelta().total_seconds()
        click.echo(
            f"  due {clock_time(run.tick.ToDatetime(UTC))}, submitted {late:.3f} s later: "
            f"{run.job_id} {state_name(run.state)}"
        )
    click.echo("it is deleted; its jobs stay")
    return all(run.state == JOB_STATE_SUCCEEDED for run in runs[-_RUNS:])
