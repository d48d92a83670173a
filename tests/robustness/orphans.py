"""Checks of what is left in Redis when every job is done: nothing that nobody owns."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from robustness.evidence import Check, Evidence

REGISTRY_OF = {"SUCCEEDED": "finished", "FAILED": "failed", "CANCELLED": "canceled"}

_QUEUE = r"(?:lab|burst|flow):(?:critical|high|default|low)"
# Each documented key, with what must be true of the part in brackets.
_PATTERNS = (
    (r"rq:job:(.+)", "job"),
    (r"portaria:effects:(.+)", "job"),
    (r"portaria:request:default:(.+)", "request"),
    (r"rq:worker:(.+)", "worker"),
    (rf"rq:workers(?::{_QUEUE})?", ""),
    (rf"rq:(?:finished|failed|canceled):{_QUEUE}", ""),
    (rf"portaria:wake:{_QUEUE}", ""),
    (r"rq:queues", ""),
    (r"portaria:index:default(?::(?:type|workflow|label|schedule):.+)?", ""),
    (r"portaria:(?:holds|events|progress|watched|purge|reaper|generation|schema)", ""),
    (r"portaria:types(?::revision)?", ""),
    (r"portaria:(?:batch|ended):.+", ""),
    (r"portaria:workflows:default", ""),
    (r"portaria:(?:schedules?|runs|ticks?):default(?::.+)?", ""),
    (r"portaria:(?:schedulers|releases|alarm)", ""),
    (r"rq:scheduler_instance:.+", ""),
    (r"portaria:(?:batches|namespaces|audit|lineage|paused)", ""),
)
# Redis has no empty keys: these are gone when nothing waits, runs or is queued.
_TRANSIENT = re.compile(
    rf"rq:(?:queue|wip|scheduled):{_QUEUE}|portaria:(?:due|depth|expiry|rate:.+)|portaria:(?:parked|kids|todo):.+"
)
_INDEX = "portaria:index:default"


def check_orphans(evidence: Evidence) -> list[Check]:
    """All of them, to be asked when no job is open."""
    return [
        Check("orphans: keys that nobody owns", list(_keys(evidence))),
        Check("orphans: what should be empty", list(_left(evidence))),
        Check("orphans: holds of dead workers", _dead(evidence, evidence.look.holds)),
        Check("orphans: registrations of dead workers", list(_registered(evidence))),
        Check("jobs in a registry that is not their state's", list(_registries(evidence))),
        Check("orphans: jobs and indexes that do not agree", list(_indexes(evidence))),
        Check("jobs that would never be purged", list(_unpurged(evidence))),
    ]


def orphans(evidence: Evidence) -> int:
    """How many in all."""
    checks = check_orphans(evidence)
    return sum(check.number for check in checks if check.name.startswith("orphans"))


def _keys(evidence: Evidence) -> Iterator[str]:
    owners = evidence.kinds.keys() | evidence.workflows.members
    requests = evidence.said.acks.keys() | evidence.workflows.requests
    owned: dict[str, Callable[[str], bool]] = {
        "": lambda _: True,
        "job": lambda job_id: job_id in owners,
        # That of a job that a job submitted names the other one.
        "request": lambda request_id: (
            request_id in requests or request_id.partition("/")[2].partition("/")[0] in owners
        ),
        "worker": lambda name: name in evidence.living,
    }
    for key in evidence.look.keys:
        if _TRANSIENT.fullmatch(key):
            continue
        found = [(m, owner) for pattern, owner in _PATTERNS if (m := re.fullmatch(pattern, key))]
        if not found:
            yield f"{key}: of no documented pattern"
        elif not all(owned[owner](m[1] if owner else "") for m, owner in found):
            yield f"{key}: its owner is gone"


def _left(evidence: Evidence) -> Iterator[str]:
    look = evidence.look
    for key in look.keys:
        if _TRANSIENT.fullmatch(key) and key != "portaria:depth":
            content = look.queued.get(key) or look.registries.get(key) or ()
            yield f"{key}: {list(content)[:3]}"
    for queue, count in look.depth.items():
        if int(count) != 0:
            yield f"portaria:depth: {queue} is {count}"
    for key, value in look.holds.items():
        if "|" in value and key in evidence.living:
            yield f"portaria:holds: {key} still holds {value.partition('|')[0].split()[-1]}"


def _dead(evidence: Evidence, names: object) -> list[str]:
    assert isinstance(names, dict)
    return [f"{name}: {value}" for name, value in names.items() if name not in evidence.living]


def _registered(evidence: Evidence) -> Iterator[str]:
    for key, names in evidence.look.workers.items():
        for name in names:
            if name not in evidence.living:
                yield f"{key}: {name}"


def _registries(evidence: Evidence) -> Iterator[str]:
    listed: dict[str, list[str]] = {}
    for key, members in evidence.look.registries.items():
        if key.startswith(("rq:finished:", "rq:failed:", "rq:canceled:")):
            for job_id in members:
                listed.setdefault(job_id, []).append(key)
    for job_id, job in evidence.look.jobs.items():
        right = f"rq:{REGISTRY_OF.get(job['state'])}:{job['origin']}"
        if listed.pop(job_id, []) != [right]:
            yield f"{job_id}: {job['state']}, not (only) in {right}"
    for job_id in listed:
        yield f"{job_id}: listed, and no record"


def _indexes(evidence: Evidence) -> Iterator[str]:
    indexes = {
        key: set(members)
        for key, members in evidence.look.registries.items()
        if key.startswith(_INDEX)
    }
    for key, members in indexes.items():
        for job_id in members - evidence.look.jobs.keys():
            yield f"{key}: {job_id}, and no record"
    for job_id, job in evidence.look.jobs.items():
        for key in (_INDEX, f"{_INDEX}:type:{job['type']}"):
            if job_id not in indexes.get(key, ()):
                yield f"{job_id}: not in {key}"


def _unpurged(evidence: Evidence) -> Iterator[str]:
    purged = set(evidence.look.registries.get("portaria:purge", ()))
    for job_id, job in evidence.look.jobs.items():
        _, left = evidence.look.requests.get(job["request"], ("", 0))
        if job_id not in purged:
            yield f"{job_id}: not in portaria:purge"
        if left < 0:
            yield f"{job['request']}: kept for ever"
    for request_id in evidence.workflows.requests:
        key = f"portaria:request:default:{request_id}"
        if evidence.look.requests.get(key, ("", 0))[1] < 0:
            yield f"{key}: kept for ever"
