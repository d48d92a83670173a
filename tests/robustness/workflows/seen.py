"""One run of a workflow, as it was told and as its jobs wrote it down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property

from portaria.v1.job_pb2 import Failure, Job, JobState
from robustness.workflows.diary import Line
from robustness.workflows.growing import Case
from robustness.workflows.model import (
    CANCELLED,
    EXPIRED,
    NOBODY,
    SUCCEEDED,
    Place,
    Story,
    inputs,
    places,
    predict,
)
from robustness.workflows.playing import Played, Run
from robustness.workflows.steps import mark_of


class Seen:
    """One run. Its steps are called by their places."""

    def __init__(self, case: Case, run: Run, before: Seen | None, lines: Sequence[Line]) -> None:
        self.case = case
        self.run = run
        self.before = before
        """The run that this one is a retry of."""
        self.places: Sequence[Place] = places(case.root)
        self.leaves = [place for place in self.places if place.is_leaf]
        self.nodes = dict(zip([each.name for each in self.places], run.workflow.nodes))  # noqa: B905
        names = {
            self.nodes[place.name].job_id: place.name
            for place in self.leaves
            if place.name in self.nodes
        }
        self.submitted: dict[str, list[str]] = {}
        """By each leaf, in order of their names."""
        self.ids = {name: job_id for job_id, name in names.items()}
        for job_id in sorted(run.jobs.keys() - names.keys()):
            name = mark_of(run.jobs[job_id].spec).name
            self.submitted.setdefault(name.partition("+")[0], []).append(name)
            self.ids[name] = job_id
        self._all_lines = lines

    @property
    def is_whole(self) -> bool:
        """Whether there is a node for each step, and a job for each leaf."""
        nodes = self.run.workflow.nodes
        return len(nodes) == len(self.places) and set(self.ids.values()) == set(self.run.jobs)

    @cached_property
    def states(self) -> Mapping[str, str]:
        """How each job ended."""
        return {name: state_of(self.job(name).state) for name in self.ids}

    @property
    def state(self) -> str:
        """How the workflow ended."""
        return state_of(self.run.workflow.state)

    @cached_property
    def lines(self) -> Mapping[str, Sequence[Line]]:
        """What each job wrote in this run."""
        found: dict[str, list[Line]] = {name: [] for name in self.ids}
        names = {job_id: name for name, job_id in self.ids.items()}
        for line in self._all_lines:
            if line.job_id in names:
                found[names[line.job_id]].append(line)
        return found

    @cached_property
    def early(self) -> frozenset[str]:
        """Those that may have ended while they waited for others."""
        return frozenset(
            name
            for name, state in self.states.items()
            if state in (CANCELLED, EXPIRED) and not self.is_doomed(name) and not self.lines[name]
        )

    @cached_property
    def kept(self) -> frozenset[str]:
        """The leaves that an earlier run was done with: those that succeeded, and those of which
        nobody waits for another outcome, since what follows them has begun.
        """
        before = self.before
        if before is None:
            return NOBODY
        names = [place.name for place in self.leaves]
        begun = {name for name in names if before.lines[name] or name in before.kept}
        passed = {name for place in self.leaves if place.name in begun for name in place.after}
        return frozenset(name for name in names if before.is_fine(name) or name in passed)

    @cached_property
    def inherited(self) -> Mapping[str, Mapping[str, str]]:
        """Of the leaves that were kept though something that they handed in did not succeed: what
        that was in the earlier run, and how it ended.
        """
        before = self.before
        if before is None:
            return {}
        found = {name: each for name, each in before.inherited.items() if name in self.kept}
        for name in self.kept - found.keys():
            handed = before.submitted.get(name, ())
            if handed and not before.is_fine(name):
                found[name] = {each: before.states[each] for each in handed}
        return found

    @cached_property
    def story(self) -> Story:
        """What must become of each step, by what became of the leaves that had their turn."""
        ends = {
            name: SUCCEEDED if self.is_doomed(name) else state
            for name, state in self.states.items()
        }
        submitted = dict(self.submitted)
        for name, handed in self.inherited.items():
            submitted[name] = list(handed)
            ends |= handed
        return predict(self.case.root, ends, self.early, submitted)

    @cached_property
    def inputs(self) -> Mapping[str, Sequence[str]]:
        """What each leaf has right before it."""
        return inputs(self.case.root)

    def job(self, name: str) -> Job:
        """What a leaf is, or what one handed in; of an earlier run where it is of that."""
        if name not in self.ids and self.before is not None:
            return self.before.job(name)
        return self.run.jobs[self.ids[name]]

    def is_fine(self, name: str) -> bool:
        """Whether a leaf has succeeded, with all that it handed in."""
        return {self.states[each] for each in (name, *self.submitted.get(name, ()))} == {SUCCEEDED}

    def is_doomed(self, name: str) -> bool:
        """Whether it was told to have ended since another one failed."""
        return self.job(name).last_failure.kind == Failure.KIND_DEPENDENCY

    def is_cancelled(self, name: str) -> bool:
        """Whether somebody asked it to end."""
        cancel = self.case.cancel if self.before is None else None
        return cancel is not None and cancel.leaf in ("", name)

    def ended_at(self, name: str) -> int:
        """In nanoseconds."""
        return self.job(name).end_time.ToNanoseconds()

    def place_of(self, job_id: str) -> str:
        """Of a job of this run, or of the ones before."""
        found = next((name for name, each in self.ids.items() if each == job_id), "")
        if not found and self.before is not None:
            found = self.before.place_of(job_id)
        return found or job_id


def runs_of(played: Played) -> Iterator[Seen]:
    """All of them, as far as they are whole, and the first one that is not."""
    before, lines = None, played.lines
    for run in played.runs:
        before = Seen(played.case, run, before, lines)
        yield before
        if not before.is_whole:
            return


def state_of(state: JobState.ValueType) -> str:
    """Its short name."""
    return JobState.Name(state).removeprefix("JOB_STATE_")
