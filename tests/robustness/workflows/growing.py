"""Random workflows, and what is done to them: the same from the same randomness."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from random import Random

from acme_jobs.flow.v1.flow_pb2 import (
    FATE_ERROR,
    FATE_FAIL,
    FATE_FAIL_ONCE,
    FATE_HEAL,
    FATE_UNSPECIFIED,
    Mark,
)
from portaria.v1.job_pb2 import Priority
from portaria.v1.workflows_pb2 import (
    FAILURE_POLICY_ALLOW,
    FAILURE_POLICY_CONTINUE,
    FAILURE_POLICY_FAIL,
    FAILURE_POLICY_UNSPECIFIED,
    Step,
    SubmitWorkflowRequest,
)
from robustness.workflows.model import places
from robustness.workflows.steps import (
    chain,
    chord,
    group,
    inscribe,
    leaf,
    mark_of,
    spec_of,
    steps_of,
    text_of,
)

MOST_LEAVES, DEEPEST = 40, 5
AT_SUCCESS, AT_FAILURE, AT_RETRY = "@success", "@failure", "@retry"
"""Under these names a workflow's hooks write into its diary; a job's, after its place."""
_FATES = (FATE_UNSPECIFIED, FATE_FAIL_ONCE, FATE_FAIL, FATE_ERROR, FATE_HEAL)
_FATE_WEIGHTS = (40, 4, 3, 1, 4)
_POLICIES = (
    FAILURE_POLICY_UNSPECIFIED, FAILURE_POLICY_FAIL, FAILURE_POLICY_ALLOW, FAILURE_POLICY_CONTINUE,
)  # fmt: skip
_POLICY_WEIGHTS = (5, 1, 2, 2)


@dataclass(frozen=True, slots=True)
class Cancel:
    """What is cancelled, and when."""

    leaf: str = ""
    """Its place; all of the workflow where it is empty."""
    after: int = 0
    """As soon as so many jobs have ended."""
    force: bool = False


@dataclass(frozen=True, slots=True, repr=False)
class Case:
    """One workflow, and what is done to it."""

    request: SubmitWorkflowRequest
    diary: str
    """The file that its jobs write into."""
    hooks: frozenset[str] = frozenset()
    """The names of all, those of its jobs included."""
    cancel: Cancel | None = None
    is_retried: bool = False
    """Where it does not succeed."""
    from_cursor: bool = False
    """It is watched from the cursor of the answer on, instead of from a snapshot."""
    limit: timedelta | None = None
    """From its submission to its deadline."""

    @property
    def root(self) -> Step:
        """Its steps."""
        return self.request.root

    def __repr__(self) -> str:
        words = [text_of(self.root)]
        if self.cancel is not None:
            what = self.cancel.leaf or "all"
            force = ", force" * self.cancel.force
            words.append(f"cancel {what} after {self.cancel.after}{force}")
        words += ["retried"] * self.is_retried + ["from its cursor"] * self.from_cursor
        words += [f"limit {self.limit}"] * (self.limit is not None)
        words += [f"with {name}" for name in sorted(self.hooks) if name.startswith("@")]
        return "; ".join(words)


def grow(rng: Random, request_id: str, diary: str, *, has_limits: bool = True) -> Case:
    """One workflow whose jobs write into `diary`; with `has_limits` it may have a deadline."""
    count = rng.choice((1, 2, 3, 4, 6, 8, 12, 20, MOST_LEAVES))
    root = _step(rng, count, DEEPEST)
    inscribe(root, diary)
    request = SubmitWorkflowRequest(root=root, request_id=request_id)
    hooks = set(_hook(rng, request.root, diary))
    for name, hook in ((AT_SUCCESS, request.on_success), (AT_FAILURE, request.on_failure)):
        if rng.randrange(3) > 0:
            hook.CopyFrom(spec_of(Mark(name=name, diary=diary)))
            hooks.add(name)
    _let_do(rng, request.root)
    if rng.randrange(3) == 1:
        _name(rng, request.root)
    deed = rng.randrange(12)
    return Case(
        request,
        diary,
        hooks=frozenset(hooks),
        cancel=_cancel(rng, request.root) if deed in (1, 2, 3) else None,
        is_retried=rng.randrange(2) == 1,
        from_cursor=rng.randrange(2) == 1,
        limit=timedelta(milliseconds=rng.randrange(50, 300)) if deed == 4 and has_limits else None,
    )


def _step(rng: Random, leaves: int, depth: int) -> Step:
    """With so many leaves, so deep at the most."""
    is_leaf = leaves == 1 and (depth == 0 or rng.randrange(4) < 3)
    step = _leaf(rng) if is_leaf else _composite(rng, leaves, depth)
    (step.on_failure,) = rng.choices(_POLICIES, _POLICY_WEIGHTS)
    return step


def _composite(rng: Random, leaves: int, depth: int) -> Step:
    make = rng.choice((chain, group, chord) if leaves > 1 else (chain, group))
    # A chord's header is a step, too.
    below = depth - 1 - (make is chord and depth > 1)
    parts = [1] * leaves if below <= 0 else _parts(rng, leaves, least=2 if make is chord else 1)
    return make(*[_step(rng, part, max(0, below)) for part in parts])


def _parts(rng: Random, leaves: int, least: int) -> list[int]:
    """Shares them out among some steps."""
    count = rng.randint(least, min(leaves, 6))
    cuts = sorted(rng.sample(range(1, leaves), count - 1))
    return [end - start for start, end in zip([0, *cuts], [*cuts, leaves], strict=True)]


def _leaf(rng: Random) -> Step:
    (fate,) = rng.choices(_FATES, _FATE_WEIGHTS)
    is_slow = rng.randrange(8) == 1
    made = leaf(fate, pause=timedelta(milliseconds=rng.randrange(10, 60) if is_slow else 0))
    if rng.randrange(4) == 1:
        made.job.options.priority = rng.choice(
            (Priority.PRIORITY_LOW, Priority.PRIORITY_HIGH, Priority.PRIORITY_CRITICAL)
        )
    return made


def _name(rng: Random, root: Step) -> None:
    """Gives some steps names of their own."""
    for number, step in enumerate(steps_of(root)):
        if rng.randrange(2) == 1:
            step.node_id = f"n{number}"


def _let_do(rng: Random, root: Step) -> None:
    """Has some jobs look at what those before them returned, and some hand in others."""
    for step in steps_of(root):
        if step.WhichOneof("step") != "job":
            continue
        mark = mark_of(step.job)
        mark.reads = rng.randrange(2) == 1
        if rng.randrange(10) == 1:
            mark.children = rng.randint(1, 3)
            mark.last_fate = FATE_FAIL if rng.randrange(4) == 1 else FATE_UNSPECIFIED
        step.job.payload.Pack(mark)


def _hook(rng: Random, root: Step, diary: str) -> Iterator[str]:
    """Gives some jobs hooks of their own; their names."""
    for step in steps_of(root):
        if step.WhichOneof("step") != "job" or rng.randrange(6) != 1:
            continue
        name, options = mark_of(step.job).name, step.job.options
        for suffix, hook in (
            (AT_SUCCESS, options.on_success),
            (AT_FAILURE, options.on_failure),
            (AT_RETRY, options.on_retry),
        ):
            hook.CopyFrom(spec_of(Mark(name=name + suffix, diary=diary)))
            yield name + suffix


def _cancel(rng: Random, root: Step) -> Cancel:
    leaves = [place for place in places(root) if place.is_leaf]
    waiting = [place.name for place in leaves if place.after]
    if waiting and rng.randrange(2) == 1:
        return Cancel(rng.choice(waiting))
    return Cancel(after=rng.randrange(len(leaves)), force=rng.randrange(2) == 1)
