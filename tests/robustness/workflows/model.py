"""What becomes of a workflow, by its steps and by what its leaves come to: in plain memory.

Steps are called by their places: "0" is the root, "0.2" its third child; a chord has its header at
".0" and its body at ".1".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field

from portaria.v1.workflows_pb2 import (
    FAILURE_POLICY_ALLOW,
    FAILURE_POLICY_CONTINUE,
    FAILURE_POLICY_FAIL,
    FailurePolicy,
    Step,
)

SUCCEEDED, FAILED, CANCELLED, EXPIRED = "SUCCEEDED", "FAILED", "CANCELLED", "EXPIRED"
NOBODY: frozenset[str] = frozenset()
_SPARING = (FAILURE_POLICY_ALLOW, FAILURE_POLICY_CONTINUE)


@dataclass(frozen=True, slots=True)
class Place:
    """A step, and where it stands."""

    name: str
    step: Step
    parent: str
    after: frozenset[str]
    """The leaves that must be over before it begins."""

    @property
    def is_leaf(self) -> bool:
        """Whether it is a job."""
        return self.step.WhichOneof("step") == "job"


@dataclass(slots=True)
class Story:
    """What becomes of each step. Where order decides, several things may."""

    states: dict[str, frozenset[str]] = field(default_factory=dict)
    """place -> the states in which it may end."""
    stopped: dict[str, frozenset[str]] = field(default_factory=dict)
    """place -> the leaves of which one is the cause that it never began, where it never did."""
    causes: dict[str, frozenset[str]] = field(default_factory=dict)
    """place -> the leaves of which one is the cause of its failure, of steps that fail."""
    submitted: Mapping[str, Sequence[str]] = field(default_factory=dict)
    counting: frozenset[str] = NOBODY
    """Of the root's causes: none where the workflow has not failed."""

    @property
    def state(self) -> frozenset[str]:
        """In which of them the workflow ends."""
        return _state_of(self, self.counting)


def children(step: Step, name: str) -> Sequence[tuple[str, Step]]:
    """What a step holds, in order."""
    match step.WhichOneof("step"):
        case "chain":
            held = list(step.chain.steps)
        case "group":
            held = list(step.group.steps)
        case "chord":
            held = [Step(group=step.chord.header), step.chord.body]
        case _:
            held = []
    return [(f"{name}.{number}", each) for number, each in enumerate(held)]


def places(root: Step) -> list[Place]:
    """All steps, depth-first, each before what it holds."""
    return list(_places(root, "0", "", NOBODY))


def predict(
    root: Step,
    ends: Mapping[str, str],
    early: Set[str] = NOBODY,
    submitted: Mapping[str, Sequence[str]] = {},
) -> Story:
    """From the state that each leaf comes to when its turn comes.

    `submitted` are the jobs that a leaf has handed in: what follows it waits for them, too, and
    their failures are its own.

    Leaves in `early` ended out of their turn, as one that was cancelled while it waited: they may
    be the cause of what follows them, whatever else failed before their turn.
    """
    story = Story(submitted=submitted)
    story.counting = _counting(root, _run(story, ends, early, root, "0", NOBODY))
    return story


def inputs(root: Step) -> Mapping[str, Sequence[str]]:
    """leaf -> the leaves right before it, in order: those with which the step before it ends."""
    found: dict[str, Sequence[str]] = {}
    _exits(root, "0", (), found)
    return found


def policy(root: Step, name: str) -> FailurePolicy.ValueType:
    """What counts of a leaf's failure for what reads of it: its own policy, or that of the first
    step around it that spares it; whether it began or not.
    """
    by_name = {place.name: place for place in places(root)}
    while name:
        step = by_name[name].step
        if step.on_failure in _SPARING:
            return step.on_failure
        name = by_name[name].parent
    return FAILURE_POLICY_FAIL


def _exits(
    step: Step, name: str, before: Sequence[str], found: dict[str, Sequence[str]]
) -> Sequence[str]:
    """Notes what the leaves of a step have before them; answers those with which it ends."""
    if step.WhichOneof("step") == "job":
        found[name] = before
        return [name]
    if step.WhichOneof("step") == "group":
        ends = [_exits(each, child, before, found) for child, each in children(step, name)]
        return [leaf for end in ends for leaf in end]
    for child, each in children(step, name):
        before = _exits(each, child, before, found)
    return before


def _places(step: Step, name: str, parent: str, after: frozenset[str]) -> Iterator[Place]:
    yield Place(name, step, parent, after)
    for child, each in children(step, name):
        below = list(_places(each, child, name, after))
        yield from below
        if step.WhichOneof("step") != "group":
            after |= {place.name for place in below if place.is_leaf}


def _run(
    story: Story,
    ends: Mapping[str, str],
    early: Set[str],
    step: Step,
    name: str,
    stopped: frozenset[str],
) -> frozenset[str]:
    """The leaves of which one is the cause that it has failed; none where it has not, and of one
    that never began those that ended out of turn.
    """
    if step.WhichOneof("step") == "job":
        if stopped and name not in early:
            story.states[name], story.stopped[name] = frozenset({CANCELLED}), stopped
            return NOBODY
        own = [name, *story.submitted.get(name, ())]
        story.states |= {each: frozenset({ends[each]}) for each in own}
        return frozenset(each for each in own if ends[each] != SUCCEEDED)
    failed = NOBODY
    for child, each in children(step, name):
        # After its first failed step nothing of a chain begins.
        before = stopped if step.WhichOneof("step") == "group" else stopped | failed
        failed |= _counting(each, _run(story, ends, early, each, child, before))
    if not stopped or any(leaf.startswith(f"{name}.") for leaf in early):
        story.states[name] = _state_of(story, failed)
    if stopped:
        story.states[name] = story.states.get(name, NOBODY) | {CANCELLED}
        story.stopped[name] = stopped
    if failed:
        story.causes[name] = failed
    return failed


def _counting(step: Step, failed: frozenset[str]) -> frozenset[str]:
    """What of a step's failure is one to what holds it."""
    return NOBODY if step.on_failure in _SPARING else failed


def _state_of(story: Story, failed: frozenset[str]) -> frozenset[str]:
    if not failed:
        return frozenset({SUCCEEDED})
    return frozenset(CANCELLED if story.states[leaf] == {CANCELLED} else FAILED for leaf in failed)
