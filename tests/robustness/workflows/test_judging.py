"""Each fault that a workflow may have is found, and none where there is none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from acme_jobs.flow.v1.flow_pb2 import FATE_HEAL, Mark, Marked
from portaria.v1.job_pb2 import Failure, Job, JobState
from portaria.v1.workflows_pb2 import FAILURE_POLICY_ALLOW, SubmitWorkflowRequest, Workflow
from robustness.watched import Watch
from robustness.workflows.growing import AT_FAILURE, AT_SUCCESS, Case
from robustness.workflows.judging import faults
from robustness.workflows.model import places, predict
from robustness.workflows.playing import Played, Run
from robustness.workflows.steps import chain, group, inscribe, leaf, spec_of

_STATES = {name.removeprefix("JOB_STATE_"): state for name, state in JobState.items()}
Forge = Callable[[Played], object]


def _sound(folder: Path) -> Played:
    """group(chain(ok, heal, ok), chain(ok, ok)?), retried: the second run heals."""
    spared = chain(leaf(), leaf())
    spared.on_failure = FAILURE_POLICY_ALLOW
    root = group(chain(leaf(), leaf(FATE_HEAL), leaf()), spared)
    diary = str(folder / "diary")
    inscribe(root, diary)
    request = SubmitWorkflowRequest(root=root, request_id="r")
    for name, hook in ((AT_SUCCESS, request.on_success), (AT_FAILURE, request.on_failure)):
        hook.CopyFrom(spec_of(Mark(name=name, diary=diary)))
    played = Played(Case(request, diary, frozenset({AT_SUCCESS, AT_FAILURE}), is_retried=True))
    names = ["0.0.0", "0.0.1", "0.0.2", "0.1.0", "0.1.1"]
    first = dict.fromkeys(names, "SUCCEEDED") | {"0.0.1": "FAILED"}
    played.runs = [_run(played, "a", first), _run(played, "b", dict.fromkeys(names, "SUCCEEDED"))]
    ran = ["0.1.0", "0.0.0", "0.1.1", "-0.0.1", f"h{AT_FAILURE}"]
    lines = [*_lines("a", ran), *_lines("b", ["0.0.1", "0.0.2", f"h{AT_SUCCESS}"])]
    for job in played.runs[1].jobs.values():
        job.attempt = int(job.node_id in ("0.0.1", "0.0.2"))
    Path(diary).write_text("".join(lines))
    return played


def _lines(run: str, ran: list[str]) -> list[str]:
    found = []
    for each in ran:
        name = each.lstrip("-h")
        job_id = f"{run}{name}"
        found += [
            f"begin {name} {job_id} 1\n",
            f"{'fail' if each[0] == '-' else 'end'} {name} {job_id} 1\n",
        ]
    return found


def _run(played: Played, number: str, ends: dict[str, str]) -> Run:
    """As the door would tell it."""
    root = played.case.root
    story = predict(root, ends)
    workflow = Workflow(workflow_id=number, done=True)
    workflow.end_time.FromSeconds(100)
    run = Run(workflow, Watch("", ()))
    for at, place in enumerate(places(root), 1):
        (state,) = story.states[place.name]
        node = workflow.nodes.add(node_id=place.name, parent=place.parent, state=_STATES[state])
        node.kind = Workflow.Kind.Value(f"KIND_{(place.step.WhichOneof('step') or '').upper()}")
        if place.is_leaf:
            node.job_id = f"{number}{place.name}"
            job = Job(job_id=node.job_id, node_id=place.name, state=node.state, done=True)
            job.end_time.FromSeconds(at)
            job.attempt = int(place.name not in story.stopped)
            _end(job, story.stopped.get(place.name, frozenset()), place.name)
            node.failure.CopyFrom(job.last_failure)
            run.jobs[job.job_id] = job
    (state,) = story.state
    workflow.state = _STATES[state]
    for cause in story.counting:
        workflow.cause_job_id = f"{number}{cause}"
    for told, count in Counter(job.state for job in run.jobs.values()).items():
        workflow.counts.add(state=told, count=count)
    workflow.progress.current = workflow.progress.total = len(run.jobs)
    return run


def _end(job: Job, causes: frozenset[str], name: str) -> None:
    if causes:
        (cause,) = causes
        job.last_failure.kind = Failure.KIND_DEPENDENCY
        job.last_failure.reason = "DEPENDENCY_FAILED"
        job.last_failure.cause_job_id = f"{job.job_id.removesuffix(name)}{cause}"
    elif job.state == JobState.JOB_STATE_FAILED:
        job.last_failure.kind, job.last_failure.reason = Failure.KIND_PERMANENT, "FLOW_FAILURE"
    else:
        job.result.Pack(Marked(name=name))


def _job(name: str, run: int = 0) -> Callable[[Played], Job]:
    return lambda played: played.runs[run].jobs[f"{'ab'[run]}{name}"]


def _write(change: Callable[[str], str]) -> Forge:
    def forge(played: Played) -> None:
        path = Path(played.case.diary)
        path.write_text(change(path.read_text()))

    return forge


def _set(of: Callable[[Played], object], **fields: object) -> Forge:
    def forge(played: Played) -> None:
        for name, value in fields.items():
            setattr(of(played), name, value)

    return forge


def _state(name: str, state: str, run: int = 0) -> Forge:
    def forge(played: Played) -> None:
        _job(name, run)(played).state = _STATES[state]
        for node in played.runs[run].workflow.nodes:
            if node.node_id == name:
                node.state = _STATES[state]

    return forge


def _workflow(played: Played) -> Workflow:
    return played.runs[0].workflow


def _look(played: Played) -> None:
    look = Workflow()
    look.CopyFrom(played.runs[0].workflow)
    look.nodes[2].state = JobState.JOB_STATE_RUNNING
    played.runs[0].looks.append(look)


NEXT = "begin 0.1.1 a0.1.1 1\n"
END = "end 0.0.0 a0.0.0 1\n"
FORGED: dict[str, tuple[Forge, str]] = {
    "not over": (_set(lambda played: played, error="not over"), "not over"),
    "a leaf that must fail": (_state("0.0.1", "SUCCEEDED"), "0.0.1: SUCCEEDED, wanted FAILED"),
    "a leaf that must succeed": (_state("0.1.0", "FAILED"), "0.1.0: FAILED, wanted SUCCEEDED"),
    "cancelled by nobody": (_state("0.1.1", "CANCELLED"), "0.1.1: CANCELLED, wanted SUCCEEDED"),
    "not stopped": (_state("0.0.2", "SUCCEEDED"), "though stopped by"),
    "stopped by another one": (
        lambda played: _set(lambda p: _job("0.0.2")(p).last_failure, cause_job_id="a0.0.0")(played),
        "stopped by 0.0.0, not",
    ),
    "stopped by nobody": (
        lambda played: _job("0.0.2")(played).ClearField("last_failure"),
        "0.0.2: CANCELLED, wanted",
    ),
    "stopped, and should not be": (
        lambda played: _end(_job("0.1.1")(played), frozenset({"0.1.0"}), "0.1.1"),
        "ended as if 0.1.0",
    ),
    "failed for another reason": (
        lambda played: _set(lambda p: _job("0.0.1")(p).last_failure, reason="OTHER")(played),
        "failed for another reason",
    ),
    "another one's result": (
        lambda played: _job("0.0.0")(played).result.Pack(Marked(name="0.1.0")), "the result of",
    ),
    "a body that ran twice": (
        _write(lambda text: text + "begin 0.0.0 a0.0.0 2\n" + END), "ran [1, 2",
    ),
    "a body that ran as another job, too": (
        _write(lambda text: text + "begin 0.0.0 x0.0.0 1\n"), "0.0.0: 1 jobs, 0 of them over",
    ),
    "a body that never ran": (
        _write(lambda text: text.replace("begin 0.0.0 a0.0.0 1\n" + END, "")), "ran [], wanted [1]",
    ),
    "a body that never ended": (_write(lambda text: text.replace(END, "")), "its body did not"),
    "a body that never should have begun": (
        _write(lambda text: text + "begin 0.0.2 a0.0.2 1\n"), "never should have begun",
    ),
    "a body of the first run that ran again": (
        _write(lambda text: text + "begin 0.0.0 b0.0.0 1\n"), "never should have begun",
    ),
    "begun before what it waits for": (
        _write(lambda text: text.replace(END, "").replace("fail 0.0.1", END + "fail 0.0.1")),
        "before 0.0.0 had ended",
    ),
    "read too little": (
        _write(lambda text: text.replace(NEXT, f"{NEXT}read 0.1.1 a0.1.1 1 -\n")),
        "read -, wanted 0.1.0",
    ),
    "a hook that never ran": (
        _write(lambda text: "".join(x for x in text.splitlines(True) if AT_FAILURE not in x)),
        f"{AT_FAILURE}: 0 jobs",
    ),
    "a hook that ran twice": (
        _write(lambda text: text + f"begin {AT_FAILURE} x 1\nend {AT_FAILURE} x 1\n"),
        f"{AT_FAILURE}: 2 jobs",
    ),
    "the wrong state": (
        _set(_workflow, state=JobState.JOB_STATE_SUCCEEDED), "SUCCEEDED, wanted FAILED",
    ),
    "the wrong cause": (_set(_workflow, cause_job_id="a0.1.0"), "FAILED by 0.1.0"),
    "no cause": (_set(_workflow, cause_job_id=""), "FAILED by nobody"),
    "a cause of nothing": (
        _set(lambda played: played.runs[1].workflow, cause_job_id="b0.0.0"), "and yet by",
    ),
    "not done": (_set(_workflow, done=False), "not done"),
    "done in mid-run": (_look, "done in mid-run"),
    "wrong counts": (lambda played: _workflow(played).counts.pop(), "counts"),
    "wrong progress": (
        lambda played: _set(lambda p: _workflow(p).progress, current=1)(played), "progress 1/5",
    ),
    "a missing node": (lambda played: _workflow(played).nodes.pop(), "7 nodes"),
    "a node of another step": (
        lambda played: _set(lambda p: _workflow(p).nodes[2], parent="0")(played), "its node is",
    ),
    "a chain that has not failed": (
        lambda played: _set(lambda p: _workflow(p).nodes[1], state=_STATES["SUCCEEDED"])(played),
        "0.0: SUCCEEDED, wanted FAILED",
    ),
    "a retry that was refused": (
        lambda played: (played.runs.pop(), _set(lambda p: p, retry_refused="no")(played)),
        "retry of a workflow",
    ),
}  # fmt: skip


def test_a_sound_workflow_has_no_faults(tmp_path: Path) -> None:
    """One that fails, and heals when it is tried again."""
    assert faults(_sound(tmp_path)) == []


@pytest.mark.parametrize("name", FORGED)
def test_a_forged_fault_is_found(name: str, tmp_path: Path) -> None:
    """Whatever is forged into a sound story is told."""
    played = _sound(tmp_path)
    forge, expected = FORGED[name]

    forge(played)

    found = faults(played)
    assert any(expected in fault for fault in found), found
