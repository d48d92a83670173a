"""Checks of jobs: nothing lost, nothing stuck, one end each, no step that may not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from robustness.evidence import Check, Evidence
from robustness.stream import TERMINAL, Change
from robustness.workload import KINDS

CRASH_BUDGET, LOSS_BUDGET = 3, 10

# The states of a job and what may follow, as the contract has them. A short run of a job that was
# held with others is told with its end only. Only jobs of workflows wait for others, are cancelled,
# or are done from the start, where an earlier run of their workflow had done with them.
FOLLOWS = {
    "-": {"PENDING", "SCHEDULED"},
    "SCHEDULED": {"PENDING"},
    "PENDING": {"RUNNING", "SUCCEEDED", "FAILED", "RETRYING"},
    "RUNNING": {"SUCCEEDED", "FAILED", "RETRYING", "PENDING"},
    "RETRYING": {"PENDING"},
}
_FOLLOWS_IN_WORKFLOWS = {
    "-": {"BLOCKED", *TERMINAL},
    "BLOCKED": {"PENDING", "CANCELLED"},
    "PENDING": {"CANCELLING", "CANCELLED"},
    "RUNNING": {"CANCELLING"},
    "RETRYING": {"CANCELLED"},
    "CANCELLING": {"SUCCEEDED", "CANCELLED"},
}
"""Besides."""
_STARTS = ("RUNNING", "SUCCEEDED", "FAILED", "RETRYING")


def check_jobs(evidence: Evidence) -> list[Check]:
    """All of them."""
    return [
        Check("lost: acknowledged, and no record or nothing that would run it", _lost(evidence)),
        Check("stuck: not done long after all was healed", _stuck(evidence)),
        Check("more or less than one terminal state told", _ends(evidence)),
        Check("changes that the automaton does not allow", list(_steps(evidence))),
        Check("counters that contradict the changes", list(_counters(evidence))),
        Check("ended otherwise than its kind can", list(_outcomes(evidence))),
        Check("the door tells another state than the record", _told(evidence)),
    ]


def _open(evidence: Evidence) -> dict[str, str]:
    jobs = evidence.look.jobs
    states = {job_id: jobs[job_id]["state"] for job_id in evidence.job_ids if job_id in jobs}
    return {job_id: state for job_id, state in states.items() if state not in TERMINAL}


def _reachable(evidence: Evidence) -> set[str]:
    """Whom a queue, a moment or a lease will bring back."""
    look = evidence.look
    found = {job_id for ids in look.queued.values() for job_id in ids}
    found |= set(look.registries.get("portaria:due", ()))
    for key, members in look.registries.items():
        if key.startswith("rq:wip:"):
            held = (member.rpartition(":") for member in members)
            found |= {i for i, _, token in held if look.jobs.get(i, {}).get("hold") == token}
    return found


def _lost(evidence: Evidence) -> list[str]:
    missing = [f"{job_id}: no record" for job_id in evidence.job_ids - evidence.look.jobs.keys()]
    reachable = _reachable(evidence)
    nowhere = [
        f"{job_id}: {state}, in no queue, lease or waiting list"
        for job_id, state in _open(evidence).items()
        if job_id not in reachable
    ]
    return missing + nowhere


def _stuck(evidence: Evidence) -> list[str]:
    reachable = _reachable(evidence)
    return [f"{i}: {state}" for i, state in _open(evidence).items() if i in reachable]


def _ends(evidence: Evidence) -> list[str]:
    return [
        f"{job_id}: {ends}"
        for job_id, life in evidence.lives.items()
        if len(ends := [each.state for each in life if each.state in TERMINAL]) != 1
    ]


def _steps(evidence: Evidence) -> Iterator[str]:
    members = evidence.workflows.members
    for job_id, life in evidence.lives.items():
        fault = _first_fault(life, is_member=job_id in members)
        if fault:
            yield f"{job_id}: {fault} in {_story(life)}"


def _first_fault(life: Sequence[Change], *, is_member: bool) -> str:
    state, attempt = "-", 0
    for change in life:
        further = _FOLLOWS_IN_WORKFLOWS.get(state, set()) if is_member else set()
        if change.state not in FOLLOWS.get(state, set()) | further:
            return f"{change.state} after {state}"
        if change.previous != state:
            return f"{change.state} says that {change.previous} was before, not {state}"
        expected = attempt + _starts(state, change)
        if change.attempt != expected:
            return f"attempt {change.attempt} instead of {expected}"
        state, attempt = change.state, change.attempt
    return ""


def _starts(state: str, change: Change) -> bool:
    """Whether a change tells of a start: as RUNNING, or with the end of a short run."""
    return change.state == "RUNNING" or (state == "PENDING" and change.state in _STARTS)


def _counters(evidence: Evidence) -> Iterator[str]:
    kinds = evidence.kinds
    for job_id, job in evidence.look.jobs.items():
        life = evidence.lives.get(job_id, ())
        steps = Counter((a.state, b.state) for a, b in pairwise(life))
        runs = sum(_starts(change.previous, change) for change in life)
        number = {name: int(job[name] or 0) for name in ("attempt", "failures", "crashes", "losts")}
        deaths, back = number["crashes"] + number["losts"], steps["RUNNING", "PENDING"]
        # The last of a budget ends the job instead of giving it back.
        spent = _is_spent(job, kinds.get(job_id, ""))
        own_end = (steps["RUNNING", "FAILED"] or steps["PENDING", "FAILED"]) and not spent
        # Whoever is to end fails once more, or does not, and is not asked.
        is_asked = any(change.state == "CANCELLING" for change in life)
        failures = steps["RUNNING", "RETRYING"] + steps["PENDING", "RETRYING"] + own_end
        if job["state"] != (life[-1].state if life else ""):
            yield f"{job_id}: the record says {job['state']}, the stream {_story(life)}"
        elif is_asked:
            continue
        elif number["attempt"] != runs or back < deaths - spent or number["failures"] != failures:
            yield f"{job_id}: {number} in {_story(life)}"
        elif number["crashes"] > CRASH_BUDGET or number["losts"] > LOSS_BUDGET:
            yield f"{job_id}: beyond its budget, {number}"
        elif job["hold"] and job["state"] in TERMINAL:
            yield f"{job_id}: {job['state']} and held"


def _outcomes(evidence: Evidence) -> Iterator[str]:
    for job_id, name in evidence.kinds.items():
        job = evidence.look.jobs.get(job_id)
        if job is None or job["state"] not in TERMINAL:
            continue
        kind, failures = KINDS[name], int(job["failures"] or 0)
        if job["state"] == "FAILED" and _is_spent(job, name):
            if kind.once and evidence.reasons.get(job_id) != "OUTCOME_UNKNOWN":
                yield f"{job_id}: a {name} job failed for {evidence.reasons.get(job_id)!r}"
            continue
        if job["state"] != kind.end or kind.failures not in (None, failures):
            yield f"{job_id}: a {name} job is {job['state']} after {failures} failures"


def _is_spent(job: Mapping[str, str], kind: str) -> bool:
    """Whether its workers were killed once too often for it to run again."""
    crashes, losts = int(job["crashes"] or 0), int(job["losts"] or 0)
    if kind and KINDS[kind].once:
        return crashes + losts > 0
    return crashes >= CRASH_BUDGET or losts >= LOSS_BUDGET


def _told(evidence: Evidence) -> list[str]:
    return [
        f"{job_id}: told {state}, recorded {record}"
        for job_id, state in evidence.told.items()
        if state != (record := evidence.look.jobs.get(job_id, {}).get("state"))
    ]


def _story(life: Sequence[Change]) -> str:
    return " ".join(f"{c.state}/{c.attempt}@{c.worker}" for c in life)
