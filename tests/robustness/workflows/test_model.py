"""The model says what the contract says, on workflows that a person can follow."""

from __future__ import annotations

import pytest

from acme_jobs.flow.v1.flow_pb2 import FATE_FAIL
from portaria.v1.workflows_pb2 import (
    FAILURE_POLICY_ALLOW,
    FAILURE_POLICY_CONTINUE,
    FAILURE_POLICY_FAIL,
    FailurePolicy,
    Step,
)
from robustness.workflows.model import inputs, places, policy, predict
from robustness.workflows.steps import chain, chord, group, leaf, text_of

A = leaf()
_ENDS = {"s": "SUCCEEDED", "f": "FAILED", "c": "CANCELLED", "x": "EXPIRED"}


def _allow(step: Step) -> Step:
    return _with(step, FAILURE_POLICY_ALLOW)


def _go_on(step: Step) -> Step:
    return _with(step, FAILURE_POLICY_CONTINUE)


def _with(step: Step, policy: FailurePolicy.ValueType) -> Step:
    made = Step()
    made.CopyFrom(step)
    made.on_failure = policy
    return made


# What it is; what each leaf comes to in its turn; which of them never begin and why, as "leaf<cause
# cause"; the states in which the workflow may end, and its causes.
TABLE = {
    "a job": (A, "s", "", "s"),
    "a job that fails": (A, "f", "", "f 0"),
    "a job that is cancelled": (A, "c", "", "c 0"),
    "a job that expires": (A, "x", "", "f 0"),
    "a job whose failure is none": (_allow(A), "f", "", "s"),
    "a chain": (chain(A, A, A), "sss", "", "s"),
    "a chain stops at its first failed step": (chain(A, A, A, A), "sfss", "2<1 3<1", "f 1"),
    "a chain whose last step fails": (chain(A, A), "sf", "", "f 1"),
    "a chain with a step that was cancelled": (chain(A, A, A), "scs", "2<1", "c 1"),
    "a cancelled step that another failure stops": (chain(A, A, A), "fcs", "1<0 2<0", "f 0"),
    "a chain goes on after a failure that is none": (chain(A, _allow(A), A), "sfs", "", "s"),
    "a chain goes on with a failure": (chain(_go_on(A), A, A), "fsf", "", "f 2"),
    "a group lets all end": (group(A, A, A), "fss", "", "f 0"),
    "a group fails by any of two": (group(A, A, A), "fsf", "", "f 0 2"),
    "a group fails or was cancelled": (group(A, A), "fc", "", "cf 0 1"),
    "a group with failures that are none": (group(_allow(A), _go_on(A)), "ff", "", "s"),
    "a group's failure that is none": (chain(_allow(group(A, A)), A), "ffs", "", "s"),
    "a chord": (chord(A, A, A), "sss", "", "s"),
    "a chord whose header fails": (chord(A, A, A), "sfs", "2<1", "f 1"),
    "a chord's body fails": (chord(A, A, A), "ssf", "", "f 2"),
    "a chord whose header may": (chord(_allow(A), A, A), "fss", "", "s"),
    "a failed chain stops what follows it": (chain(chain(A, A), A), "fss", "1<0 2<0", "f 0"),
    "a failed chain that may": (chain(_allow(chain(A, A)), A), "fss", "1<0", "s"),
    "a group of chains": (group(chain(A, A), chain(A, A)), "fsss", "1<0", "f 0"),
    "whatever a stopped step holds never begins": (
        chain(A, group(A, chain(A, A)), A), "fssss", "1<0 2<0 3<0 4<0", "f 0",
    ),
    "one of several causes": (
        chain(group(chain(A, A), _allow(A), A), A), "fsffs", "1<0 4<0 3", "f 0 3",
    ),
    "a chord in a chord": (chord(chord(A, A), A, chain(A, A)), "sfsss", "3<1 4<1", "f 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", TABLE)
def test_what_becomes_of_a_workflow(name: str) -> None:
    """Each leaf, and the whole."""
    root, ends, never, whole = TABLE[name]
    leaves = [place.name for place in places(root) if place.is_leaf]

    story = predict(root, {leaf: _ENDS[end] for leaf, end in zip(leaves, ends, strict=True)})

    told = {
        f"{number}<{' '.join(str(leaves.index(each)) for each in sorted(story.stopped[name]))}"
        for number, name in enumerate(leaves)
        if name in story.stopped
    }
    stopped = set(_entries(never))
    states, *causes = whole.split()
    assert told == stopped
    assert story.state == {_ENDS[each] for each in states}
    assert story.counting == {leaves[int(each)] for each in causes}
    for number, leaf_name in enumerate(leaves):
        begun = leaf_name not in story.stopped
        assert story.states[leaf_name] == {_ENDS[ends[number]] if begun else "CANCELLED"}


def test_what_a_step_waits_for() -> None:
    """All that stands before it, in whatever holds it."""
    root = chain(A, group(A, chain(A, A)), chord(A, A))

    after = {place.name: sorted(place.after) for place in places(root) if place.is_leaf}

    assert after == {
        "0.0": [],
        "0.1.0": ["0.0"],
        "0.1.1.0": ["0.0"],
        "0.1.1.1": ["0.0", "0.1.1.0"],
        "0.2.0.0": ["0.0", "0.1.0", "0.1.1.0", "0.1.1.1"],
        "0.2.1": ["0.0", "0.1.0", "0.1.1.0", "0.1.1.1", "0.2.0.0"],
    }


def test_what_a_step_reads() -> None:
    """Those with which the step right before it ends, in order."""
    root = chain(A, group(A, chain(A, A), chord(A, A)), group(A, chain(A, A)))

    found = {name: list(before) for name, before in inputs(root).items() if before}

    last = ["0.1.0", "0.1.1.1", "0.1.2.1"]
    assert found == {
        "0.1.0": ["0.0"],
        "0.1.1.0": ["0.0"],
        "0.1.1.1": ["0.1.1.0"],
        "0.1.2.0.0": ["0.0"],
        "0.1.2.1": ["0.1.2.0.0"],
        "0.2.0": last,
        "0.2.1.0": last,
        "0.2.1.1": ["0.2.1.0"],
    }


def test_what_counts_of_a_failure() -> None:
    """What the step itself says, before what holds it."""
    root = chain(_allow(chain(_go_on(A), A)), A)

    found = {name: policy(root, name) for name in ("0.0.0", "0.0.1", "0.1")}

    assert found == {
        "0.0.0": FAILURE_POLICY_CONTINUE,
        "0.0.1": FAILURE_POLICY_ALLOW,
        "0.1": FAILURE_POLICY_FAIL,
    }


def test_jobs_that_end_out_of_turn() -> None:
    """May be the cause of what follows them, though another one failed before their turn."""
    root = chain(A, A, A)
    ends = {"0.0": "FAILED", "0.1": "CANCELLED", "0.2": "SUCCEEDED"}

    story = predict(root, ends, early={"0.1"})

    assert story.stopped == {"0.2": {"0.0", "0.1"}}
    assert story.state == {"FAILED", "CANCELLED"}


def test_composite_steps_end_too() -> None:
    """As what they hold, whatever that means to what holds them."""
    root = chain(_allow(group(A, A)), chain(A, A))

    story = predict(root, {"0.0.0": "FAILED", "0.0.1": "CANCELLED", "0.1.0": "SUCCEEDED",
                           "0.1.1": "FAILED"})  # fmt: skip

    assert story.states["0.0"] == {"FAILED", "CANCELLED"}
    assert story.causes["0.0"] == {"0.0.0", "0.0.1"}
    assert story.states["0.1"] == story.states["0"] == {"FAILED"}


def test_a_workflow_can_be_read() -> None:
    """In one line."""
    root = chain(A, _allow(group(leaf(FATE_FAIL), _go_on(A))), chord(A, A))

    assert text_of(root) == "chain(ok, group(fail, ok!)?, chord(group(ok), ok))"


def _entries(text: str) -> list[str]:
    """ "1<0 4<0 3" is two entries: the second has two causes."""
    found: list[str] = []
    for word in text.split():
        if "<" in word:
            found.append(word)
        else:
            found[-1] += f" {word}"
    return found
