"""portaria schedules create."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TextIO

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.parameters import Duration, Moment, in_zone, labels_of
from portaria.core.states import PRIORITIES

if TYPE_CHECKING:
    from portaria.client.planning import Plan

_OUTPUT = click.option(
    "--output", type=click.Choice(["text", "json"]), default="text", show_default=True
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _New:
    """What the command line said of a new schedule."""

    schedule_id: str
    job_type: str
    text: str | None
    file: TextIO | None
    cron: str | None
    every: timedelta | None
    zone: str
    start: datetime | None
    end: datetime | None
    overlap: Any
    catch_up: Any
    max_catch_up: int
    catchup_window: timedelta | None
    jitter: timedelta | None
    labels: Mapping[str, str]
    priority: Any
    checking: bool
    output: str

    def plan(self) -> Plan:
        """As the client takes it."""
        found: Plan = {
            "time_zone": self.zone,
            "overlap": self.overlap,
            "catch_up": self.catch_up,
            "max_catch_up": self.max_catch_up,
            "labels": self.labels,
        }
        if self.cron is not None:
            found["cron"] = self.cron
        if self.every is not None:
            found["every"] = self.every
        if self.catchup_window is not None:
            found["catchup_window"] = self.catchup_window
        if self.jitter is not None:
            found["jitter"] = self.jitter
        if self.priority:
            found["priority"] = self.priority
        if start := in_zone(self.start, self.zone):
            found["start_time"] = start
        if end := in_zone(self.end, self.zone):
            found["end_time"] = end
        return found


@click.command(epilog=EXIT_CODES_HELP, short_help="Make a schedule.")
@click.argument("schedule_id", metavar="ID")
@click.argument("job_type", metavar="TYPE")
@click.option("--json", "text", metavar="JSON", help="The payload; without it --file, else stdin.")
@click.option("--file", type=click.File(encoding="utf-8"), help="The payload's file; - is stdin.")
@click.option("--cron", help='Five fields: "0 2 * * *".')
@click.option("--every", type=Duration(), help="Instead of --cron: 15m, 6h.")
@click.option("--zone", default="", metavar="NAME", help="Of --cron: Africa/Luanda. Default: UTC.")
@click.option("--from", "start", type=Moment(), help="No tick before: 2026-12-01T08:00, in --zone.")
@click.option("--until", "end", type=Moment(), help="No tick after it.")
@click.option(
    "--overlap", type=click.Choice(["skip", "allow"]), default="skip", show_default=True,
    help="A tick while the last run is open.",
)  # fmt: skip
@click.option(
    "--catch-up", type=click.Choice(["none", "once", "all"]), default="once", show_default=True,
    help="What is made up after a time without a scheduler.",
)  # fmt: skip
@click.option("--max-catch-up", type=int, default=0, help="With --catch-up all. Default: 100.")
@click.option("--catch-up-window", "catchup_window", type=Duration(), help="Default: 1d.")
@click.option("--jitter", type=Duration(), help="Each run starts up to this much later.")
@click.option(
    "--label", "labels", multiple=True, metavar="KEY=VALUE", callback=labels_of,
    help="Of the schedule; may be repeated.",
)  # fmt: skip
@click.option("--priority", type=click.Choice(PRIORITIES), help="Of its jobs.")
@click.option("--check", "checking", is_flag=True, help="Say what would be made, and make nothing.")
@_OUTPUT
def create(**given: Any) -> int:
    """Makes a schedule whose ticks hand in jobs of TYPE. The same again changes nothing.

    \b
    portaria schedules create nightly SendEmail \\
      --cron "0 2 * * *" --zone Africa/Luanda \\
      --json '{"to": "ana@example.com", "template": "digest"}'
    """
    from portaria.cli.connecting import open_client, payload_type, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.cli.payload import message_from_json
    from portaria.cli.submit import payload_text
    from portaria.settings import load_settings

    said = _New(**given)
    if bool(said.cron is not None) == bool(said.every is not None):
        raise click.UsageError("give one of --cron and --every")
    settings = load_settings()
    job_type = payload_type(said.job_type, settings)
    what = f"cannot create {said.schedule_id}"
    with telling(what):
        payload = message_from_json(job_type.message, payload_text(said.text, said.file, job_type))
    warnings: list[str] = []
    with open_client(settings) as client, telling(what, payload):
        made = client.schedules.create(
            said.schedule_id,
            payload,
            validate_only=said.checking,
            on_warning=warnings.append,
            **said.plan(),
        )
    if said.output == "json":
        click.echo(json_text(message_dict(made)))
    else:
        from portaria.cli.schedule_screens import next_words
        from portaria.core.clock import SystemClock

        would = "would run" if said.checking else "runs"
        click.echo(f"{made.schedule_id} {would} {made.in_words}")
        click.echo(f"  next {next_words(made, SystemClock().now()).plain}")
    warn(warnings)
    return Exit.OK


def warn(warnings: Iterable[str]) -> None:
    """What is right and still worth a look, on stderr."""
    for each in warnings:
        click.echo(f"{click.style('warning:', fg='yellow')} {each}", err=True)
