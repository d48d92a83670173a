"""SendBulkEmail over a stored list: a stream, all or nothing in its form, reported whole."""

from __future__ import annotations

import csv
import io
import re
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from portaria.database import open_database
from portaria.database.upgrading import upgrade
from portaria.jobs import JobContext, PermanentError
from portaria.jobs.eager import EagerJob
from portaria.storage.documents import Documents, open_documents
from portaria_workers.mail.audience import Audience
from portaria_workers.mail.bulk import send_bulk_email
from portaria_workers.mail.outbox import Outbox
from portaria_workers.mail.stored_list import MOST_ROWS, rows_of
from portaria_workers.mail.tally import MOST_NAMED
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendBulkEmailResult

from .conftest import RunningSandbox

# Each cell and each line is short; the row is not.
MANY_LINES = "address,name\na@b.example,Ana" + ',"x\ny"' * 300_000 + "\n"


@pytest.fixture
def documents(sandbox: RunningSandbox) -> Iterator[Documents]:
    """An empty storage and its tables, besides a sandbox."""
    engine = open_database()
    upgrade(engine, ["portaria_workers"])
    yield open_documents()
    engine.dispose()


def stored(documents: Documents, tmp_path: Path, text: str | bytes) -> SendBulkEmail:
    """A job for a list."""
    path = tmp_path / "list.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    document = documents.put(path, namespace="default")
    return SendBulkEmail(template="welcome", recipients_document=document.id)


def report_of(documents: Documents, result: SendBulkEmailResult) -> list[dict[str, str]]:
    return rows_in(documents, result.report)


def rows_in(documents: Documents, document_id: str) -> list[dict[str, str]]:
    document = documents.get(document_id, namespace="default")
    with documents.reading(document) as file:
        return list(csv.DictReader(io.StringIO(file.read().decode(), newline="")))


def test_everybody_on_the_list_gets_one(
    sandbox: RunningSandbox, job: EagerJob, documents: Documents, tmp_path: Path
) -> None:
    """With a mark at its beginning, quoted cells, blank lines, and an address twice."""
    text = (
        "\ufeffname,address\r\n"
        'Ana,ana@example.com\r\n\r\n"Rui, o outro",rui@example.com\r\nAna 2,ana@EXAMPLE.com\r\n'
    )

    result = send_bulk_email(stored(documents, tmp_path, text), job.context())

    assert sandbox.delivered_to() == ["ana@example.com", "rui@example.com"]
    assert [str(each["Subject"]).partition(",")[0] for each in sandbox.mails()] == ["Ana", "Rui"]
    assert (result.sent, result.recipients, result.report) == (2, 2, "")
    assert [each.current for each in job.reports] == [1, 2]


@pytest.mark.parametrize(
    ("text", "reason", "words"),
    [
        ("", "FILE_INVALID", 'row 1: there is no column "address"'),
        ("address,name\n", "EMPTY_FILE", "the list names no recipients"),
        ("address,Name\na@b.example,Ana\n", "FILE_INVALID", 'row 1, column 2: "Name" is not named'),
        ("address;name\na@b.example;Ana\n", "FILE_INVALID", "row 1: columns are parted by commas"),
        ("address,name\n,Ana\n", "FILE_INVALID", "row 2: column address: is empty"),
        ("address,name\na@b.example,Ana,x\n", "FILE_INVALID", "row 2: has more cells"),
        ("address,name\na@b.example,\n", "TEMPLATE_VARIABLE", 'row 2: variable "name" is missing'),
        ("address,age\na@b.example,7\n", "TEMPLATE_VARIABLE", 'variable "age" is unknown'),
        ('address,name\na@b.example,"Ana\n', "FILE_INVALID", "row 2: unexpected end of data"),
        ("address,name\na@b.example,Jo\xe3o\n".encode("latin-1"), "FILE_INVALID", "is not UTF-8"),
        ("address,name\na@b.example," + "x" * 2_000_000, "FILE_INVALID", "row 2: has over"),
        (MANY_LINES, "FILE_INVALID", "characters"),
        ('address,"' + "x\n" * 600_000, "FILE_INVALID", "row 1: field larger"),
        ("address," + '"x\n",' * 300_000, "FILE_INVALID", "has over 1,048,576 characters"),
        ("address" + "".join(f",v{n}" for n in range(65)), "FILE_INVALID", "row 1: has more than"),
    ],
)
def test_a_list_that_is_wrong_in_its_form_is_sent_to_nobody(
    sandbox: RunningSandbox,
    job: EagerJob,
    documents: Documents,
    tmp_path: Path,
    text: str | bytes,
    reason: str,
    words: str,
) -> None:
    """The rows are named, and no value is shown."""
    good = "address,name\n" + "".join(f"p{n}@example.com,Ana\n" for n in range(3))
    if isinstance(text, str) and text.startswith("address,name\n") and text.count("\n") > 1:
        text = good + text.partition("\n")[2]
        words = words.replace("row 2", "row 5")

    with pytest.raises(PermanentError) as caught:
        send_bulk_email(stored(documents, tmp_path, text), job.context())

    assert caught.value.reason == reason
    assert words in str(caught.value)
    assert sandbox.server.connections == 0


