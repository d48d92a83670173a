"""Reports on what is stored, and those of every day."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta

import pytest
import time_machine

from portaria.jobs import PermanentError
from portaria.jobs.eager import EagerJob, EagerRun, run_eagerly
from portaria.storage.document import Document
from portaria.storage.documents import Documents
from portaria_workers.documents import reports
from portaria_workers.documents.handlers import (
    generate_daily_reports,
    generate_document,
    generate_report,
)
from portaria_workers.documents.v1.documents_pb2 import (
    GenerateDailyReports,
    GenerateDocument,
    GenerateReport,
)
from stack import papers
from stack.reading_pdf import ReadPdf

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
DAY = "2026-11-21"

Store = Callable[..., Document]


@pytest.fixture
def clock(documents: Documents) -> Iterator[time_machine.Coordinates]:
    """It is noon of a Saturday until a test says otherwise."""
    with time_machine.travel(NOON, tick=False) as traveller:
        yield traveller


def _read(documents: Documents, run: EagerRun) -> ReadPdf:
    document = documents.get(run.result.document.document_id, namespace="default")
    with documents.reading(document) as file:
        return ReadPdf(file.read())


def test_a_report_names_all_documents_of_its_user(
    documents: Documents, stored: Store, clock: time_machine.Coordinates
) -> None:
    """The newest first, what failed with its reason; nobody else's."""
    stored("a;b", "dados.csv", owner="u-1")
    clock.shift(60)
    run_eagerly(generate_document, GenerateDocument(invoice=papers.invoice(), owner="u-1"))
    clock.shift(60)
    bad = papers.certificate(date="2026-02-30")
    with pytest.raises(PermanentError):
        run_eagerly(generate_document, GenerateDocument(certificate=bad, owner="u-1"))
    stored("x", "alheio.csv", owner="u-2")

    order = GenerateReport(user_id="u-1", kind="documents", locale="pt-AO")
    run = run_eagerly(generate_report, order)

    text = _read(documents, run).text
    assert run.result.user_id == "u-1"
    assert run.result.document.filename == f"documentos-{DAY}.pdf"
    assert "3 Documentos 2 Concluídos 1 Falhados 0 Em processamento" in text
    assert "Falhou: data que não existe" in text
    assert text.index("certificado") < text.index("factura" if "factura" in text else "fatura")
    assert text.index("fatura-ft") < text.index("dados.csv")
    assert "21/11/2026 13:01" in text
    assert "alheio" not in text


def test_a_report_on_the_storage_sums_by_kind_and_month(
    documents: Documents, stored: Store, clock: time_machine.Coordinates
) -> None:
    """What is stored, not what is named."""
    stored("x" * 1500, "um.csv", owner="u-1")
    clock.move_to(NOON - timedelta(days=40))
    stored("x" * 500, "dois.csv", owner="u-1")
    clock.move_to(NOON)

    run = run_eagerly(generate_report, GenerateReport(user_id="u-1", kind="storage", locale="en"))

    text = _read(documents, run).text
    assert "2.0 kB" in text
    assert "Upload 2 2.0 kB" in text
    assert "November 2026 1 1.5 kB October 2026 1 500 B" in text
    assert "um.csv" not in text


def test_a_daily_report_is_of_its_day_there(
    documents: Documents, stored: Store, clock: time_machine.Coordinates
) -> None:
    """Days begin at midnight of the zone: 23:30 UTC is tomorrow in Luanda."""
    midnight = datetime(2026, 11, 20, 23, tzinfo=UTC)
    for name, moment in {
        "antes.csv": midnight - timedelta(seconds=1),
        "primeiro.csv": midnight,
        "ultimo.csv": midnight + timedelta(days=1, seconds=-1),
        "depois.csv": midnight + timedelta(days=1),
    }.items():
        clock.move_to(moment)
        stored("x", name, owner="u-1")

    run = run_eagerly(generate_report, GenerateReport(user_id="u-1", kind="daily", day=DAY))

    text = _read(documents, run).text
    assert [name for name in ("antes", "primeiro", "ultimo", "depois") if name in text] == [
        "primeiro",
        "ultimo",
    ]
    assert run.result.document.filename == f"relatório-diário-{DAY}.pdf"


def test_everybody_s_daily_report_says_whose_they_are(
    documents: Documents, stored: Store, clock: time_machine.Coordinates
) -> None:
    """Without a user, and of yesterday by default; reports of the day before do not count."""
    for owner in ("u-1", "u-1", "u-2", ""):
        stored("x", "dados.csv", owner=owner)
    run_eagerly(generate_report, GenerateReport(user_id="u-3", kind="daily", day="2026-11-20"))
    clock.shift(timedelta(days=1))

    run = run_eagerly(generate_report, GenerateReport(kind="daily"))

    text = _read(documents, run).text
    assert "Todos os usuários 21 de novembro de 2026 4 Documentos" in text
    assert "u-1 2 2 B" in text
    assert "u-2 1 1 B" in text
    assert "Sem usuário 1 1 B" in text
    assert "u-3" not in text


