"""Reports on the registry of documents, as the template `report` takes them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

from portaria.jobs import PermanentError
from portaria.storage.document import Document, Status
from portaria_workers.documents.locales import Locale
from portaria_workers.documents.text import short
from portaria_workers.documents.v1.content_pb2 import Report

DEFAULT_ZONE = "Africa/Luanda"
DAILY = "report.daily"
"""The kind of daily reports; they are not counted among what happened on a day."""
MOST_ROWS = 1_000
"""The documents that a report names, the newest; it counts all of them."""
_MOST_OWNERS = 500
_LONGEST = 50
"""Letters of a name that are shown: more of the longest would fit into no report."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day as a zone has it."""

    date: date
    begin: datetime
    end: datetime
    """The first moment that is not of the day; both in UTC."""


def zone_of(name: str) -> ZoneInfo:
    """By default Africa/Luanda. Raises PermanentError TIME_ZONE for one that there is not."""
    try:
        return ZoneInfo(name or DEFAULT_ZONE)
    except (LookupError, ValueError, OSError):
        raise PermanentError("TIME_ZONE", "time_zone: there is no such zone") from None


def day_in(zone: ZoneInfo, day: date) -> Day:
    """Raises PermanentError DATE at the ends of the calendar."""
    try:
        begin, end = (
            datetime(each.year, each.month, each.day, tzinfo=zone).astimezone(UTC)
            for each in (day, day + timedelta(days=1))
        )
    except OverflowError:
        raise PermanentError("DATE", "day: is beyond the calendar") from None
    return Day(day, begin, end)


@dataclass(slots=True)
class _Sum:
    count: int = 0
    size: int = 0

    def add(self, document: Document) -> None:
        self.count += 1
        self.size += document.size


@dataclass(slots=True)
class Tally:
    """What there is, counted in one pass; of single documents it keeps the newest only."""

    all: _Sum = field(default_factory=_Sum)
    pages: int = 0
    states: dict[Status, _Sum] = field(default_factory=dict)
    kinds: dict[str, _Sum] = field(default_factory=dict)
    months: dict[date, _Sum] = field(default_factory=dict)
    owners: dict[str, _Sum] = field(default_factory=dict)
    newest: list[Document] = field(default_factory=list)

    @classmethod
    def of(cls, documents: Iterable[Document], zone: tzinfo) -> Tally:
        """Reads them while they are taken."""
        tally = cls()
        for each in documents:
            tally.all.add(each)
            tally.pages += each.pages
            tally.states.setdefault(each.status, _Sum()).add(each)
            tally.kinds.setdefault(each.kind, _Sum()).add(each)
            month = each.created.astimezone(zone).date().replace(day=1)
            tally.months.setdefault(month, _Sum()).add(each)
            tally.owners.setdefault(each.owner, _Sum()).add(each)
            if len(tally.newest) < MOST_ROWS:
                tally.newest.append(each)
        return tally


