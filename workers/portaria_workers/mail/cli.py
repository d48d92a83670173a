"""`portaria mail`: looks at the mails without sending any."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from portaria.jobs import PermanentError
from portaria_workers.mail.preview import write_preview
from portaria_workers.mail.sources import DEFAULT_LOCALE, FALLBACK, template_names
from portaria_workers.mail.template import load_template


@click.group(no_args_is_help=True)
def mail() -> None:
    """The mails that there are, and how they look."""


@mail.command("list")
def list_mails() -> None:
    """Lists the mails, and the variables of each.

    Those in brackets may be left out.
    """
    for name in template_names():
        template = load_template(name)
        optional = [f"[{each}]" for each in sorted(template.optional())]
        click.echo(f"{name:16}{' '.join([*sorted(template.required()), *optional])}")


class _Variables(click.ParamType[dict[str, Any]]):
    name = "json"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> dict[str, Any]:
        try:
            found = json.loads(value)
        except ValueError as error:
            self.fail(f"is no JSON: {error}", param, ctx)
        if not isinstance(found, dict):
            self.fail('is no JSON object, e.g. {"name": "Ana"}', param, ctx)
        return found


@mail.command()
@click.argument("name")
@click.option(
    "--locale", default=DEFAULT_LOCALE, show_default=True, type=click.Choice([*FALLBACK]),
    help="In which language.",
)  # fmt: skip
@click.option(
    "--out", default=".", show_default=True, type=click.Path(file_okay=False, path_type=Path),
    help="Where the files go.",
)  # fmt: skip
@click.option(
    "--variables", type=_Variables(), help='Over those of the sample, e.g. \'{"name": "Zé"}\'.'
)
def preview(name: str, locale: str, out: Path, variables: dict[str, Any] | None) -> None:
    """Writes a mail to files, filled with samples.

    They are NAME.LOCALE.html, .txt and .eml; sender and links are those of the settings.
    """
    try:
        written = write_preview(name, locale, out, variables)
    except PermanentError as error:
        hint = f"; there are {', '.join(template_names())}"
        text = str(error) + (hint if error.reason == "TEMPLATE_UNKNOWN" else "")
        raise click.UsageError(text) from None
    for path in written:
        click.echo(path)