def test_everybody_s_daily_report_can_be_handed_on(
    documents: Documents, stored: Store, clock: time_machine.Coordinates
) -> None:
    """Names of files and users are whole, and why a document failed is said in words."""
    name = "relatorio-de-vendas-2026-11-21.csv"
    stored("x", name, owner="maria.conceicao@example.com")
    bad = papers.certificate(date="2026-02-30")
    with pytest.raises(PermanentError):
        run_eagerly(generate_document, GenerateDocument(certificate=bad, owner="u-2"))

    run = run_eagerly(generate_report, GenerateReport(kind="daily", day=DAY, locale="pt-AO"))

    read = _read(documents, run)
    assert name in read.pages[0]
    assert "maria.conceicao@example.com" in read.pages[0]
    assert "Falhou: data que não existe" in read.text
    assert "13:00" in read.text
    assert "DATE" not in read.text


def test_a_day_without_documents_is_said_to_be_one(
    documents: Documents, clock: time_machine.Coordinates
) -> None:
    """It is a report all the same."""
    run = run_eagerly(generate_report, GenerateReport(user_id="u-9", kind="daily", day=DAY))

    assert "Não há documentos neste período." in _read(documents, run).text


def test_a_long_list_is_cut_and_says_so(
    documents: Documents,
    stored: Store,
    clock: time_machine.Coordinates,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The newest are named; all of them are counted."""
    monkeypatch.setattr(reports, "MOST_ROWS", 2)
    for number in range(3):
        clock.shift(1)
        stored("x", f"dados-{number}.csv", owner="u-1")

    run = run_eagerly(generate_report, GenerateReport(user_id="u-1", kind="documents"))

    text = _read(documents, run).text
    assert "A tabela mostra os 2 mais recentes de 3." in text
    assert "3 Documentos" in text
    assert "dados-0.csv" not in text


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"day": "2026-02-30"}, "DATE"),
        ({"day": "9999-12-31"}, "DATE"),
        ({"day": "0001-01-01"}, "DATE"),
        ({"time_zone": "Mars/Phobos"}, "TIME_ZONE"),
        ({"time_zone": "../../etc/passwd"}, "TIME_ZONE"),
        ({"time_zone": "America"}, "TIME_ZONE"),
    ],
)
def test_days_and_zones_that_do_not_exist_fail_for_good(
    documents: Documents, fields: dict[str, str], reason: str
) -> None:
    """In both jobs that know of days."""
    for handler, order in (
        (generate_report, GenerateReport(kind="daily", **fields)),
        (generate_daily_reports, GenerateDailyReports(**fields)),
    ):
        with pytest.raises(PermanentError) as failure:
            run_eagerly(handler, order)
        assert failure.value.reason == reason


def test_every_user_of_the_day_gets_a_report(
    documents: Documents, stored: Store, clock: time_machine.Coordinates
) -> None:
    """And everybody; of yesterday by default. Who only had a report made gets none."""
    for owner in ("u-2", "u-1", "u-1", ""):
        stored("x", "dados.csv", owner=owner)
    run_eagerly(generate_report, GenerateReport(user_id="u-3", kind="daily", day="2026-11-20"))
    clock.shift(timedelta(days=1))

    run = run_eagerly(generate_daily_reports, GenerateDailyReports(time_zone="Africa/Luanda"))

    assert [each.payload for each in run.submitted] == [
        GenerateReport(user_id=owner, kind="daily", day=DAY, time_zone="Africa/Luanda")
        for owner in ("", "u-1", "u-2")
    ]
    assert (run.result.day, run.result.reports) == (DAY, 3)
    assert list(run.result.job_ids) == [each.child.job_id for each in run.submitted]


def test_a_repeated_run_hands_in_nothing_twice(
    documents: Documents, stored: Store, job: EagerJob, clock: time_machine.Coordinates
) -> None:
    """Also where it runs after midnight, and a user has gone or come meanwhile."""
    gone = stored("x", "dados.csv", owner="u-1")
    stored("x", "dados.csv", owner="u-2")
    clock.move_to(datetime(2026, 11, 22, 22, 59, tzinfo=UTC))
    first = run_eagerly(generate_daily_reports, GenerateDailyReports(), job=job)
    documents.delete(gone)
    clock.shift(timedelta(minutes=5))

    second = run_eagerly(generate_daily_reports, GenerateDailyReports(), job=job)

    assert first.result.day == second.result.day == DAY
    assert [each.payload.user_id for each in second.submitted] == ["", "u-2"]
    assert all(each.child.deduplicated for each in second.submitted)


def test_a_report_that_is_repeated_after_midnight_is_of_the_same_day(
    documents: Documents, job: EagerJob, clock: time_machine.Coordinates
) -> None:
    """The first run decides what today is."""
    order = GenerateReport(kind="daily")
    clock.move_to(datetime(2026, 11, 22, 22, 59, tzinfo=UTC))
    first = run_eagerly(generate_report, order, job=job)
    clock.shift(timedelta(minutes=5))

    second = run_eagerly(generate_report, order, job=job)

    assert first.result.document.filename == second.result.document.filename
    assert first.result.document.sha256 == second.result.document.sha256
    assert date.fromisoformat(DAY).strftime("%Y-%m-%d") in second.result.document.filename