@dataclass(frozen=True, slots=True)
class Writer:
    """Writes reports in a language and a zone."""

    locale: Locale
    zone: tzinfo
    owner: str
    """Whose report it is; empty: everybody's."""
    today: date

    def documents(self, tally: Tally) -> Report:
        """All that there is, by name."""
        report = self._begun(self.today, self._metrics(tally))
        self._add_listing(report, tally, "created")
        return report

    def daily(self, tally: Tally, day: date) -> Report:
        """What happened on a day."""
        report = self._begun(day, self._metrics(tally))
        if not self.owner and tally.owners:
            self._add_sums(report, "by_owner", "owner", self._owners(tally))
        self._add_listing(report, tally, "time")
        return report

    def storage(self, tally: Tally) -> Report:
        """How much there is, by kind and by month."""
        report = self._begun(self.today, self._metrics(tally))
        if not tally.all.count:
            report.sections.add(text=self.locale.words["nothing"])
            return report
        kinds = [(self._kind(kind), total) for kind, total in sorted(tally.kinds.items())]
        newest = sorted(tally.months.items(), reverse=True)
        months = [(self.locale.month(month), total) for month, total in newest]
        self._add_sums(report, "by_kind", "kind", kinds)
        self._add_sums(report, "by_month", "month", months)
        return report

    def _begun(self, day: date, metrics: Iterable[tuple[str, str]]) -> Report:
        report = Report(subtitle=self._whose(), date=day.isoformat())
        for label, value in metrics:
            report.metrics.add(label=self.locale.words[label], value=value)
        return report

    def _whose(self) -> str:
        return self.owner or str(self.locale.words["everybody"])

    def _metrics(self, tally: Tally) -> Iterator[tuple[str, str]]:
        number = self.locale.number
        yield "documents", number(tally.all.count)
        for status, label in (
            (Status.COMPLETED, "completed_documents"),
            (Status.FAILED, "failed_documents"),
            (Status.PROCESSING, "processing_documents"),
        ):
            yield label, number(tally.states.get(status, _Sum()).count)
        yield "pages", number(tally.pages)
        yield "stored", self.locale.size(tally.all.size)

    def _owners(self, tally: Tally) -> list[tuple[str, _Sum]]:
        """The busiest first."""
        busiest = sorted(tally.owners.items(), key=lambda each: (-each[1].count, each[0]))
        nobody = self.locale.words["nobody"]
        return [(owner or nobody, total) for owner, total in busiest[:_MOST_OWNERS]]

    def _add_sums(
        self, report: Report, heading: str, by: str, sums: Sequence[tuple[str, _Sum]]
    ) -> None:
        words = self.locale.words
        table = report.sections.add(heading=words[heading]).table
        table.columns.add(title=words[by])
        table.columns.add(title=words["documents"], numeric=True)
        table.columns.add(title=words["size"], numeric=True)
        for name, total in sums:
            cells = (
                short(name, _LONGEST),
                self.locale.number(total.count),
                self.locale.size(total.size),
            )
            table.rows.add(cells=cells)

    def _add_listing(self, report: Report, tally: Tally, when: str) -> None:
        words, number = self.locale.words, self.locale.number
        section = report.sections.add(heading=words["documents"])
        if not tally.newest:
            section.text = words["nothing"]
            return
        shown, count = len(tally.newest), tally.all.count
        if shown < count:
            section.text = words["newest_only"].format(shown=number(shown), count=number(count))
        columns = self._columns(when)
        for title, _ in columns:
            section.table.columns.add(title=words[title], numeric=title in ("size", "pages"))
        for each in tally.newest:
            section.table.rows.add(cells=[short(cell(each), _LONGEST) for _, cell in columns])

    def _columns(self, when: str) -> list[tuple[str, Callable[[Document], str]]]:
        states, number = self.locale.words["states"], self.locale.number
        columns: list[tuple[str, Callable[[Document], str]]] = [
            ("file", lambda each: each.filename),
            ("kind", lambda each: self._kind(each.kind)),
            (when, lambda each: self._moment(each.created, when)),
            ("status", lambda each: states[each.status.value] + self._because(each)),
            ("pages", lambda each: number(each.pages) if each.pages else ""),
            ("size", lambda each: self.locale.size(each.size) if each.key else ""),
        ]
        if not self.owner:
            columns.insert(1, ("owner", lambda each: each.owner))
        return columns

    def _moment(self, moment: datetime, when: str) -> str:
        """The day is said only where it is not that of the whole report."""
        local = moment.astimezone(self.zone)
        if when == "time":
            return f"{local:%H:%M}"
        return f"{self.locale.day(local.date())}\N{NO-BREAK SPACE}{local:%H:%M}"

    def _kind(self, kind: str) -> str:
        return str(self.locale.words["kinds"].get(kind, kind))

    def _because(self, document: Document) -> str:
        """In words for the reader; the code stays in the registry."""
        if not document.reason:
            return ""
        words = self.locale.words
        return f": {words['reasons'].get(document.reason, words['other_reason'])}"
