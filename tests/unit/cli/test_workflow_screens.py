"""The table of workflows, and the tree of one."""

from __future__ import annotations

import io
from datetime import timedelta

import pytest
from rich.console import Console

from portaria.cli.workflow_screens import drawn_jobs, end_words, workflow_view, workflows_table
from portaria.v1 import job_pb2
from portaria.v1.job_pb2 import Failure, Progress
from portaria.v1.workflows_pb2 import (
    FAILURE_POLICY_ALLOW,
    FAILURE_POLICY_CONTINUE,
    FAILURE_POLICY_UNSPECIFIED,
    Workflow,
)

BLOCKED, RUNNING = job_pb2.JOB_STATE_BLOCKED, job_pb2.JOB_STATE_RUNNING
SUCCEEDED, FAILED = job_pb2.JOB_STATE_SUCCEEDED, job_pb2.JOB_STATE_FAILED
CANCELLED, CANCELLING = job_pb2.JOB_STATE_CANCELLED, job_pb2.JOB_STATE_CANCELLING
PENDING, RETRYING = job_pb2.JOB_STATE_PENDING, job_pb2.JOB_STATE_RETRYING
EXPIRED = job_pb2.JOB_STATE_EXPIRED
ID = "0190c0de-0000-7fff-8000-000000abcdef"


def drawn(renderable, width=100) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, force_terminal=False).print(renderable)
    return [line.rstrip() for line in out.getvalue().splitlines()]


@pytest.fixture
def workflow(at):
    """A chain of a job, a group, and a chord that comes last."""
    made = Workflow(
        workflow_id=ID,
        state=RUNNING,
        progress=Progress(current=4, total=6),
        create_time=at(0),
        counts=[
            Workflow.StateCount(state=SUCCEEDED, count=1),
            Workflow.StateCount(state=BLOCKED, count=1),
        ],
        labels={"team": "billing"},
    )
    add(made, "0", "", Workflow.KIND_CHAIN, RUNNING)
    add_job(made, "order", "0", SUCCEEDED)
    add(made, "0.1", "0", Workflow.KIND_GROUP, RUNNING)
    add_job(made, "pdf", "0.1", RUNNING)
    add_job(made, "excel", "0.1", FAILED, reason="NO_SPACE", policy=FAILURE_POLICY_ALLOW)
    add(made, "0.2", "0", Workflow.KIND_CHORD, BLOCKED)
    add(made, "0.2.0", "0.2", Workflow.KIND_GROUP, BLOCKED)
    add_job(made, "0.2.0.0", "0.2.0", BLOCKED, policy=FAILURE_POLICY_CONTINUE)
    add_job(made, "last", "0.2", CANCELLED, reason="DEPENDENCY_FAILED", cause="job-excel")
    return made


def add(workflow, node_id, parent, kind, state) -> None:
    workflow.nodes.add(node_id=node_id, parent=parent, kind=kind, state=state)


def add_job(
    workflow, node_id, parent, state, *, reason="", cause="", policy=FAILURE_POLICY_UNSPECIFIED
) -> None:
    workflow.nodes.add(
        node_id=node_id,
        parent=parent,
        kind=Workflow.KIND_JOB,
        state=state,
        job_id=f"job-{node_id}",
        type="acme.v1.Render",
        failure=Failure(reason=reason, cause_job_id=cause) if reason else None,
        on_failure=policy,
    )


def test_the_tree_says_how_each_step_stands(workflow, job, noon):
    """Name, type, state; attempt and progress, what failed, why another never began."""
    jobs = {
        "job-pdf": job(
            state=RUNNING, attempt=2, progress=Progress(current=43, total=100, percent=43)
        ),
        "job-excel": job(
            state=FAILED, done=True, last_failure=Failure(reason="NO_SPACE", message="disk\nfull")
        ),
    }

    lines = drawn(workflow_view(workflow, jobs, noon + timedelta(seconds=90)))

    assert lines[lines.index("") + 1 :] == [
        "0 chain  RUNNING  3 of 5 done",
        "├── order Render  SUCCEEDED",
        "├── 0.1 group  RUNNING  1 of 2 done",
        "│   ├── pdf Render  RUNNING  attempt 2  43 %",
        "│   └── excel Render, may fail  FAILED  NO_SPACE: disk full",
        "└── 0.2 chord  BLOCKED  1 of 2 done",
        "    ├── 0.2.0 group  BLOCKED  0 of 1 done",
        "    │   └── 0.2.0.0 Render, may fail and says so  BLOCKED",
        "    └── last Render  CANCELLED  not begun, since excel failed",
    ]


