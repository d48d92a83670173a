"""portaria submit."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TextIO

import click

from portaria.cli.exits import EXIT_CODES_HELP, Exit
from portaria.cli.parameters import Duration, labels_of
from portaria.core.states import PRIORITIES

if TYPE_CHECKING:
    from google.protobuf.message import Message

    from portaria.client import Client, Handle
    from portaria.client.requests import PriorityName
    from portaria.core.job_type import JobType
    from portaria.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """What the command line said."""

    job_type: str
    text: str | None
    file: TextIO | None
    priority: "PriorityName | None"
    delay: timedelta | None
    labels: Mapping[str, str]
    request_id: str | None
    watching: bool
    waiting: bool
    timeout: timedelta | None
    output: str
    lines: bool

    @property
    def as_json(self) -> bool:
        """Whether stdout holds nothing but JSON."""
        return self.output == "json"


@click.command(epilog=EXIT_CODES_HELP)
@click.argument("job_type", metavar="TYPE")
@click.option("--json", "text", metavar="JSON", help="The payload; without it --file, else stdin.")
@click.option("--file", type=click.File(encoding="utf-8"), help="The payload's file; - is stdin.")
@click.option("--lines", is_flag=True, help="One job for each line of JSON, handed in together.")
@click.option("--priority", type=click.Choice(PRIORITIES), help="Default: the job type's own.")
@click.option("--delay", type=Duration(), help="Start no sooner than this: 10s, 1h30m.")
@click.option(
    "--label",
    "labels",
    multiple=True,
    metavar="KEY=VALUE",
    callback=labels_of,
    help="What to find the job by; may be repeated.",
)
@click.option(
    "--request-id",
    metavar="ID",
    help="Submitting again under the same id makes no second job. Default: a new one.",
)
@click.option("--watch", "watching", is_flag=True, help="Follow the job to its end.")
@click.option("--wait", "waiting", is_flag=True, help="Wait for the end and show only that.")
@click.option("--timeout", type=Duration(), help="Stop watching after this; the job goes on.")
@click.option("--output", type=click.Choice(["text", "json"]), default="text", show_default=True)
def submit(**given: Any) -> int:
    """Hands in a job of TYPE: SendEmail, mail.SendEmail or the full name.

    A type without fields needs no payload.

    \b
    portaria submit SendEmail --watch \\
      --json '{"to": "ana@example.com", "template": "welcome"}'
    portaria submit SendEmail --lines --file mails.jsonl
    """
    return _submit(Submission(**given))


def _submit(said: Submission) -> int:
    from portaria.cli.connecting import open_client, payload_type, telling
    from portaria.cli.payload import message_from_json
    from portaria.settings import load_settings

    settings = load_settings()
    job_type = payload_type(said.job_type, settings)
    what = f"cannot submit {job_type.short_name}"
    if said.lines:
        return _submit_lines(settings, job_type, said, what)
    text = payload_text(said.text, said.file, job_type)
    with telling(what):
        payload = message_from_json(job_type.message, text)
    with open_client(settings) as client:
        with telling(what, payload):
            handle = _send(client, payload, said)
        return _follow(client, handle, said)


def _submit_lines(settings: "Settings", job_type: "JobType", said: Submission, what: str) -> int:
    from portaria.cli.connecting import open_client, telling
    from portaria.cli.lines import Lines, options_of

    if said.text is not None or said.watching or said.waiting:
        raise click.UsageError("--lines excludes --json, --watch and --wait")
    if said.file is None and not _is_piped():
        raise click.UsageError("no lines: give --file, or pipe them in")
    with telling(what):
        options = options_of(job_type.message(), priority=said.priority, delay=said.delay)
    lines = Lines(
        source=said.file or sys.stdin,
        kind=job_type.message,
        options=options,
        as_json=said.as_json,
    )
    with open_client(settings) as client:
        return lines.submit(client, labels=dict(said.labels), request_id=said.request_id, what=what)


def payload_text(text: str | None, file: TextIO | None, job_type: "JobType") -> str:
    """The JSON of a payload, wherever it comes from."""
    if text is not None and file is not None:
        raise click.UsageError("--json excludes --file")
    if text is not None:
        return text
    # Where there are fields, a file that was forgotten must not become a job, valid or not.
    needs_none = not job_type.message.DESCRIPTOR.fields
    if file is None and not _is_piped():
        if needs_none:
            return "{}"
        raise click.UsageError("no payload: give --json, --file, or pipe it in")
    source = file or sys.stdin
    try:
        piped = source.read()
    except UnicodeDecodeError:
        raise click.UsageError(f"{source.name}: not UTF-8") from None
    return "{}" if needs_none and not piped.strip() else piped


def _is_piped() -> bool:
    """Whether stdin may hold something: it is there, and no terminal."""
    return sys.stdin is not None and not sys.stdin.isatty()


def _send(client: "Client", payload: "Message", said: Submission) -> "Handle[Message]":
    return client.submit(
        payload,
        priority=said.priority,
        delay=said.delay,
        labels=said.labels,
        request_id=said.request_id,
    )


def _follow(client: "Client", handle: "Handle[Message]", said: Submission) -> int:
    from portaria.cli.connecting import telling
    from portaria.cli.following import bar_stream, exit_of_jobs, follow, print_end, whole
    from portaria.cli.json_text import json_text, message_dict

    if not said.as_json:
        click.echo(received(handle))
    if not (said.watching or said.waiting):
        if said.as_json and handle.submitted is not None:
            answer = {"job": message_dict(handle.submitted), "deduplicated": handle.deduplicated}
            click.echo(json_text(answer))
        return Exit.OK
    with telling(f"stopped watching {handle.id}"):
        if said.watching:
            out = bar_stream(json=said.as_json)
            follow(client, (handle.id,), timeout=said.timeout, out=out)
        job = whole(client, handle.wait(said.timeout))
    if said.as_json:
        click.echo(json_text(message_dict(job)))
    else:
        print_end(job)
    return exit_of_jobs([job], 1)


def received(handle: "Handle[Message]") -> str:
    """One line of what was handed in."""
    job = handle.submitted
    name = f"{job.domain}.{job.type.rpartition('.')[2]}" if job else "job"
    where = f" in {job.queue}" if job and job.queue else ""
    again = " (this request id was submitted before)" if handle.deduplicated else ""
    return f"{name} {handle.id}{where}{again}"
