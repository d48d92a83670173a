"""What speaks against a workflow that was played: each fault in a line, with the step's place."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from portaria.v1.workflows_pb2 import Workflow
from robustness.stream import TERMINAL
from robustness.workflows.hooks import of_hooks
from robustness.workflows.leaves import LeafJudge
from robustness.workflows.model import CANCELLED, FAILED, NOBODY, SUCCEEDED
from robustness.workflows.playing import Played
from robustness.workflows.seen import Seen, runs_of, state_of
from robustness.workflows.submitted import of_submitted

_KINDS = {
    "": Workflow.KIND_UNSPECIFIED,
    "job": Workflow.KIND_JOB,
    "chain": Workflow.KIND_CHAIN,
    "group": Workflow.KIND_GROUP,
    "chord": Workflow.KIND_CHORD,
}


def faults(played: Played, *, kills: bool = False) -> list[str]:
    """All of them; none where everything is as it must be. `kills`: bodies may be broken off."""
    if played.error:
        return [played.error]
    runs = list(runs_of(played))
    found = [
        f"run {number}: {fault}"
        for number, seen in enumerate(runs, 1)
        for fault in (_of_run(seen, kills=kills) if seen.is_whole else _not_whole(seen))
    ]
    if all(seen.is_whole for seen in runs):
        found += of_hooks(runs, played.lines)
    return [*found, *_of_retry(played)]


def _not_whole(seen: Seen) -> list[str]:
    return [f"{len(seen.run.workflow.nodes)} nodes, {len(seen.run.jobs)} jobs"]


def _of_run(seen: Seen, *, kills: bool) -> Iterator[str]:
    yield from _nodes(seen)
    yield from _looks(seen)
    for place in seen.leaves:
        judge = LeafJudge(seen, place, kills=kills)
        yield from (f"{place.name}: {fault}" for fault in judge.faults())
        yield from (f"{place.name}: {fault}" for fault in of_submitted(seen, place, kills=kills))
    yield from _causes(seen)
    yield from _whole(seen)


def _of_retry(played: Played) -> Iterator[str]:
    if not played.case.is_retried or not played.runs:
        return
    has_succeeded = state_of(played.runs[0].workflow.state) == SUCCEEDED
    if has_succeeded != bool(played.retry_refused):
        words = played.retry_refused or "taken"
        yield f"retry of a workflow that succeeded ({has_succeeded}): {words}"


def _nodes(seen: Seen) -> Iterator[str]:
    for place in seen.places:
        node, step = seen.nodes[place.name], place.step
        wanted = (
            step.node_id or place.name,
            _KINDS[step.WhichOneof("step") or ""],
            seen.nodes[place.parent].node_id if place.parent else "",
        )
        if (node.node_id, node.kind, node.parent) != wanted:
            yield f"{place.name}: its node is {node.node_id}, {node.kind}, of {node.parent}"
        state = state_of(node.state)
        if place.is_leaf and state != seen.states[place.name]:
            yield f"{place.name}: its node is {state}, its job {seen.states[place.name]}"
        wanted_states = seen.story.states[place.name]
        if any(name.startswith(f"{place.name}.") for name in seen.inherited):
            # Of what failed below in another run only the consequences are here.
            wanted_states |= {CANCELLED, SUCCEEDED}
        if not place.is_leaf and state not in wanted_states:
            yield f"{place.name}: {state}, wanted {'/'.join(sorted(wanted_states))}"


def _causes(seen: Seen) -> Iterator[str]:
    """Whoever is stopped by the same ones is so by the same one of them."""
    told: dict[frozenset[str], set[str]] = {}
    for place in seen.leaves:
        causes = seen.story.stopped.get(place.name, NOBODY)
        if causes and seen.is_doomed(place.name):
            told.setdefault(causes, set()).add(
                seen.place_of(seen.job(place.name).last_failure.cause_job_id)
            )
    whole = seen.run.workflow.cause_job_id
    if seen.story.counting and whole:
        told.setdefault(seen.story.counting, set()).add(seen.place_of(whole))
    for causes, found in told.items():
        if len(found) > 1:
            yield f"stopped by one of {sorted(causes)}, told were {sorted(found)}"
            continue
        (cause,) = found
        # Others may have failed later than what they hold.
        are_siblings = len({each.rpartition(".")[0] for each in causes}) == 1
        first = min(seen.ended_at(each) for each in causes)
        in_turn = cause in causes and are_siblings and not causes & seen.early
        if in_turn and seen.ended_at(cause) > first:
            yield f"stopped by {cause}, though another of {sorted(causes)} failed before"


def _whole(seen: Seen) -> Iterator[str]:
    workflow, story = seen.run.workflow, seen.story
    state, counting = state_of(workflow.state), story.counting
    if not workflow.done:
        yield f"not done: {state}"
    if state not in story.state:
        yield f"{state}, wanted {'/'.join(sorted(story.state))}"
    elif counting:
        cause = seen.place_of(workflow.cause_job_id)
        right = CANCELLED if seen.states.get(cause) == CANCELLED else FAILED
        if cause not in counting or state != right:
            yield f"{state} by {cause or 'nobody'}, wanted one of {sorted(counting)}"
    elif workflow.cause_job_id:
        yield f"{state}, and yet by {seen.place_of(workflow.cause_job_id)}"
    yield from _counts(seen)
    latest = max(seen.ended_at(name) for name in seen.ids)
    if workflow.end_time.ToNanoseconds() < latest:
        yield "its end is told to be before that of its last job"


def _counts(seen: Seen) -> Iterator[str]:
    workflow = seen.run.workflow
    told = {state_of(each.state): each.count for each in workflow.counts if each.count}
    if told != dict(Counter(seen.states.values())):
        yield f"counts {told}, not {dict(Counter(seen.states.values()))}"
    progress = workflow.progress
    if (progress.current, progress.total) != (len(seen.ids), len(seen.ids)):
        yield f"progress {progress.current}/{progress.total}"


def _looks(seen: Seen) -> Iterator[str]:
    """Done means that all of it is; and nothing has begun that has to wait."""
    for look in seen.run.looks:
        states = {
            place.name: state_of(node.state)
            for place, node in zip(seen.places, look.nodes, strict=True)
        }
        is_open = any(states[place.name] not in TERMINAL for place in seen.leaves)
        if look.done and is_open:
            yield f"done in mid-run: {states}"
        if look.done != (state_of(look.state) in TERMINAL):
            yield f"done {look.done} in mid-run, and {state_of(look.state)}"