def test_at_most_twenty_rows_are_named(
    sandbox: RunningSandbox, job: EagerJob, documents: Documents, tmp_path: Path
) -> None:
    """And how many more there are."""
    text = "address,name\n" + "".join(f"p{n}@example.com,\n" for n in range(50))

    with pytest.raises(PermanentError) as caught:
        send_bulk_email(stored(documents, tmp_path, text), job.context())

    assert str(caught.value).count("row ") == 20
    assert str(caught.value).endswith("; and 30 more")


def test_what_the_result_cannot_name_is_in_a_report(
    sandbox: RunningSandbox, job: EagerJob, documents: Documents, tmp_path: Path
) -> None:
    """Counts by reason, the first ones by name, and everybody in a stored CSV."""
    many = MOST_NAMED + 5
    rows = ["ana@example.com,Ana", "=cmd|calc@example,Eva", "cut@a.example,Rui"]
    rows += [f"p{n}@@example.com,Ana" for n in range(many)] + ["refuse+550@a.example,Gil"]

    result = send_bulk_email(
        stored(documents, tmp_path, "address,name\n" + "\n".join(rows)), job.context()
    )

    report = report_of(documents, result)
    assert (result.sent, result.maybe_sent_count, result.refused_count) == (2, 1, many + 1)
    assert result.recipients == many + 4
    assert [(each.reason, each.count) for each in result.reasons] == [
        ("EMAIL_FORMAT", many),
        ("550", 1),
    ]
    assert len(result.refused) == MOST_NAMED
    assert len(report) == many + 2
    assert {"address": "cut@a.example", "outcome": "maybe_sent", "reason": ""} in report
    assert {each["reason"].partition(":")[0] for each in report} == {
        "", "not tried", "550 5.1.1 no such mailbox",
    }  # fmt: skip
    assert result.ByteSize() < 256 * 1024


def test_a_result_of_long_refusals_fits(
    sandbox: RunningSandbox, job: EagerJob, documents: Documents, tmp_path: Path
) -> None:
    """Fewer are named then, and all are in the report."""
    rows = [f"{'a' * 200}{n}@,Ana" for n in range(900)]

    result = send_bulk_email(
        stored(documents, tmp_path, "address,name\n" + "\n".join(rows)), job.context()
    )

    assert result.ByteSize() < 120_000
    assert len(result.refused) < 900 == result.refused_count == len(report_of(documents, result))


def test_a_failure_in_mid_list_tells_counts_and_leaves_a_list_for_another_job(
    sandbox: RunningSandbox, job: EagerJob, documents: Documents, tmp_path: Path
) -> None:
    """Of those who certainly got none, with their variables; who may have got one is in a report.

    The doubt behind the place of the failure is an earlier run's.
    """
    rows = ["Ana,ana@a.example", "Gil,refuse+550@a.example", '"Rui ""o outro""",rui@a.example']
    rows += ["Eva,eva@a.example", "Ivo,cut.ivo@a.example", "Zé,no@@a.example", "Lia,lia@a.example"]
    mail = stored(documents, tmp_path, "name,address\n" + "\n".join(rows))
    begun = job.begin()
    JobContext(begun).once("ana@a.example", lambda: "")
    begun.begin_effect("cut.ivo@a.example", again=False)
    sandbox.faults.unavailable = "550 5.7.1 you may send no more"

    with pytest.raises(PermanentError) as caught:
        send_bulk_email(mail, job.context())
    sandbox.faults.unavailable = ""
    report, rest = re.findall("document ([0-9a-f]{32})", str(caught.value))
    mail.recipients_document = rest
    result = send_bulk_email(mail, EagerJob().context())

    assert caught.value.reason == "SENDER_REFUSED"
    assert "you may send no more; 1 sent, 1 refused, 1 uncertain, 4 left; " in str(caught.value)
    assert [(each["address"], each["outcome"]) for each in rows_in(documents, report)] == [
        ("cut.ivo@a.example", "maybe_sent"),
        ("no@@a.example", "refused"),
    ]
    assert (result.recipients, result.sent, result.refused_count) == (4, 3, 1)
    assert sandbox.delivered_to() == ["rui@a.example", "eva@a.example", "lia@a.example"]
    assert str(sandbox.mails()[0]["Subject"]).startswith('Rui "o outro",')