def test_what_is_known_of_all_of_it_stands_above(workflow, noon):
    """Without what is empty."""
    lines = drawn(workflow_view(workflow, {}, noon + timedelta(seconds=90)))

    facts = [line.split(maxsplit=1) for line in lines[: lines.index("")]]
    assert [name for name, _ in facts] == ["workflow", "state", "jobs", "created", "for", "labels"]
    assert dict(facts)["jobs"] == "4 of 6 done: 1 BLOCKED, 1 SUCCEEDED"
    assert dict(facts)["for"] == "1 min 30 s"


@pytest.mark.parametrize("width", [40, 80, 120])
def test_no_line_of_the_tree_wraps(workflow, job, noon, width):
    """What is too long is cut."""
    said = Failure(reason="NO_SPACE", message="the disk is full " * 20)
    jobs = {"job-excel": job(state=FAILED, done=True, last_failure=said)}

    lines = drawn(workflow_view(workflow, jobs, noon), width)

    assert len(lines[lines.index("") + 1 :]) == len(workflow.nodes)
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize(("count", "folded"), [(20, False), (21, True), (10_000, True)])
def test_a_large_group_is_told_by_its_counts(noon, count, folded):
    """No more than twenty steps of it are drawn one by one."""
    workflow = Workflow(workflow_id=ID)
    add(workflow, "0", "", Workflow.KIND_GROUP, RUNNING)
    for number in range(count):
        add_job(workflow, f"0.{number}", "0", RUNNING if number % 2 else SUCCEEDED)

    lines = drawn(workflow_view(workflow, {}, noon))

    half, told = count // 2, [f"job-0.{number}" for number in range(1, 20, 2)]
    assert lines[lines.index("") + 1] == f"0 group  RUNNING  {count - half:,} of {count:,} done"
    if folded:
        more = [f"└── … and {half - 10:,} more"] if half > 10 else []
        tree = lines[lines.index("") + 2 :]
        assert tree[0] == f"├── … {half:,} RUNNING, {count - half:,} SUCCEEDED"
        assert len(tree) == 11 + len(more)
        assert tree[11:] == more
        assert drawn_jobs(workflow) == told
    else:
        assert len(drawn_jobs(workflow)) == half


def many(kind, states) -> Workflow:
    """So many jobs in one step."""
    workflow = Workflow(workflow_id=ID)
    add(workflow, "0", "", kind, RUNNING)
    for number, state in enumerate(states):
        add_job(workflow, f"j{number}", "0", state, reason="BAD" if state == FAILED else "")
    return workflow


def told_of(workflow, noon) -> list[list[str]]:
    """Name and state of each step below the counts."""
    lines = drawn(workflow_view(workflow, {}, noon), width=200)
    below = lines[lines.index("") + 3 :]
    return [[word for word in line.split() if word not in ("├──", "└──")] for line in below]


def test_of_a_large_group_what_failed_and_what_goes_on_is_drawn(noon):
    """Failures first; not what is well, waits or was never begun."""
    states = [SUCCEEDED, BLOCKED, CANCELLED, PENDING, RUNNING, EXPIRED, RETRYING, CANCELLING]
    workflow = many(Workflow.KIND_GROUP, [*states, FAILED, *[SUCCEEDED] * 20])

    assert told_of(workflow, noon) == [
        ["j8", "Render", "FAILED", "BAD"],
        ["j5", "Render", "EXPIRED"],
        ["j7", "Render", "CANCELLING"],
        ["j6", "Render", "RETRYING"],
        ["j4", "Render", "RUNNING"],
    ]
    assert drawn_jobs(workflow) == ["job-j8", "job-j5", "job-j7", "job-j6", "job-j4"]


