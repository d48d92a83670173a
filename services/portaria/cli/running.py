"""Runs a command: every ending becomes an exit code, and words on stderr."""

import os
import sys
from collections.abc import Sequence

import click

from portaria.cli.exits import Exit, Refused, exit_of
from portaria.cli.lazy import LazyGroup, is_ours, lacks
from portaria.core.errors import PortariaError

DEBUG_VARIABLE = "PORTARIA_LOG_LEVEL"
_SOFTWARE = 70  # EX_SOFTWARE of sysexits.h


def run(app: LazyGroup, arguments: Sequence[str]) -> int:
    """The exit code of a command: what it returns, or what its error stands for."""
    # Read when gRPC is imported: a connection that the other side closed is no news to a person.
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    try:
        outcome = app.main(args=list(arguments), prog_name="portaria", standalone_mode=False)
    except (click.Abort, KeyboardInterrupt):
        return Exit.INTERRUPTED
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except Refused as refused:
        return _tell(refused)
    except PortariaError as error:
        return _tell(Refused(error.message, exit_of(error)))
    except Exception as error:
        return _broken(app, arguments, error)
    return outcome if isinstance(outcome, int) else Exit.OK


def _broken(app: LazyGroup, arguments: Sequence[str], error: Exception) -> int:
    named = next((word for word in arguments if not word.startswith("-")), "")
    if isinstance(error, ModuleNotFoundError) and not is_ours(error) and named in app.entries:
        return _tell(Refused(lacks(named, app.entries[named]), Exit.INVALID))
    if os.environ.get(DEBUG_VARIABLE) == "debug":
        sys.excepthook(type(error), error, error.__traceback__)
        return _SOFTWARE
    hint = f"{DEBUG_VARIABLE}=debug shows where"
    words = f"portaria {named} broke: {type(error).__name__}: {error} ({hint})"
    return _tell(Refused(words, _SOFTWARE))


def _tell(refused: Refused) -> int:
    refused.show()
    return refused.code
