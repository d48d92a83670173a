"""portaria schedules."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit, Refused
from portaria.cli.operating import confirm, domain_option, output_option
from portaria.cli.parameters import Duration, Moment, in_zone
from portaria.cli.schedules_apply import apply
from portaria.cli.schedules_create import create, warn

if TYPE_CHECKING:
    from portaria.client import Client, Handle
    from portaria.client.planning import When


@click.group(no_args_is_help=True)
def schedules() -> None:
    """Periodic work: look at schedules, pause them, run them by hand, make new ones."""


schedules.add_command(apply)
schedules.add_command(create)


@schedules.command(
    "list", epilog=EXIT_CODES_HELP, short_help="All schedules, and when each runs next."
)
@domain_option
@output_option
def list_schedules(domain: str, output: str) -> int:
    """Shows all schedules: whether they run, when, and when next, in the zone of each."""
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    with open_client(settings) as client, telling("cannot list schedules"):
        page = client.schedules.page(1_000, domain=domain)
        found, schedulers = list(page.schedules), page.schedulers
        while page.next_page_token:
            page = client.schedules.page(1_000, token=page.next_page_token, domain=domain)
            found += page.schedules
    if output == "json":
        click.echo(json_text([message_dict(each) for each in found]))
    elif not found:
        of = f" of {domain}" if domain else ""
        click.echo(f"no schedule{of}: make one with `portaria schedules create`")
    else:
        from portaria.cli.schedule_screens import notes, schedules_table
        from portaria.cli.screens import show
        from portaria.core.clock import SystemClock

        show(schedules_table(found, SystemClock().now()))
        for each in notes(found):
            show(each)
    if found and not schedulers:
        words = "no scheduler runs, so nothing of this does: start one with `portaria scheduler`"
        click.secho(words, fg="red", err=True)
    return Exit.OK


@schedules.command("show", epilog=EXIT_CODES_HELP, short_help="All about one schedule.")
@click.argument("schedule_id", metavar="ID")
@output_option
def show_schedule(schedule_id: str, output: str) -> int:
    """Shows one schedule. In text, fields that are marked sensitive stay hidden."""
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    with open_client(settings) as client, telling(f"cannot show {schedule_id}"):
        found = client.schedules.get(schedule_id)
    if output == "json":
        click.echo(json_text(message_dict(found)))
        return Exit.OK
    from portaria.cli.schedule_screens import schedule_view
    from portaria.cli.screens import show
    from portaria.core.clock import SystemClock

    show(schedule_view(found, SystemClock().now()))
    return Exit.OK


@schedules.command(epilog=EXIT_CODES_HELP, short_help="The next runs of a schedule, stored or not.")
@click.argument("schedule_id", metavar="[ID]", default="")
@click.option("--cron", help='Of no stored schedule: "0 2 * * *".')
@click.option("--every", type=Duration(), help="The same: 15m, 6h.")
@click.option("--zone", default="", metavar="NAME", help="Of --cron: Africa/Luanda. Default: UTC.")
@click.option("--count", type=click.IntRange(1, 1_000), default=10, show_default=True)
@click.option("--after", type=Moment(), help="Default: now.")
@output_option
def preview(
    schedule_id: str,
    cron: str | None,
    every: timedelta | None,
    zone: str,
    count: int,
    after: datetime | None,
    output: str,
) -> int:
    """Shows the next runs of a schedule, or of one that is not stored, without jitter.

    \b
    portaria schedules preview nightly
    portaria schedules preview --cron "30 2 * * *" --zone America/New_York
    """
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text
    from portaria.settings import load_settings

    when = _when(cron=cron, every=every, time_zone=zone)
    if bool(schedule_id) == bool(when):
        raise click.UsageError("give the ID of a schedule, or --cron or --every")
    with open_client(load_settings()) as client, telling("cannot preview"):
        if schedule_id:
            zone = client.schedules.get(schedule_id).time_zone
        found = client.schedules.preview(
            schedule_id, count=count, after=in_zone(after, zone), **when
        )
    if output == "json":
        times = [
            f"{each:%Y-%m-%dT%H:%M:%S.%f}".rstrip("0").rstrip(".") + "Z" for each in found.times
        ]
        said = {"in_words": found.in_words, "times": times, "warnings": list(found.warnings)}
        click.echo(json_text(said))
        return Exit.OK
    from portaria.cli.schedule_screens import preview_table
    from portaria.cli.screens import show
    from portaria.core.clock import SystemClock

    click.secho(found.in_words, bold=True)
    show(preview_table(found.times, zone, SystemClock().now()))
    warn(found.warnings)
    return Exit.OK


@schedules.command(epilog=EXIT_CODES_HELP, short_help="What became of the last 50 ticks.")
@click.argument("schedule_id", metavar="ID")
@output_option
def history(schedule_id: str, output: str) -> int:
    """Shows what became of the last 50 ticks, the newest first, and how late each was."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    with open_client(load_settings()) as client, telling(f"cannot show {schedule_id}"):
        runs = client.schedules.runs(schedule_id)
        zone = client.schedules.get(schedule_id).time_zone
    if output == "json":
        click.echo(json_text([message_dict(each) for each in runs]))
    elif not runs:
        click.echo(f"no tick of {schedule_id} has come yet")
    else:
        from portaria.cli.schedule_screens import runs_table
        from portaria.cli.screens import show

        show(runs_table(runs, zone))
    return Exit.OK


