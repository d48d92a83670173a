"""Many jobs from lines of JSON: ids on stdout, what was refused on stderr."""

import json
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TextIO

import click
from google.protobuf.message import Message

from portaria.cli.connecting import telling
from portaria.cli.exits import Exit
from portaria.cli.payload import message_from_json
from portaria.cli.violations import table
from portaria.client import Client, InvalidRequest, PortariaError
from portaria.client.requests import submit_request
from portaria.v1.job_pb2 import SubmitOptions

_MOST_WORKFLOWS = 10
_NUMBERED = re.compile(r"^specs\[\d+\]\.")


@dataclass(kw_only=True)
class Lines:
    """A run through all lines. Each that is refused is told of; the others are handed in."""

    source: TextIO
    kind: type[Message]
    options: SubmitOptions
    as_json: bool
    taken: int = 0
    refused: int = 0
    _workflows: dict[str, None] = field(default_factory=dict)
    """In order, each once."""
    _waiting: deque[tuple[int, Message]] = field(default_factory=deque)
    """Number of the line and payload of each job whose answer has not come, in order."""

    def submit(
        self, client: Client, *, labels: dict[str, str], request_id: str | None, what: str
    ) -> int:
        """Answers the exit code: INVALID where any line was refused."""
        handles = client.submit_many(
            self._jobs(), labels=labels, request_id=request_id, on_error=self._on_error
        )
        try:
            with telling(what):
                for handle in handles:
                    line, _ = self._waiting.popleft()
                    self.taken += 1
                    self._workflows[handle.workflow_id] = None
                    answer = {"line": line, "job_id": handle.id, "workflow_id": handle.workflow_id}
                    click.echo(json.dumps(answer) if self.as_json else handle.id)
        finally:
            bad = f", {self.refused} refused" if self.refused else ""
            jobs = "job" if self.taken == 1 else "jobs"
            click.echo(f"{self.taken} {jobs} handed in{bad}", err=True)
            if not self.as_json:
                self._tell_workflows()
        return Exit.INVALID if self.refused else Exit.OK

    def _tell_workflows(self) -> None:
        """How to follow what was handed in."""
        for workflow_id in list(self._workflows)[:_MOST_WORKFLOWS]:
            click.echo(f"  portaria watch --workflow {workflow_id}", err=True)
        if (more := len(self._workflows) - _MOST_WORKFLOWS) > 0:
            click.echo(f"  and {more} more: --output json has the workflow of each job", err=True)

    def _jobs(self) -> Iterator[tuple[Message, SubmitOptions]]:
        for number, text in self._texts():
            try:
                payload = message_from_json(self.kind, text)
            except InvalidRequest as error:
                self._tell(number, error, None)
                continue
            self._waiting.append((number, payload))
            yield payload, self.options

    def _texts(self) -> Iterator[tuple[int, str]]:
        """Lines that are not blank, counted from 1 as editors do."""
        try:
            for number, text in enumerate(self.source, start=1):
                if text.strip():
                    yield number, text
        except UnicodeDecodeError:
            raise click.UsageError(f"{self.source.name}: not UTF-8") from None

    def _on_error(self, _: int, error: PortariaError) -> None:
        line, payload = self._waiting.popleft()
        self._tell(line, error, payload)

    def _tell(self, line: int, error: PortariaError, payload: Message | None) -> None:
        self.refused += 1
        if isinstance(error, InvalidRequest):
            own = [replace(each, field=_own(each.field)) for each in error.violations]
            click.echo(f"line {line}:\n{table(own, payload)}", err=True)
        else:
            click.echo(f"line {line}: {error.message}", err=True)


def options_of(message: Message, **given: object) -> SubmitOptions:
    """Priority and delay as options. Raises InvalidRequest."""
    options: SubmitOptions = submit_request(message, **given).spec.options  # type: ignore[arg-type]
    return options


def _own(path: str) -> str:
    """`spec.payload.to` for `specs[17].payload.to`: the line says which one it is."""
    return _NUMBERED.sub("spec.", path)
