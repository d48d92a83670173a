"""portaria jobs cancel, retry, delete and update."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.operating import output_option
from portaria.cli.parameters import Duration, labels_of
from portaria.core.states import PRIORITIES, State

if TYPE_CHECKING:
    from portaria.client import Client, Retried
    from portaria.client.requests import PriorityName
    from portaria.client.selecting import Selection
    from portaria.settings import Settings

Function = TypeVar("Function", bound=Callable[..., object])

_STATES = [each.value for each in State]
_MOST_EXPLAINED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Selected:
    """What the command line said of the jobs."""

    job_ids: tuple[str, ...]
    types: tuple[str, ...]
    domains: tuple[str, ...]
    queues: tuple[str, ...]
    states: tuple[str, ...]
    labels: Mapping[str, str]
    workflow: str
    schedule: str
    older_than: timedelta | None
    newer_than: timedelta | None

    def selection(self, settings: "Settings") -> "Selection":
        """As the client takes it."""
        found: Selection = {
            "types": [full_type_name(each, settings) for each in self.types],
            "domains": self.domains,
            "queues": self.queues,
            "states": self.states,
            "labels": self.labels,
            "workflow_id": self.workflow,
            "schedule_id": self.schedule,
        }
        now = datetime.now(UTC)
        if self.older_than is not None:
            found["created_before"] = now - self.older_than
        if self.newer_than is not None:
            found["created_after"] = now - self.newer_than
        return found

    @property
    def is_empty(self) -> bool:
        """Whether neither ids nor anything else was said."""
        return not any(getattr(self, name) for name in self.__slots__)


def selection_options(command: Function) -> Function:
    """IDs, or what the jobs have in common."""
    return click.argument("job_ids", nargs=-1, metavar="[ID]...")(filter_options(command))


def filter_options(command: Function) -> Function:
    """What the jobs have in common."""
    for option in (
        click.option(
            "--newer-than", "--since", "newer_than", type=Duration(),
            help="Handed in since: 1h, 2d.",
        ),
        click.option("--older-than", type=Duration(), help="Handed in before: 1h, 2d."),
        click.option(
            "--state", "states", multiple=True, type=click.Choice(_STATES, case_sensitive=False),
            help="In one of these states.", metavar="STATE",
        ),
    ):  # fmt: skip
        command = option(command)
    return lasting_options(command)


def lasting_options(command: Function) -> Function:
    """What the jobs have in common for good."""
    for option in (
        click.option("--schedule", default="", metavar="ID", help="Of one schedule."),
        click.option("--workflow", default="", metavar="ID", help="Of one workflow or batch."),
        click.option(
            "--label", "labels", multiple=True, metavar="KEY=VALUE", callback=labels_of,
            help="With this label; several must all match.",
        ),
        click.option("--queue", "queues", multiple=True, metavar="NAME", help="E.g. mail:high."),
        click.option("--domain", "domains", multiple=True, metavar="NAME", help="E.g. mail."),
        click.option("--type", "types", multiple=True, metavar="TYPE", help="E.g. SendEmail."),
    ):  # fmt: skip
        command = option(command)
    return command


def yes_option(command: Function) -> Function:
    """--yes."""
    return click.option("--yes", is_flag=True, help="Do not ask.")(command)


@click.command(epilog=EXIT_CODES_HELP)
@selection_options
@click.option("--reason", default="", help="For those who wonder; the job shows it.")
@click.option("--force", is_flag=True, help="Kill what runs instead of asking its handler.")
@yes_option
@output_option
def cancel(reason: str, force: bool, yes: bool, output: str, **given: Any) -> int:
    """Ends jobs that wait, and asks those that run to end."""

    def deed(client: "Client", ids: Sequence[str], selection: "Selection") -> int:
        return client.cancel(*ids, reason=reason, force=force, **selection)

    return _count(Selected(**given), "cancel", "cancelled", deed, yes=yes, output=output)


@click.command(epilog=EXIT_CODES_HELP)
@selection_options
@yes_option
@output_option
def delete(yes: bool, output: str, **given: Any) -> int:
    """Forgets jobs that are done, before their time. There is no way back."""

    def deed(client: "Client", ids: Sequence[str], selection: "Selection") -> int:
        return client.delete(*ids, **selection)

    return _count(Selected(**given), "delete", "deleted", deed, yes=yes, output=output)


@click.command(epilog=EXIT_CODES_HELP)
@selection_options
@click.option("--priority", type=click.Choice(PRIORITIES), help="Default: as it was.")
@click.option(
    "--request-id", metavar="ID", help="Again under the same id makes no second copy of a job."
)
@yes_option
@output_option
def retry(
    priority: "PriorityName | None", request_id: str | None, yes: bool, output: str, **given: Any
) -> int:
    """Hands in jobs that are done again, as new ones, each once.

    Without IDs, jobs that succeeded are passed over unless --state names them.
    """
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text
    from portaria.settings import load_settings

    said, settings = Selected(**given), load_settings()
    _confirm(said, "retry", yes=yes)
    with open_client(settings) as client, telling("cannot retry"):
        results = client.retry(
            *said.job_ids, priority=priority, request_id=request_id, **said.selection(settings)
        )
    if output == "json":
        click.echo(json_text([_retried_dict(each) for each in results]))
    else:
        for each in results:
            if each.error is None:
                click.echo(f"{each.job_id} is handed in again as {each.new_job_id}")
            else:
                click.echo(f"cannot retry {each.job_id}: {each.error.message}", err=True)
        if not results:
            click.echo("no job to retry")
    return Exit.INVALID if any(each.error for each in results) else Exit.OK


@click.command(
    epilog=EXIT_CODES_HELP,
    short_help="Moves a job that waits to another priority or moment.",
)
@click.argument("job_id", metavar="ID")
@click.option("--priority", type=click.Choice(PRIORITIES), help="Move it there.")
@click.option("--delay", type=Duration(), help="Start that long from now: 0s, 10m.")
@click.option("--at", type=click.DateTime(("%Y-%m-%dT%H:%M:%S%z",)), help="Start at this moment.")
@output_option
def update(
    job_id: str,
    priority: "PriorityName | None",
    delay: timedelta | None,
    at: datetime | None,
    output: str,
) -> int:
    """Moves a job that waits to another priority, another moment, or both."""
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text, message_dict
    from portaria.settings import load_settings

    if delay is not None and at is not None:
        raise click.UsageError("--delay excludes --at")
    run_time = at if delay is None else datetime.now(UTC) + delay
    with open_client(load_settings()) as client, telling(f"cannot update {job_id}"):
        job = client.update(job_id, priority=priority, run_time=run_time)
    if output == "json":
        click.echo(json_text(message_dict(job)))
    else:
        from portaria.cli.detail import print_job

        print_job(job)
    return Exit.OK


def _count(
    said: Selected,
    verb: str,
    done: str,
    deed: "Callable[[Client, Sequence[str], Selection], int]",
    *,
    yes: bool,
    output: str,
) -> int:
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text
    from portaria.settings import load_settings

    settings = load_settings()
    _confirm(said, verb, yes=yes)
    with open_client(settings) as client, telling(f"cannot {verb}"):
        count = deed(client, said.job_ids, said.selection(settings))
        others = set(said.job_ids) if count < len(set(said.job_ids)) else set()
        missing = _missing(client, sorted(others)[:_MOST_EXPLAINED]) if verb == "cancel" else []
    if output == "json":
        click.echo(json_text({done: count}))
    else:
        of = f" of {len(set(said.job_ids))}" if others else ""
        click.echo(f"{count:,}{of} {'job' if count == 1 and not of else 'jobs'} {done}")
    for line in missing:
        click.echo(line, err=True)
    return Exit.INVALID if missing else Exit.OK


def _missing(client: "Client", job_ids: Sequence[str]) -> list[str]:
    """Of ids that may have been mistyped."""
    from portaria.core.errors import NotFound

    found = client.get_many(job_ids)
    return [f"{each}: {NotFound().message}" for each in job_ids if each.lower() not in found]


def _confirm(said: Selected, verb: str, *, yes: bool) -> None:
    if said.is_empty:
        raise click.UsageError("name jobs: by ID, or by --type, --state, --label and so on")
    if not yes and not said.job_ids:
        click.confirm(f"{verb} every job that these options select?", abort=True, err=True)


def _retried_dict(each: "Retried") -> dict[str, str]:
    row = {"job_id": each.job_id}
    if each.error is None:
        return {**row, "new_job_id": each.new_job_id}
    return {**row, "reason": each.error.reason, "message": each.error.message}


def full_type_name(name: str, settings: "Settings") -> str:
    """Of a type that is known here; a full name of any other stands for itself."""
    from portaria.cli.connecting import job_types
    from portaria.cli.exits import Refused

    try:
        return job_types(settings).find(name).name
    except LookupError as error:
        if name.count(".") > 1:
            return name
        raise Refused(str(error.args[0]), Exit.INVALID) from None