@schedules.command(epilog=EXIT_CODES_HELP, short_help="Let no tick fire from now on.")
@click.argument("schedule_id", metavar="ID")
@click.option("--reason", required=True, help="For those who wonder why nothing runs.")
@output_option
def pause(schedule_id: str, reason: str, output: str) -> int:
    """Lets no tick fire from now on; pausing again replaces the reason."""
    return _switch(schedule_id, output, "pause", reason)


@schedules.command(epilog=EXIT_CODES_HELP, short_help="Let ticks fire again.")
@click.argument("schedule_id", metavar="ID")
@output_option
def resume(schedule_id: str, output: str) -> int:
    """Lets ticks fire again; none of the pause is made up."""
    return _switch(schedule_id, output, "resume", "")


@schedules.command(epilog=EXIT_CODES_HELP, short_help="Run it once now.")
@click.argument("schedule_id", metavar="ID")
@click.option("--request-id", metavar="ID", help="Again under the same id it makes no second run.")
@click.option("--watch", "watching", is_flag=True, help="Follow the run to its end.")
@output_option
def trigger(schedule_id: str, request_id: str | None, watching: bool, output: str) -> int:
    """Runs a schedule once now, also a paused one; its plan stays as it is."""
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.following import bar_stream, exit_of_jobs, follow, print_end, whole
    from portaria.cli.json_text import json_text, message_dict
    from portaria.cli.submit import received
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    with open_client(settings) as client:
        handle = _triggered(client, schedule_id, request_id)
        if output == "text":
            click.echo(received(handle))
        if not watching:
            if output == "json" and handle.submitted is not None:
                answer = {
                    "job": message_dict(handle.submitted),
                    "deduplicated": handle.deduplicated,
                }
                click.echo(json_text(answer))
            return Exit.OK
        with telling(f"stopped watching {handle.id}"):
            follow(client, (handle.id,), timeout=None, out=bar_stream(json=output == "json"))
            job = whole(client, handle.wait())
    if output == "json":
        click.echo(json_text(message_dict(job)))
    else:
        print_end(job)
    return exit_of_jobs([job], 1)


@schedules.command(epilog=EXIT_CODES_HELP, short_help="Forget a schedule; its jobs stay.")
@click.argument("schedule_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
@output_option
def delete(schedule_id: str, yes: bool, output: str) -> int:
    """Forgets a schedule and its history; its jobs stay."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text
    from portaria.settings import load_settings

    if not yes:
        confirm(f"delete the schedule {schedule_id}?")
    with open_client(load_settings()) as client, telling(f"cannot delete {schedule_id}"):
        client.schedules.delete(schedule_id)
    click.echo(
        json_text({"deleted": schedule_id}) if output == "json" else f"{schedule_id} is gone"
    )
    return Exit.OK


def _switch(schedule_id: str, output: str, verb: str, reason: str) -> int:
    from portaria.cli.connecting import load_types_to_show, open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.cli.schedule_screens import next_words
    from portaria.core.clock import SystemClock
    from portaria.settings import load_settings

    settings = load_settings()
    load_types_to_show(settings)
    with open_client(settings) as client, telling(f"cannot {verb} {schedule_id}"):
        if verb == "pause":
            found = client.schedules.pause(schedule_id, reason)
        else:
            found = client.schedules.resume(schedule_id)
    if output == "json":
        click.echo(json_text(message_dict(found)))
    elif found.paused:
        click.echo(f"{schedule_id} is paused: {reason}")
    else:
        click.echo(f"{schedule_id} runs {found.in_words}")
        click.echo(f"  next {next_words(found, SystemClock().now()).plain}")
    return Exit.OK


def _triggered(client: Client, schedule_id: str, request_id: str | None) -> Handle[Any]:
    from portaria.cli.connecting import telling
    from portaria.client import RunOpen

    what = f"cannot run {schedule_id}"
    with telling(what):
        try:
            return client.schedules.trigger(schedule_id, request_id=request_id)
        except RunOpen as error:
            job_id = error.metadata.get("job_id", "")
            words = f"{what}: {error.message}, and one at a time is allowed\n  job {job_id}"
            raise Refused(words, Exit.INVALID) from None


def _when(*, cron: str | None, every: timedelta | None, time_zone: str) -> When:
    found: When = {}
    if cron is not None:
        found["cron"] = cron
    if every is not None:
        found["every"] = every
    if found or time_zone:
        found["time_zone"] = time_zone
    return found