@pytest.mark.parametrize("state", ["PENDING", "SCHEDULED", "RUNNING", "RETRYING"])
def test_the_step_where_a_large_chain_stands_is_drawn(noon, state):
    """However many before it failed, as they may; of the others how many."""
    current = job_pb2.JobState.Value(f"JOB_STATE_{state}")
    states = [*[FAILED] * 30, current, *[BLOCKED] * 30]

    told = told_of(many(Workflow.KIND_CHAIN, states), noon)

    assert [name for name, *_ in told[:-1]] == [*(f"j{each}" for each in range(9)), "j30"]
    assert told[-2][2] == state
    assert told[-1] == ["…", "and", "21", "more"]


def test_what_waits_in_a_large_group_is_counted_only(noon):
    """They may be thousands."""
    assert told_of(many(Workflow.KIND_GROUP, [PENDING] * 30), noon) == []


def test_what_is_drawn_of_much_has_its_own_steps(noon):
    """The chain of a thousand that failed says where."""
    workflow = many(Workflow.KIND_GROUP, [SUCCEEDED] * 30)
    add(workflow, "bad", "0", Workflow.KIND_CHAIN, FAILED)
    add_job(workflow, "bad.0", "bad", FAILED, reason="BAD")

    assert [name for name, *_ in told_of(workflow, noon)] == ["bad", "bad.0"]


def test_only_jobs_with_more_to_tell_are_asked_for(workflow):
    """Those that wait for others, are over or never began tell nothing more."""
    assert drawn_jobs(workflow) == ["job-pdf", "job-excel"]


def test_what_its_jobs_handed_in_is_counted(workflow, noon):
    """They are no steps of it."""
    workflow.counts[0].count += 24
    workflow.counts.add(state=RUNNING, count=3)

    lines = drawn(workflow_view(workflow, {}, noon))

    assert lines[-1] == "and 26 that they handed in: 2 RUNNING, 24 SUCCEEDED"


def test_a_workflow_too_large_for_its_steps_tells_counts(workflow, noon):
    """A batch likewise, where it has none."""
    del workflow.nodes[:]

    assert drawn(workflow_view(workflow, {}, noon))[-1] == "1 BLOCKED, 1 SUCCEEDED"


def test_a_step_whose_parent_is_unknown_is_drawn_all_the_same(noon):
    """A newer door may know more."""
    workflow = Workflow(workflow_id=ID)
    add(workflow, "0", "", Workflow.KIND_CHAIN, 99)
    add_job(workflow, "child", "elsewhere", RUNNING)

    lines = drawn(workflow_view(workflow, {}, noon))

    assert lines[-2:] == ["0 chain  STATE_99  0 of 0 done", "child Render  RUNNING"]


def test_the_cause_is_told_in_words(workflow):
    """Its name and failure; of one that has no node its id; nothing where all is well."""
    assert end_words(workflow) == ""
    workflow.cause_job_id = "job-excel"
    assert end_words(workflow) == "excel Render: NO_SPACE"
    workflow.cause_job_id = "job-child"
    assert end_words(workflow) == "job job-child"


@pytest.mark.parametrize("width", [80, 120])
def test_a_line_for_each_workflow(workflow, noon, width):
    """Id, state, how many jobs are done, age; whether it is a batch, its labels."""
    batch = Workflow(
        workflow_id=ID, state=SUCCEEDED, progress=Progress(current=1_000, total=1_000), batch=True
    )

    lines = drawn(workflows_table([workflow, batch], noon + timedelta(hours=3)), width)

    assert all(len(line) <= width for line in lines)
    assert lines[0].split() == ["workflow", "state", "done", "age"]
    assert lines[1].split()[:5] == [ID, "RUNNING", "4/6", "3", "h"]
    assert lines[2].split() == [ID, "SUCCEEDED", "1,000/1,000", "batch"]
    assert width == 80 or lines[1].endswith("team=billing")
