"""What killed processes leave in the temporary directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from portaria.jobs.eager import run_eagerly
from portaria.storage.document import Document
from portaria_workers.documents.handlers import export_spreadsheet, process_file
from portaria_workers.documents.scratch import scratch
from portaria_workers.documents.v1.documents_pb2 import ExportSpreadsheet, ProcessFile

HOLDER = """
import sys
from portaria_workers.documents.scratch import scratch

with scratch() as folder:
    (folder / "content").write_bytes(b"x")
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The temporary directory, of this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setenv("TMPDIR", str(folder))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return folder


def test_a_folder_stays_until_its_process_is_gone(temporary: Path) -> None:
    """However that ended: the next job finds what was left."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        left = Path(holder.stdout.readline().strip())
        with scratch() as mine:
            assert set(temporary.iterdir()) == {left, mine}
        assert (left / "content").exists()
        holder.kill()
    assert left.exists()

    with scratch() as mine:
        assert set(temporary.iterdir()) == {mine}
    assert not list(temporary.iterdir())


def test_what_others_keep_there_is_left_alone(temporary: Path, tmp_path: Path) -> None:
    """Other names, files, and links to elsewhere."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "kept").touch()
    (temporary / "portaria-job-link").symlink_to(elsewhere)
    (temporary / "portaria-job-file").touch()
    (temporary / "portaria-other").mkdir()

    with scratch():
        pass

    assert len(list(temporary.iterdir())) == 3
    assert (elsewhere / "kept").exists()


@pytest.mark.parametrize("kind", ["export", "check"])
def test_a_killed_run_s_files_are_gone_after_the_next_one(
    kind: str,
    stored: Callable[..., Document],
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As the worker kills a child that takes too much memory or time."""
    document = stored("a,b\n" + "1,texto\n" * 20_000).id

    def run() -> None:
        if kind == "export":
            run_eagerly(export_spreadsheet, ExportSpreadsheet(document_id=document))
        else:
            columns = [ProcessFile.Column(name="a")]
            run_eagerly(process_file, ProcessFile(document_id=document, columns=columns))

    child = os.fork()
    if not child:
        module = "spreadsheet.SpreadsheetWriter" if kind == "export" else "checking.Checking"
        monkeypatch.setattr(
            f"portaria_workers.documents.{module}.close",
            lambda _: os.kill(os.getpid(), signal.SIGKILL),
        )
        try:
            run()
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WTERMSIG(status) == signal.SIGKILL
    assert list(temporary.rglob("*"))

    run()

    assert not list(temporary.iterdir())
