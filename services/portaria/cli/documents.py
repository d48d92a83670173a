"""portaria documents: the files that jobs make and read, straight from storage and registry."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from portaria.cli.database import told
from portaria.cli.exits import Exit, Refused
from portaria.cli.operating import confirm, output_option
from portaria.cli.parameters import Duration

if TYPE_CHECKING:
    from portaria.settings import Settings
    from portaria.storage.document import Document
    from portaria.storage.documents import Documents

_EXITS = """\b
Exit codes:
  0  done
  2  wrong usage or settings, or no such document
  3  the database or the storage cannot be reached"""


@click.group(no_args_is_help=True)
def documents() -> None:
    """Files that jobs make and read: put, list, fetch, link, delete.

    Of the namespace PORTARIA_NAMESPACE, in PORTARIA_STORAGE_URL and PORTARIA_DATABASE_URL.
    """


@documents.command(epilog=_EXITS, short_help="Stores a file for jobs to read.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--name", default="", help="Default: the file's.")
@click.option("--type", "content_type", default="", metavar="TYPE/SUBTYPE", help="As it says.")
@click.option("--owner", default="", metavar="USER", help="The user whose it is.")
@click.option("--kind", default="upload", show_default=True, help="What it is.")
@click.option("--keep", type=Duration(), help="Delete it after, e.g. 30d. Default: never.")
@output_option
def put(
    file: Path,
    name: str,
    content_type: str,
    owner: str,
    kind: str,
    keep: timedelta | None,
    output: str,
) -> int:
    """Stores FILE; its id, which payloads name it by, is printed alone on stdout."""
    with _opened("cannot store the file") as (store, settings):
        try:
            document = store.put(
                file,
                namespace=settings.namespace,
                filename=name,
                content_type=content_type,
                owner=owner,
                kind=kind,
                keep=keep,
            )
        except OSError as error:
            words = f"cannot read {click.format_filename(file)}: {error.strerror}"
            raise Refused(words, Exit.INVALID) from None
    click.echo(_json(document, indent=2) if output == "json" else document.id)
    return Exit.OK


@documents.command("list", epilog=_EXITS, short_help="Documents, the newest first.")
@click.option("--owner", metavar="USER", help="Only this user's.")
@click.option(
    "--status",
    type=click.Choice(["PROCESSING", "COMPLETED", "FAILED"], case_sensitive=False),
    help="Only these.",
)
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="At most so many."
)
@output_option
def list_documents(owner: str | None, status: str | None, limit: int, output: str) -> int:
    """Shows documents. As JSON, one object a line."""
    from portaria.core.clock import SystemClock
    from portaria.storage.document import Status

    with _opened("cannot list documents") as (store, settings):
        wanted = Status(status) if status else None
        matching = store.find(namespace=settings.namespace, owner=owner, status=wanted)
        found = list(islice(matching, limit))
        has_more = next(matching, None) is not None
    if output == "json":
        for each in found:
            click.echo(_json(each))
        return Exit.OK
    if not found:
        click.echo("no such document" if owner or status else "no document")
        return Exit.OK
    from portaria.cli.screens import show
    from portaria.cli.storage_screens import documents_table

    show(documents_table(found, SystemClock().now()))
    if has_more:
        click.echo(f"and more: --limit shows more than {limit}", err=True)
    return Exit.OK


@documents.command("show", epilog=_EXITS, short_help="All about one document.")
@click.argument("document_id", metavar="ID")
@output_option
def show_document(document_id: str, output: str) -> int:
    """Shows one document."""
    from portaria.cli.storage_screens import document_lines

    with _opened("cannot show the document") as (store, settings):
        document = store.get(document_id, namespace=settings.namespace)
    if output == "json":
        click.echo(_json(document, indent=2))
    else:
        click.echo("\n".join(document_lines(document)))
    return Exit.OK


@documents.command(epilog=_EXITS, short_help="Writes a document to a file.")
@click.argument("document_id", metavar="ID")
@click.option(
    "--out",
    "-o",
    type=click.Path(path_type=Path),
    help="A file, a directory, or - for stdout. Default: its own name, here.",
)
@click.option("--force", "-f", is_flag=True, help="Also over a file that is there.")
def get(document_id: str, out: Path | None, force: bool) -> int:
    """Writes a document to a file, and says which on stdout."""
    with _opened("cannot fetch the document") as (store, settings):
        document = store.get(document_id, namespace=settings.namespace)
        with store.reading(document) as content:
            if str(out) == "-":
                shutil.copyfileobj(content, sys.stdout.buffer)
                return Exit.OK
            target = out or Path(document.filename)
            target = target / document.filename if target.is_dir() else target
            try:
                with open(target, "wb" if force else "xb") as file:
                    shutil.copyfileobj(content, file)
            except FileExistsError:
                words = f"{click.format_filename(target)} is there: --force writes over it"
                raise Refused(words, Exit.INVALID) from None
            except OSError as error:
                words = f"cannot write {click.format_filename(target)}: {error.strerror}"
                raise Refused(words, Exit.INVALID) from None
    click.echo(click.format_filename(target))
    return Exit.OK


@documents.command(epilog=_EXITS, short_help="A URL that fetches a document.")
@click.argument("document_id", metavar="ID")
@click.option(
    "--for", "good_for", type=Duration(), help="How long, to 7d. Default: PORTARIA_LINK_SECONDS."
)
def link(document_id: str, good_for: timedelta | None) -> int:
    """Prints a URL from which anybody who has it may fetch the document."""
    if good_for is not None and not timedelta(seconds=1) <= good_for <= timedelta(days=7):
        raise click.BadParameter("expected 1s to 7d", param_hint="--for")
    with _opened("cannot make a link") as (store, settings):
        document = store.get(document_id, namespace=settings.namespace)
        click.echo(store.link(document, good_for))
        lasts = store.link_lasts(document, good_for)
    if good_for is not None and lasts < good_for:
        from portaria.cli.wording import length

        click.echo(f"it works for {length(lasts)} only", err=True)
    return Exit.OK


@documents.command(epilog=_EXITS, short_help="Deletes a document. There is no way back.")
@click.argument("document_id", metavar="ID")
@click.option("--yes", is_flag=True, help="Do not ask.")
def delete(document_id: str, yes: bool) -> int:
    """Deletes a document and its content. There is no way back."""
    with _opened("cannot delete the document") as (store, settings):
        document = store.get(document_id, namespace=settings.namespace)
        if not yes:
            confirm(f"delete {document.filename}? there is no way back")
        store.delete(document)
    click.echo(f"deleted {document.filename}")
    return Exit.OK


@contextmanager
def _opened(what: str) -> Iterator[tuple[Documents, Settings]]:
    from portaria.settings import load_settings
    from portaria.storage.documents import open_documents

    settings = load_settings()
    with told(what):
        yield open_documents(settings), settings


def _json(document: Document, indent: int | None = None) -> str:
    """Without the key: where the bytes lie is the server's business."""
    found: dict[str, Any] = asdict(document)
    del found["key"]
    return json.dumps(found, ensure_ascii=False, indent=indent, default=datetime.isoformat)
