"""What speaks against the jobs that a job of a workflow has handed in while it ran."""

from __future__ import annotations

from collections.abc import Iterator

from acme_jobs.flow.v1.flow_pb2 import FATE_FAIL
from robustness.workflows.leaves import SPENT
from robustness.workflows.model import CANCELLED, EXPIRED, FAILED, SUCCEEDED, Place
from robustness.workflows.seen import Seen
from robustness.workflows.steps import mark_of


def of_submitted(seen: Seen, place: Place, *, kills: bool) -> Iterator[str]:
    """By one leaf: each once, and each to the end that it must come to."""
    mark, found = mark_of(place.step.job), sorted(seen.submitted.get(place.name, ()))
    wanted = [f"{place.name}+{number}" for number in range(mark.children)]
    # It hands them in before it ends, one way or the other.
    is_over = any(line.word in ("end", "fail") for line in seen.lines[place.name])
    if (is_over and found != wanted) or len(set(found)) < len(found) or set(found) - set(wanted):
        yield f"handed in {found}, wanted {wanted}"
    for name in found:
        fails = mark.last_fate == FATE_FAIL and name == wanted[-1]
        yield from _of_one(seen, name, FAILED if fails else SUCCEEDED, kills=kills)


def _of_one(seen: Seen, name: str, end: str, *, kills: bool) -> Iterator[str]:
    job, state, case = seen.job(name), seen.states[name], seen.case
    allowed = {end}
    if case.cancel is not None and not case.cancel.leaf and seen.before is None:
        allowed.add(CANCELLED)
    if case.limit is not None:
        allowed |= {EXPIRED, FAILED}
    if kills and job.last_failure.kind in SPENT:
        allowed.add(FAILED)
    if state not in allowed or not job.done:
        yield f"{name}: {state}, wanted {'/'.join(sorted(allowed))}"
    begun = [line.attempt for line in seen.lines[name] if line.word == "begin"]
    if len(set(begun)) < len(begun) or max(begun, default=0) > job.attempt:
        yield f"{name}: its body ran {begun} of {job.attempt} attempts"
    if allowed == {end} and not kills and begun != [1]:
        yield f"{name}: its body ran {begun}, wanted [1]"
