"""The handlers that make PDFs."""

from __future__ import annotations

import re
from datetime import date, datetime, timedelta
from typing import TypeAlias

from portaria.jobs import REPEAT, JobContext, job
from portaria.storage.documents import Documents, open_documents, safe_filename
from portaria_workers.documents.filling import Filled, fill
from portaria_workers.documents.locales import Locale, day_of, locale
from portaria_workers.documents.reports import DAILY, Day, Tally, Writer, day_in, zone_of
from portaria_workers.documents.storing import Draft, drafting, keep_of, stored
from portaria_workers.documents.typesetting import SUBSTITUTE, typeset
from portaria_workers.documents.v1.content_pb2 import Certificate, Contract, Invoice, Report
from portaria_workers.documents.v1.documents_pb2 import (
    GenerateDailyReports,
    GenerateDailyReportsResult,
    GenerateDocument,
    GenerateDocumentResult,
    GenerateReport,
    GenerateReportResult,
)

PDF = "application/pdf"
MOST_NAMED = 1_000
"""The jobs that a result of GenerateDailyReports names."""

Content: TypeAlias = Invoice | Contract | Certificate | Report


@job
def generate_document(order: GenerateDocument, ctx: JobContext) -> GenerateDocumentResult:
    """Fills a template and stores the PDF.

    Fails for good with DATE, TABLE_CELLS, TOO_MANY_CELLS, LONG_WORDS or TYPESETTING.
    """
    documents, language = open_documents(), locale(order.locale)
    kind = order.WhichOneof("content") or ""
    content: Content = getattr(order, kind)
    with drafting(
        documents,
        ctx,
        kind=kind,
        filename=_filename(order.filename, _default_name(content, kind, language)),
        content_type=PDF,
        owner=order.owner,
        keep=keep_of(order),
    ) as draft:
        _write(
            fill(content, language, title=order.title, made=draft.document.created.date()),
            draft,
            ctx,
        )
    ctx.progress(100, 100, "stored")
    return GenerateDocumentResult(
        document=stored(documents, draft.document), pages=draft.document.pages
    )


@job
def generate_report(order: GenerateReport, ctx: JobContext) -> GenerateReportResult:
    """Makes a report on what is stored for a user, and stores the PDF.

    Fails for good with DATE, TIME_ZONE or TYPESETTING.
    """
    documents, language = open_documents(), locale(order.locale)
    zone = zone_of(order.time_zone)
    today = date.fromisoformat(_fixed(ctx, "today", datetime.now(zone).date()))
    day = day_in(zone, day_of(order.day, "day") if order.day else today - timedelta(days=1))
    writer = Writer(language, zone, order.user_id, today)
    title = language.words["report_titles"][order.kind]
    shown = day.date if order.kind == "daily" else today
    with drafting(
        documents,
        ctx,
        kind=f"report.{order.kind}",
        filename=_filename("", f"{_slug(title)}-{shown}.pdf"),
        content_type=PDF,
        owner=order.user_id,
        keep=keep_of(order),
    ) as draft:
        report = _report(order, ctx, documents, writer, day)
        _write(fill(report, language, title=title, made=shown), draft, ctx)
    ctx.progress(100, 100, "stored")
    return GenerateReportResult(
        document=stored(documents, draft.document),
        user_id=order.user_id,
        pages=draft.document.pages,
    )


@job
def generate_daily_reports(
    order: GenerateDailyReports, ctx: JobContext
) -> GenerateDailyReportsResult:
    """Hands in the daily report of every user who had documents on a day, and everybody's.

    Reports of days before are no documents of the day. Fails for good with DATE or TIME_ZONE.
    """
    zone = zone_of(order.time_zone)
    yesterday = datetime.now(zone).date() - timedelta(days=1)
    # The first run decides which day it is: another may come after midnight.
    day = day_in(zone, day_of(order.day or _fixed(ctx, "day", yesterday), "day"))
    owners = open_documents().owners(
        namespace=ctx.namespace, since=day.begin, until=day.end, besides=DAILY
    )
    # Known by their content: a user more or less changes no other's job.
    children = ctx.submit_many(
        GenerateReport(
            user_id=owner, kind="daily", day=day.date.isoformat(), time_zone=order.time_zone
        )
        for owner in ("", *owners)
    )
    return GenerateDailyReportsResult(
        day=day.date.isoformat(),
        reports=len(children),
        job_ids=[child.job_id for child in children[:MOST_NAMED]],
    )


def _write(filled: Filled, draft: Draft, ctx: JobContext) -> None:
    ctx.progress(30, 100, "rendering")
    typed = typeset(filled.template, filled.data)
    draft.path.write_bytes(typed.pdf)
    draft.pages = typed.pages
    if typed.unshown:
        ctx.warn(f"no font has {typed.unshown} of the characters; {SUBSTITUTE} stands for them")
    ctx.progress(70, 100, "storing")


def _report(
    order: GenerateReport, ctx: JobContext, documents: Documents, writer: Writer, day: Day
) -> Report:
    owner, mine = order.user_id or None, ctx.effect_id("document")
    if order.kind == "daily":
        found = documents.find(namespace=ctx.namespace, owner=owner, since=day.begin, until=day.end)
        happened = (each for each in found if each.kind != DAILY)
        return writer.daily(Tally.of(happened, writer.zone), day.date)
    there = documents.find(namespace=ctx.namespace, owner=owner)
    tally = Tally.of((each for each in there if each.id != mine), writer.zone)
    return writer.documents(tally) if order.kind == "documents" else writer.storage(tally)


def _fixed(ctx: JobContext, name: str, day: date) -> str:
    """The day that the first run of the job found."""
    value = ctx.once(name, day.isoformat, on_unknown=REPEAT).value
    return value or day.isoformat()


def _default_name(content: Content, kind: str, language: Locale) -> str:
    """fatura-2026-117.pdf"""
    match content:
        case Invoice() | Contract():
            name = content.number
        case Certificate():
            name = content.code or content.holder
        case _:
            name = content.date
    return "-".join(filter(None, (_slug(language.words[kind]), _slug(name)))) + ".pdf"


def _filename(wanted: str, default: str) -> str:
    name = safe_filename(wanted, default)
    return name if name.lower().endswith(".pdf") else f"{name[:110]}.pdf"


def _slug(text: str) -> str:
    return re.sub(r"[^\w]+", "-", text.lower()).strip("-_")[:80]
