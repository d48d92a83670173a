"""A workflow as it goes on: its tree on a terminal, else a line for each change."""

from __future__ import annotations

import time
from datetime import timedelta
from itertools import islice
from typing import TextIO

import click
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.text import Text

from portaria.cli.exits import Exit
from portaria.cli.following import print_lines
from portaria.cli.rows import Rows, moment, one_line
from portaria.cli.wording import length
from portaria.cli.workflow_screens import (
    drawn_jobs,
    end_words,
    node_names,
    state_text,
    workflow_view,
)
from portaria.client import Client, PortariaError
from portaria.client.reading import MOST_IDS
from portaria.client.retries import is_outage
from portaria.client.waiting import Deadline
from portaria.core.clock import Clock, SystemClock
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED, Job
from portaria.v1.workflows_pb2 import Workflow

_EVERY = timedelta(milliseconds=300)
# A large workflow is looked at less often: the looks take a fifth of the time at most.
_SHARE = 4
_LINE_INTERVAL = timedelta(seconds=1)


class Sight:
    """A workflow as it was seen last."""

    def __init__(self, client: Client, workflow_id: str, clock: Clock | None = None) -> None:
        """Asks the door. Raises its errors."""
        self._client = client
        self._handle = client.workflow(workflow_id)
        self._clock = clock or SystemClock()
        self._trouble = ""
        self._jobs: dict[str, Job] = {}
        self.workflow = Workflow()
        self.pause = _EVERY
        """Until the next look."""
        self.look()

    def look(self) -> None:
        """Asks the door. Raises its errors."""
        began = self._clock.monotonic()
        self.workflow = self._handle.get(nodes=True)
        self._jobs = self._client.get_many(islice(drawn_jobs(self.workflow), MOST_IDS))
        self._trouble = ""
        self.pause = max(_EVERY, timedelta(seconds=self._clock.monotonic() - began) * _SHARE)

    def try_to_look(self) -> None:
        """As `look`; while the door is away, the last picture stays with words about it."""
        try:
            self.look()
        except PortariaError as error:
            if not is_outage(error):
                raise
            self._trouble = one_line(error.message)

    def picture(self) -> RenderableType:
        """All of it."""
        view = workflow_view(self.workflow, self._jobs, self._clock.now())
        if not self._trouble:
            return view
        return Group(view, Text(f"as it was: {self._trouble}", style="red"))


def watch(client: Client, workflow_id: str, *, timeout: timedelta | None, out: TextIO) -> Workflow:
    """Shows every change until the workflow is done; answers it as it ended.

    Raises DeadlineExceeded, and the door's errors.
    """
    deadline = Deadline(timeout, SystemClock())
    sight = Sight(client, workflow_id)
    if out.isatty():
        draw(sight, deadline, out)
        return sight.workflow
    handle, rows = client.workflow(workflow_id), Rows([], node_names(sight.workflow))
    while not sight.workflow.done:
        events = handle.watch(timeout=deadline.left(), progress_interval=_LINE_INTERVAL)
        print_lines(events, rows, out, SystemClock())
        handle.wait(deadline.left())
        sight.look()
    return sight.workflow


def draw(sight: Sight, deadline: Deadline, out: TextIO) -> None:
    """Draws until the workflow is done; what was drawn last stays."""
    console = Console(file=out, highlight=False)
    with Live(sight.picture(), console=console, auto_refresh=False) as live:
        while not sight.workflow.done:
            deadline.check(f"workflow {sight.workflow.workflow_id} is not done")
            time.sleep(deadline.shorten(sight.pause).total_seconds())
            sight.try_to_look()
            live.update(sight.picture(), refresh=True)


def print_end(workflow: Workflow) -> None:
    """How it ended: "FAILED after 12 s: render: SMTP_DOWN"."""
    begun, ended = moment(workflow.create_time), moment(workflow.end_time)
    after = f" after {length(ended - begun)}" if begun and ended else ""
    why = end_words(workflow)
    state = state_text(workflow.state)
    color = "green" if workflow.state == JOB_STATE_SUCCEEDED else "red"
    click.echo(click.style(state.plain, fg=color) + after + (f": {why}" if why else ""))


def exit_of_workflow(workflow: Workflow) -> Exit:
    """0 where it succeeded."""
    return Exit.OK if workflow.state == JOB_STATE_SUCCEEDED else Exit.JOB_ENDED_BADLY
