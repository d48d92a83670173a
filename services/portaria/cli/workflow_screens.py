"""Workflows as a person reads them: a table of many, the tree of one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from portaria.cli.listing_screens import job_note
from portaria.cli.live import STYLES
from portaria.cli.rows import failure_words, moment
from portaria.cli.screens import bare_table, brief
from portaria.cli.wording import length, local_time
from portaria.client.states import state_name
from portaria.core.states import TERMINAL, State
from portaria.v1.job_pb2 import Job, JobState
from portaria.v1.workflows_pb2 import FAILURE_POLICY_ALLOW, FAILURE_POLICY_CONTINUE, Workflow

MOST_SHOWN = 20
"""How many steps of one chain or group are drawn; of more, how many are in which state, then some
of those that failed or go on."""
_MOST_OF_MANY = 10
_TOLD = ("FAILED", "EXPIRED", "CANCELLING", "RETRYING", "RUNNING")
# Of a chain its turn is told, too; the jobs of a group that wait are many.
_TURN = ("PENDING", "SCHEDULED")
_DEPENDENCY = "DEPENDENCY_FAILED"
_POLICIES = {
    FAILURE_POLICY_ALLOW: ", may fail",
    FAILURE_POLICY_CONTINUE: ", may fail and says so",
}
_STATES = [each.value for each in State]


def workflows_table(workflows: Iterable[Workflow], now: datetime) -> Table:
    """One line a workflow; its id is never cut, so that it can be copied."""
    table = bare_table()
    table.add_column("workflow", no_wrap=True, min_width=36)
    table.add_column("state", no_wrap=True, min_width=10)
    table.add_column("done", no_wrap=True, justify="right")
    table.add_column("age", no_wrap=True, justify="right", min_width=3)
    table.add_column("")
    for each in workflows:
        created = moment(each.create_time)
        table.add_row(
            each.workflow_id,
            state_text(each.state),
            f"{each.progress.current:,}/{each.progress.total:,}",
            brief(now - created) if created else "",
            Text(_remark(each), no_wrap=True, overflow="ellipsis"),
        )
    return table


def workflow_view(workflow: Workflow, jobs: Mapping[str, Job], now: datetime) -> RenderableType:
    """The whole picture; `jobs` are those of which more is known than the workflow tells."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, value in _facts(workflow, now):
        if value:
            grid.add_row(name, value)
    return Group(grid, Text(), tree_view(workflow, jobs, now))


def tree_view(workflow: Workflow, jobs: Mapping[str, Job], now: datetime) -> RenderableType:
    """Its steps, each before what it holds."""
    if not workflow.nodes:
        return counts_text((each.state, each.count) for each in workflow.counts)
    look = _Look(jobs, node_names(workflow), now)
    return Group(*(look.draw(each) for each in forest(workflow)), *_added(workflow))


@dataclass(slots=True)
class Branch:
    """A step and what it holds."""

    node: Workflow.Node
    held: list[Branch] = field(default_factory=list)

    @property
    def is_folded(self) -> bool:
        """Whether it holds too much to be drawn."""
        return len(self.held) > MOST_SHOWN

    def drawn(self) -> tuple[list[Branch], int]:
        """What of it is drawn: all, or of too much some of what failed and of what goes on.

        And how much more of that there is.
        """
        if not self.is_folded:
            return self.held, 0
        told = self._told()
        kept, left = told[:_MOST_OF_MANY], told[_MOST_OF_MANY:]
        if left and kept[-1].is_over:
            # However much failed, something that goes on is shown.
            kept[-1:] = [next((each for each in left if not each.is_over), kept[-1])]
        return kept, len(left)

    @property
    def is_over(self) -> bool:
        """Whether it never leaves its state."""
        return state_name(self.node.state) in TERMINAL

    def _told(self) -> list[Branch]:
        names = _TOLD + _TURN if self.node.kind == Workflow.KIND_CHAIN else _TOLD
        ranks = {name: rank for rank, name in enumerate(names)}
        found = [each for each in self.held if state_name(each.node.state) in ranks]
        return sorted(found, key=lambda each: ranks[state_name(each.node.state)])

    def leaves(self) -> Iterator[Workflow.Node]:
        """The jobs in it."""
        if self.node.job_id:
            yield self.node
        for each in self.held:
            yield from each.leaves()


def forest(workflow: Workflow) -> list[Branch]:
    """What no other step holds: the root, and whatever names no step as its parent."""
    branches = {each.node_id: Branch(each) for each in workflow.nodes}
    tops: list[Branch] = []
    for each in branches.values():
        above = branches.get(each.node.parent)
        (above.held if above else tops).append(each)
    return tops


def drawn_jobs(workflow: Workflow) -> list[str]:
    """The jobs that are drawn one by one and have more to tell than their state."""
    return [
        each.job_id
        for top in forest(workflow)
        for each in _drawn(top)
        if each.job_id
        and state_name(each.state) not in ("BLOCKED", "SUCCEEDED")
        and each.failure.reason != _DEPENDENCY
    ]


def node_names(workflow: Workflow) -> dict[str, str]:
    """Of its jobs, by their ids."""
    return {each.job_id: each.node_id for each in workflow.nodes if each.job_id}


