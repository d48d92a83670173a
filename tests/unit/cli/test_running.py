"""Commands are found late, and every ending is an exit code with words on stderr."""

import subprocess
import sys
from importlib import import_module

import click
import pytest

from portaria.cli.app import COMMANDS, app
from portaria.cli.exits import Exit, Refused
from portaria.cli.lazy import Entry, LazyGroup
from portaria.cli.running import run
from portaria.core.errors import ConfigurationError, NotFound, StoreUnavailable


@click.command()
@click.pass_context
def ending(ctx: click.Context) -> int:
    """Ends as the test wants it to."""
    outcome = ctx.obj
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


@pytest.fixture
def ends(capsys, monkeypatch):
    """Runs a command that ends in some way; answers the exit code and stderr."""
    monkeypatch.delenv("PORTARIA_LOG_LEVEL", raising=False)
    entry = Entry(target=f"{__name__}:ending", help="", extra="door", section="Run")
    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this())

    def start(outcome) -> tuple[int, str]:
        group = LazyGroup("portaria", entries={"ending": entry}, context_settings={"obj": outcome})
        code = run(group, ["ending"])
        return code, capsys.readouterr().err

    return start


def _this():
    module = type(sys)(__name__)
    module.ending = ending
    return module


@pytest.mark.parametrize(
    ("outcome", "code", "words"),
    [
        (Exit.OK, 0, ""),
        (Exit.JOB_ENDED_BADLY, 1, ""),
        (None, 0, ""),
        (Refused("cannot submit x:\n  to   is odd", Exit.INVALID), 2, "  to   is odd"),
        (NotFound("no such job"), 2, "no such job"),
        (ConfigurationError("PORTARIA_X: no such setting"), 2, "PORTARIA_X: no such setting"),
        (StoreUnavailable(), 3, "the store is unavailable"),
        (KeyboardInterrupt(), 130, ""),
        (ModuleNotFoundError("x", name="uvloop"), 2, "pip install 'portaria[door]'"),
        (ZeroDivisionError("oh"), 70, "portaria ending broke: ZeroDivisionError: oh"),
    ],
    ids=repr,
)
def test_every_ending_has_its_code_and_words(ends, outcome, code, words):
    """And never a traceback."""
    ended, said = ends(outcome)

    assert ended == code
    assert words in said
    assert "Traceback" not in said
    assert words or not said.strip()


def test_ctrl_c_while_modules_are_loaded_is_quiet():
    """It ends as it would later on, before there is anything that could turn it into a code."""
    code = """
import sys
class Interrupted:
    def find_spec(self, name, path, target=None):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from portaria.cli.main import main
main()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


def test_where_it_broke_is_shown_on_request(ends, monkeypatch):
    """PORTARIA_LOG_LEVEL=debug: then the traceback is what is wanted."""
    monkeypatch.setenv("PORTARIA_LOG_LEVEL", "debug")

    assert "Traceback" in ends(ZeroDivisionError("oh"))[1]


def test_a_mistyped_command_is_answered_with_the_nearest(capsys):
    """As for job types and settings."""
    assert run(app, ["subimt"]) == Exit.INVALID
    assert 'no such command "subimt"; did you mean "submit"?' in capsys.readouterr().err


def test_every_command_of_the_table_exists():
    """A module and an attribute that is a click command, for each line of --help."""
    for name, entry in COMMANDS.items():
        module, _, attribute = entry.target.partition(":")
        assert isinstance(getattr(import_module(module), attribute), click.Command), name


def test_every_help_says_each_command_in_whole_sentences():
    """On a terminal of eighty columns, which is what click takes where nothing says more."""
    loaded = [app, *(app.get_command(click.Context(app), name) for name in COMMANDS)]
    groups = [each for each in loaded if isinstance(each, click.Group)]

    texts = [each.get_help(click.Context(each, terminal_width=80)) for each in groups]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("  ")]

    assert len(groups) > 3
    assert [line for line in lines if line.endswith("...")] == []


def test_help_imports_no_command():
    """What makes `portaria --help` fast: neither gRPC nor rich nor settings are loaded."""
    code = """
import sys
from portaria.cli.app import app
app.main(["--help"], standalone_mode=False)
print(*sys.modules, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stderr.split()}

    assert "submit" in done.stdout
    assert loaded & {"grpc", "rich", "pydantic", "redis", "rq", "google", "structlog"} == set()
