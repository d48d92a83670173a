"""portaria jobs cancel, retry, delete and update."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.operating import confirm, output_option
from portaria.cli.parameters import Duration, labels_of
from portaria.core.states import PRIORITIES, TERMINAL, State

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

    def selection(self, settings: "Settings", client: "Client") -> "Selection":
        """As the client takes it, which is asked for types that are not known here."""
        from portaria.cli.connecting import full_type_name

        found: Selection = {
            "types": [full_type_name(each, settings, client) for each in self.types],
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

    verb = Verb("cancel", "cancelled", "being killed" if force else "asked to end", force=force)
    return _count(Selected(**given), verb, deed, yes=yes, output=output)


@click.command(epilog=EXIT_CODES_HELP)
@selection_options
@yes_option
@output_option
def delete(yes: bool, output: str, **given: Any) -> int:
    """Forgets jobs that are done, before their time. There is no way back."""

    def deed(client: "Client", ids: Sequence[str], selection: "Selection") -> int:
        return client.delete(*ids, **selection)

    return _count(Selected(**given), Verb("delete", "deleted"), deed, yes=yes, output=output)


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
            *said.job_ids,
            priority=priority,
            request_id=request_id,
            **said.selection(settings, client),
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


@dataclass(frozen=True, slots=True)
class Verb:
    """What is done to jobs, in words."""

    name: str
    done: str
    begun: str = ""
    """Of jobs that run, where it is not done at once."""
    force: bool = False

    def sum(self, count: int, before: Mapping[str, str], after: Mapping[str, str]) -> str:
        """To how many of the jobs that were named it was done; `count` is the door's word."""
        asking = [each for each in before if before[each] == State.CANCELLING]
        asked = [each for each in after if after[each] == State.CANCELLING and each not in asking]
        begun = len(asked) + len(asking) * self.force
        kinds = [(max(0, count - len(asked)), self.done), (begun, self.begun)]
        (first, word), *others = [each for each in kinds if each[0]] or kinds[:1]
        of = f" of {len(before)}" if first + sum(each for each, _ in others) < len(before) else ""
        jobs = "job" if first == 1 and not of else "jobs"
        return ", ".join([f"{first:,}{of} {jobs} {word}", *(f"{n:,} {what}" for n, what in others)])

    def why_not(self, state: str) -> str:
        """Of a named job that was in this state; empty where it was done to it."""
        if self.name == "delete":
            return "" if state in TERMINAL else f"is {state}: only what is done is deleted"
        if state == State.CANCELLING and not self.force:
            return "was asked to end before; --force kills it"
        return f"is {state}" if state in TERMINAL else ""


def _count(
    said: Selected,
    verb: Verb,
    deed: "Callable[[Client, Sequence[str], Selection], int]",
    *,
    yes: bool,
    output: str,
) -> int:
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.json_text import json_text
    from portaria.core.errors import NotFound
    from portaria.settings import load_settings

    settings = load_settings()
    _confirm(said, verb.name, yes=yes)
    named = list(dict.fromkeys(each.lower() for each in said.job_ids))
    with open_client(settings) as client, telling(f"cannot {verb.name}"):
        before = dict.fromkeys(named, "") | _states(client, named)
        count = deed(client, said.job_ids, said.selection(settings, client))
        after = _states(client, named) if verb.begun else {}
    if output == "json":
        click.echo(json_text({verb.done: count}))
    elif named:
        click.echo(verb.sum(count, before, after))
    else:
        or_begun = f" or {verb.begun}" if verb.begun else ""
        click.echo(f"{count:,} {'job' if count == 1 else 'jobs'} {verb.done}{or_begun}")
    whys = [
        (each, verb.why_not(state) if state else NotFound().message)
        for each, state in before.items()
    ]
    for each, why in [each for each in whys if each[1]][:_MOST_EXPLAINED]:
        click.echo(f"{each}: {why}", err=True)
    return Exit.OK if all(before.values()) else Exit.INVALID


def _states(client: "Client", job_ids: Sequence[str]) -> dict[str, str]:
    """Of those that are there."""
    from portaria.client.states import state_name

    found = client.get_many(job_ids) if job_ids else {}
    return {job_id: state_name(job.state) for job_id, job in found.items()}


def _confirm(said: Selected, verb: str, *, yes: bool) -> None:
    if said.is_empty:
        raise click.UsageError("name jobs: by ID, or by --type, --state, --label and so on")
    if not yes and not said.job_ids:
        confirm(f"{verb} every job that these options select?")


def _retried_dict(each: "Retried") -> dict[str, str]:
    row = {"job_id": each.job_id}
    if each.error is None:
        return {**row, "new_job_id": each.new_job_id}
    return {**row, "reason": each.error.reason, "message": each.error.message}
