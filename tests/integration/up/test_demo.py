"""`make demo`: the main jobs from end to end, and nothing left but mails and attachments."""

from __future__ import annotations

import re
import signal
from pathlib import Path

import psutil
from openpyxl import load_workbook
from pypdf import PdfReader

from stack import Processes, eventually


def test_the_demo_shows_the_main_jobs_and_leaves_what_they_made(
    processes: Processes, tmp_path: Path
) -> None:
    """Acknowledgements, progress, results, a mail to read, documents that other readers open; exit
    code 0; no process, no secret."""
    demo = processes.portaria("demo", "demo", TMPDIR=str(tmp_path))
    demo.wait_for("running:", within=30)
    family = demo.descendants()

    code = demo.wait(40)

    said = demo.output()
    assert code == 0, said
    assert said.count(" ms  ") == 4
    assert "SUCCEEDED" in said
    assert "299 sent, 1 refused, 1 maybe sent" in said
    assert "refused     refuse+550@example.com: 550" in said
    assert "| To: kwame@example.com" in said
    assert "SUCCEEDED   mail  attempt 1" in said
    assert 'a schedule, "demo": a self-test every 2 seconds; the next one at ' in said
    ran = re.findall(r"^  due \d\d:\d\d:\d\d, submitted \d\.\d{3} s later: \S+ (\w+)$", said, re.M)
    assert ran[:2] == ["SUCCEEDED", "SUCCEEDED"]
    [folder] = tmp_path.glob("portaria-demo-*")
    assert sorted(path.name for path in folder.iterdir()) == ["attachments", "mail"]
    assert len(list((folder / "mail").glob("*.eml"))) == 304
    assert "1 252 101,07" in _text(folder / "attachments" / "factura-ft-2026-117.pdf")
    assert _cells(folder / "attachments" / "linhas-2026-117.xlsx")[-1] == ("Total", None, 520000.5)
    assert family
    eventually(lambda: not [each for each in family if _lives(each)])


def test_an_interrupted_demo_leaves_no_process(processes: Processes, tmp_path: Path) -> None:
    """Ctrl-C ends the parts, too, and says where their logs are."""
    demo = processes.portaria("demo", "demo", TMPDIR=str(tmp_path))
    demo.wait_for("submitting", within=30)
    family = demo.descendants()

    demo.send(signal.SIGINT)

    assert demo.wait(20) == 130
    assert "what the parts wrote: " in demo.output()
    eventually(lambda: not [each for each in family if _lives(each)])


def _text(path: Path) -> str:
    """Of a PDF, as a reader has it that did not write it."""
    text = "".join(page.extract_text() for page in PdfReader(path).pages)
    return re.sub(r"\s+", " ", text)


def _cells(path: Path) -> list[tuple[object, ...]]:
    """Of a workbook, with the values that its writer worked out."""
    sheet = load_workbook(path, data_only=True).active
    assert sheet is not None
    return list(sheet.iter_rows(values_only=True))


def _lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
