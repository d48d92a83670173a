"""`portaria documents` and `portaria db`, as a person or a script sees them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from portaria.cli.app import app
from portaria.cli.running import run
from portaria.database import open_database
from portaria.settings import load_settings

SECRET = "s3cret-w0rd"


class Terminal:
    """Runs commands as `portaria` does: every ending is an exit code, and words."""

    def __init__(self, env: dict[str, str], folder: Path) -> None:
        self.env = env
        self.folder = folder

    def __call__(self, *arguments: str, given: str | None = None) -> Result:
        runner = CliRunner(env=self.env)
        with runner.isolation(input=given) as (stdout, stderr, _):
            try:
                code = run(app, arguments)
            except SystemExit as left:
                code = int(left.code or 0)
            return Result(runner, stdout.getvalue(), stderr.getvalue(), b"", code, code, None)


@pytest.fixture
def terminal(environ: dict[str, str], tmp_path: Path) -> Terminal:
    """Of a system with tables."""
    return Terminal(environ, tmp_path)


def test_a_file_from_its_put_to_its_deletion(terminal: Terminal, tmp_path: Path) -> None:
    """The id alone on stdout, so that scripts take it; everything else takes the id."""
    file = tmp_path / "Relatório.csv"
    file.write_text("a;b\n1;2\n")

    put = terminal("documents", "put", str(file), "--owner", "u-17", "--keep", "30d")
    document_id = put.stdout.strip()
    listed = terminal("documents", "list")
    shown = terminal("documents", "show", document_id)
    got = terminal("documents", "get", document_id, "--out", str(tmp_path / "copy.csv"))
    again = terminal("documents", "get", document_id, "--out", str(tmp_path / "copy.csv"))
    link = terminal("documents", "link", document_id, "--for", "10m")
    deleted = terminal("documents", "delete", document_id, "--yes")
    gone = terminal("documents", "show", document_id)

    assert re.fullmatch(r"[0-9a-f]{32}\n", put.stdout)
    assert document_id in listed.stdout
    assert "Relatório.csv" in listed.stdout
    assert re.search(r"^owner +u-17$", shown.stdout, re.M)
    assert re.search(r"^size +8 bytes$", shown.stdout, re.M)
    assert got.stdout.strip() == str(tmp_path / "copy.csv")
    assert (tmp_path / "copy.csv").read_text() == "a;b\n1;2\n"
    assert (again.exit_code, "--force" in again.stderr) == (2, True)
    assert link.stdout.startswith("http://")
    assert deleted.stdout == "deleted Relatório.csv\n"
    assert (gone.exit_code, gone.stderr) == (
        2, f"cannot show the document: there is no such document: {document_id}\n",
    )  # fmt: skip
    assert terminal("documents", "list").stdout == "no document\n"


def test_scripts_read_json(terminal: Terminal, source: Path) -> None:
    """A line for each document; where the bytes lie is not in it."""
    put = terminal(
        "documents", "put", str(source), "--json", "--name", "x.pdf", "--kind", "invoice"
    )
    terminal("documents", "put", str(source))

    listed = terminal("documents", "list", "--json", "--limit", "1")
    document = json.loads(put.stdout)
    shown = json.loads(terminal("documents", "show", document["id"], "--json").stdout)

    assert len(listed.stdout.splitlines()) == 1
    assert shown == document
    assert (document["filename"], document["content_type"], document["kind"]) == (
        "x.pdf", "application/pdf", "invoice",
    )  # fmt: skip
    assert "key" not in document


def test_a_link_that_ends_before_its_time_is_said(terminal: Terminal, source: Path) -> None:
    """Beside the link, which scripts take."""
    put = terminal("documents", "put", str(source), "--keep", "1h")

    link = terminal("documents", "link", put.stdout.strip(), "--for", "7d")

    assert link.stdout.startswith("http://")
    assert re.fullmatch(r"it works for (59 min.*|1 h) only\n", link.stderr)


def test_another_namespace_has_its_own(terminal: Terminal, source: Path) -> None:
    """And knows nothing of these."""
    document_id = terminal("documents", "put", str(source)).stdout.strip()
    other = Terminal({**terminal.env, "PORTARIA_NAMESPACE": "other"}, terminal.folder)

    assert other("documents", "list").stdout == "no document\n"
    for command in ("show", "get", "link", "delete"):
        assert other("documents", command, document_id).exit_code == 2


def test_nothing_is_deleted_without_a_yes(terminal: Terminal, source: Path) -> None:
    """A person is asked; a script that says nothing is told."""
    document_id = terminal("documents", "put", str(source)).stdout.strip()

    assert terminal("documents", "delete", document_id, given="n\n").exit_code == 130
    assert terminal("documents", "delete", document_id, given="").exit_code == 2
    assert terminal("documents", "show", document_id).exit_code == 0
    assert terminal("documents", "delete", document_id, given="y\n").exit_code == 0


def test_the_schema_from_nothing_to_up_to_date(tmp_path: Path) -> None:
    """What is said before, while and after."""
    terminal = Terminal({"PORTARIA_DATA_DIR": str(tmp_path / "data")}, tmp_path)

    before = terminal("db", "check")
    documents = terminal("documents", "list")
    current = terminal("db", "current")
    upgraded = terminal("db", "upgrade")
    again = terminal("db", "upgrade")
    after = terminal("db", "check")
    shown = json.loads(terminal("db", "current", "--json").stdout)

    assert (before.exit_code, before.stdout) == (2, "")
    assert re.match(r"the database is behind in .*storage.*: run `portaria db upg", before.stderr)
    assert documents.exit_code == 2
    assert documents.stderr == "the database lacks tables of storage: run `portaria db upgrade`\n"
    assert re.search(r"^storage +none +0002 +behind: portaria db upgrade", current.stdout, re.M)
    assert "ran  storage_0001\n" in upgraded.stdout
    assert again.stdout == "nothing to do: the database is up to date\n"
    assert (after.exit_code, after.stdout) == (0, "the database is up to date\n")
    assert {"name": "storage", "found": 2, "newest": 2, "is_behind": False} in shown
    open_database(load_settings(terminal.env)).dispose()


@pytest.mark.parametrize(
    "command", [("db", "upgrade"), ("db", "current"), ("db", "check"), ("documents", "list")]
)
def test_a_database_that_is_away_is_said_with_its_setting(
    tmp_path: Path, command: tuple[str, ...]
) -> None:
    """Exit code 3, so that a script tries again; never the password."""
    url = f"postgresql://ana:{SECRET}@127.0.0.1:9/x"
    terminal = Terminal({"PORTARIA_DATABASE_URL": url}, tmp_path)

    said = terminal(*command)

    assert (said.exit_code, said.stdout) == (3, "")
    assert "the database cannot be used now" in said.stderr
    assert "PORTARIA_DATABASE_URL says where it is" in said.stderr
    assert SECRET not in said.stderr