def state_text(state: JobState.ValueType) -> Text:
    """ "RUNNING", as lists of jobs colour it."""
    name = state_name(state)
    return Text(name, style=STYLES.get(name, ""))


def counts_text(counts: Iterable[tuple[JobState.ValueType, int]]) -> Text:
    """ "9,950 SUCCEEDED, 50 RUNNING"."""
    named = {state_name(state): count for state, count in counts if count}
    known = [each for each in _STATES if each in named]
    text = Text()
    for name in [*known, *(each for each in named if each not in known)]:
        text.append(", " if text else "")
        text.append(f"{named[name]:,} {name}", style=STYLES.get(name, ""))
    return text


def end_words(workflow: Workflow) -> str:
    """Why it did not succeed: "render: SMTP_DOWN: no answer"; empty where it did."""
    if not workflow.cause_job_id:
        return ""
    cause = next((each for each in workflow.nodes if each.job_id == workflow.cause_job_id), None)
    if cause is None:
        return f"job {workflow.cause_job_id}"
    return ": ".join(each for each in (_name(cause), failure_words(cause.failure)) if each)


@dataclass(frozen=True, slots=True)
class _Look:
    """What is known of the steps beside themselves."""

    jobs: Mapping[str, Job]
    names: Mapping[str, str]
    """Of the nodes, by the ids of their jobs."""
    now: datetime

    def draw(self, branch: Branch) -> Tree:
        """A step, and below it what it holds."""
        tree = Tree(self._line(branch), guide_style="dim")
        if branch.is_folded:
            states = Counter(each.node.state for each in branch.held)
            tree.add(Text().append("… ", style="dim").append_text(counts_text(states.items())))
        shown, more = branch.drawn()
        for each in shown:
            tree.children.append(self.draw(each))
        if more:
            tree.add(Text(f"… and {more:,} more", style="dim"))
        return tree

    def _line(self, branch: Branch) -> Text:
        node = branch.node
        line = Text(no_wrap=True, overflow="ellipsis")
        line.append(node.node_id, style="bold").append(f" {_what(node)}", style="dim")
        line.append(_POLICIES.get(node.on_failure, ""), style="dim")
        line.append("  ").append_text(state_text(node.state))
        note = self._job(node) if node.job_id else _done(branch)
        return line.append(f"  {note}" if note else "")

    def _job(self, node: Workflow.Node) -> str:
        """Its attempt, and in a word why it waits, what failed, or how far it is."""
        job = self.jobs.get(node.job_id)
        if node.failure.reason == _DEPENDENCY:
            cause = self.names.get(node.failure.cause_job_id, node.failure.cause_job_id)
            return f"not begun, since {cause} failed" if cause else "not begun"
        attempt = f"attempt {job.attempt}" if job and job.attempt > 1 else ""
        note = job_note(job, self.now) if job else node.failure.reason
        return "  ".join(each for each in (attempt, note) if each)


def _added(workflow: Workflow) -> Iterator[Text]:
    """A line for the jobs that its jobs handed in, which are no steps of it."""
    more = Counter({each.state: each.count for each in workflow.counts})
    more.subtract(each.state for each in workflow.nodes if each.job_id)
    if count := (+more).total():
        words = f"and {count:,} that {'they' if len(workflow.nodes) > 1 else 'it'} handed in: "
        yield Text().append(words, style="dim").append_text(counts_text((+more).items()))


def _drawn(branch: Branch) -> Iterator[Workflow.Node]:
    yield branch.node
    for each in branch.drawn()[0]:
        yield from _drawn(each)


def _done(branch: Branch) -> str:
    states = [state_name(each.state) for each in branch.leaves()]
    done = sum(each in TERMINAL for each in states)
    return f"{done:,} of {len(states):,} done"


def _what(node: Workflow.Node) -> str:
    """ "SendEmail" of a job, "chain"."""
    if node.type:
        return node.type.rpartition(".")[2]
    return Workflow.Kind.Name(node.kind).removeprefix("KIND_").lower()


def _name(node: Workflow.Node) -> str:
    return f"{node.node_id} {_what(node)}"


def _facts(workflow: Workflow, now: datetime) -> Iterator[tuple[str, str | Text]]:
    yield "batch" if workflow.batch else "workflow", workflow.workflow_id
    yield "state", state_text(workflow.state)
    yield "cause", end_words(workflow)
    counts = counts_text((each.state, each.count) for each in workflow.counts)
    done = f"{workflow.progress.current:,} of {workflow.progress.total:,} done"
    yield "jobs", Text(f"{done}: ") + counts if counts else done
    created, ended = moment(workflow.create_time), moment(workflow.end_time)
    yield "created", local_time(created)
    yield "ended", local_time(ended)
    if created:
        yield "took" if ended else "for", length((ended or now) - created)
    yield "deadline", local_time(moment(workflow.deadline))
    yield "labels", _labels(workflow)
    yield "retry of", workflow.retried_from
    yield "retried as", workflow.retried_as
    yield "created by", workflow.created_by


def _remark(workflow: Workflow) -> str:
    kind = "batch" if workflow.batch else ""
    again = "retried" if workflow.retried_as else ""
    return "  ".join(each for each in (kind, again, _labels(workflow)) if each)


def _labels(workflow: Workflow) -> str:
    return ", ".join(f"{key}={workflow.labels[key]}" for key in sorted(workflow.labels))
