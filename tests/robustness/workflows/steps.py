"""Steps as tests write them down, and as failures show them: chain(ok, group(fail?, slow), ok)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from acme_jobs.flow.v1.flow_pb2 import (
    FATE_ERROR,
    FATE_FAIL,
    FATE_FAIL_ONCE,
    FATE_HEAL,
    FATE_UNSPECIFIED,
    Fate,
    Mark,
)
from portaria.v1.job_pb2 import JobSpec
from portaria.v1.workflows_pb2 import (
    FAILURE_POLICY_ALLOW,
    FAILURE_POLICY_CONTINUE,
    Chain,
    Chord,
    Group,
    Step,
)
from robustness.workflows.model import children, places

_WORDS: dict[Fate.ValueType, str] = {
    FATE_UNSPECIFIED: "ok",
    FATE_FAIL_ONCE: "once",
    FATE_FAIL: "fail",
    FATE_ERROR: "error",
    FATE_HEAL: "heal",
}
_MARKS = {FAILURE_POLICY_ALLOW: "?", FAILURE_POLICY_CONTINUE: "!"}


def leaf(fate: Fate.ValueType = FATE_UNSPECIFIED, *, pause: timedelta = timedelta()) -> Step:
    """A job that has no name and no diary yet; see `inscribe`."""
    return Step(job=spec_of(Mark(fate=fate), pause))


def chain(*steps: Step) -> Step:
    """One after the other."""
    return Step(chain=Chain(steps=steps))


def group(*steps: Step) -> Step:
    """All at once."""
    return Step(group=Group(steps=steps))


def chord(*steps: Step) -> Step:
    """The last one after all the others."""
    return Step(chord=Chord(header=Group(steps=steps[:-1]), body=steps[-1]))


def spec_of(mark: Mark, pause: timedelta = timedelta()) -> JobSpec:
    """A job."""
    if pause:
        mark.pause.FromTimedelta(pause)
    spec = JobSpec()
    spec.payload.Pack(mark)
    return spec


def mark_of(spec: JobSpec) -> Mark:
    """What a job was made of."""
    mark = Mark()
    spec.payload.Unpack(mark)
    return mark


def steps_of(step: Step) -> Iterator[Step]:
    """All that can have a name: a chord's header is none of them. To be changed in place."""
    yield step
    kind = step.WhichOneof("step")
    if kind == "chord":
        held = [*step.chord.header.steps, step.chord.body]
    else:
        held = list((step.chain if kind == "chain" else step.group).steps) if kind != "job" else []
    for each in held:
        yield from steps_of(each)


def inscribe(root: Step, diary: str) -> None:
    """Gives each leaf its place as its name, and the diary to write into."""
    leaves = (step for step in steps_of(root) if step.WhichOneof("step") == "job")
    names = (place.name for place in places(root) if place.is_leaf)
    for step, name in zip(leaves, names, strict=True):
        mark = mark_of(step.job)
        mark.name, mark.diary = name, diary
        step.job.payload.Pack(mark)


def text_of(step: Step, name: str = "0") -> str:
    """For people: fates, "~" where there is work, "^" where there are hooks, "+2fail" where a job
    hands in two, of which the last one fails; "?" for ALLOW and "!" for CONTINUE.
    """
    kind, mark = step.WhichOneof("step"), _MARKS.get(step.on_failure, "")
    if kind == "job":
        job = mark_of(step.job)
        more = "~" * job.HasField("pause") + "^" * _is_hooked(step)
        if job.children:
            more += f"+{job.children}" + _WORDS[job.last_fate].replace("ok", "")
        return _WORDS[job.fate] + more + mark
    held = ", ".join(text_of(each, child) for child, each in children(step, name))
    return f"{kind}({held}){mark}"


def _is_hooked(step: Step) -> bool:
    options = step.job.options
    return any(options.HasField(name) for name in ("on_success", "on_failure", "on_retry"))
