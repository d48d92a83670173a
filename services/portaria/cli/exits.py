"""Exit codes, and the words for what went wrong."""

from enum import IntEnum

import click

from portaria.core.errors import (
    AlreadyBegun,
    AlreadyExists,
    ConfigurationError,
    EtagMismatch,
    InvalidRequest,
    NewerRelease,
    NotFound,
    NotRetryable,
    PortariaError,
    RunOpen,
    ScheduleBroken,
    ScheduleDeclared,
)

EXIT_CODES_HELP = """\b
Exit codes:
  0  done; where waited for, the job succeeded
  1  the job failed, was cancelled or expired
  2  wrong usage, or an invalid request
  3  the door or its store cannot be reached, or the time was up"""


# What no repeat of the same would mend.
_INVALID = (
    InvalidRequest,
    AlreadyExists,
    AlreadyBegun,
    NotFound,
    NotRetryable,
    ConfigurationError,
    EtagMismatch,
    NewerRelease,
    RunOpen,
    ScheduleBroken,
    ScheduleDeclared,
)


class Exit(IntEnum):
    """What a calling script learns."""

    OK = 0
    JOB_ENDED_BADLY = 1
    INVALID = 2
    UNAVAILABLE = 3
    INTERRUPTED = 130


class Refused(Exception):
    """What a person is told instead of a traceback: what could not be done, then why."""

    def __init__(self, text: str, code: int) -> None:
        super().__init__(text)
        self.text = text
        self.code = code

    def show(self) -> None:
        """On stderr, the first line set off."""
        first, newline, rest = self.text.partition("\n")
        click.echo(click.style(first, fg="red") + newline + rest, err=True)


def exit_of(error: PortariaError) -> Exit:
    """The code of an error that ended a command."""
    return Exit.INVALID if isinstance(error, _INVALID) else Exit.UNAVAILABLE