@pytest.mark.parametrize("refusals", [1, 200])
def test_a_run_after_the_end_needs_no_list(
    sandbox: RunningSandbox,
    job: EagerJob,
    documents: Documents,
    tmp_path: Path,
    refusals: int,
) -> None:
    """It may have expired since; of many who were refused only the names are lost then."""
    rows = ["ana@a.example,Ana"] + [f"p{n}@@example.com,Ana" for n in range(refusals)]
    mail = stored(documents, tmp_path, "address,name\n" + "\n".join(rows))
    first = send_bulk_email(mail, job.context())
    documents.delete(documents.get(mail.recipients_document, namespace="default"))

    second = send_bulk_email(mail, job.context())

    assert (second.sent, second.refused_count) == (1, refusals)
    assert job.hold is not None
    if refusals == 1:
        assert (second, job.hold.warnings) == (first, [])
    else:
        assert [(each.reason, each.count) for each in second.reasons] == [("EMAIL_FORMAT", 200)]
        assert "the list of recipients is gone" in job.hold.warnings[0]


def test_a_list_that_is_gone_before_the_end_fails_the_job(
    sandbox: RunningSandbox, job: EagerJob, documents: Documents, tmp_path: Path
) -> None:
    """For good: nobody knows whom it named."""
    mail = SendBulkEmail(template="welcome", recipients_document="0" * 32)

    with pytest.raises(PermanentError) as caught:
        send_bulk_email(mail, job.context())

    assert caught.value.reason == "DOCUMENT_MISSING"


def test_a_failure_before_the_first_mail_leaves_no_list(
    sandbox: RunningSandbox, job: EagerJob, documents: Documents, tmp_path: Path
) -> None:
    """The same may be handed in again."""
    sandbox.faults.unavailable = "550 5.7.1 you may not send"

    with pytest.raises(PermanentError) as caught:
        send_bulk_email(
            stored(documents, tmp_path, "name,address\nAna,ana@a.example\n"), job.context()
        )

    assert str(caught.value).endswith("you may not send")


def _list_of(count: int) -> io.BytesIO:
    lines = (f"pessoa.com.nome.comprido.{n}@example.com,Ana {n}\n" for n in range(count))
    return io.BytesIO(("address,name\n" + "".join(lines)).encode())


class _Rows:
    """A list that is read anew with each walk."""

    def __init__(self, file: io.BytesIO) -> None:
        self._file = file

    def __iter__(self) -> Iterator[object]:
        self._file.seek(0)
        return rows_of(self._file)


def test_a_list_takes_little_memory() -> None:
    """200 bytes a row while it is surveyed, and next to none while it is sent."""
    count = 5_000
    file = _list_of(count)
    outbox = Outbox.open("welcome", "pt-BR")
    tracemalloc.start()
    try:
        audience = Audience(_Rows(file), {}, outbox)  # type: ignore[arg-type]
        surveyed = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        walked = sum(1 for _ in audience)
        _, walking = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert walked == audience.size == count
    assert surveyed < 300_000 + 200 * count
    assert walking < 300_000 + 2 * count


def test_a_list_that_is_too_long_is_refused() -> None:
    """By its rows, whatever its size."""
    with pytest.raises(PermanentError) as caught:
        for _ in rows_of(_list_of(MOST_ROWS + 1)):
            pass

    assert caught.value.reason == "TOO_MANY_ROWS"
