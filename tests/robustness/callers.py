"""Checks of what callers were told: answers that hold, no job that nobody wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from robustness.evidence import Check, Evidence
from robustness.workload import KINDS

# What a door may answer while parts of the system are away.
PASSING = {
    "STORE_UNAVAILABLE", "UNAVAILABLE", "DEADLINE_EXCEEDED", "CANCELLED", "SHUTTING_DOWN",
}  # fmt: skip


def check_callers(evidence: Evidence) -> list[Check]:
    """All of them."""
    return [
        Check("answers that contradict each other, or none", evidence.said.faults),
        Check("refused for another reason than was due, or not refused", list(_refusals(evidence))),
        Check("refused, and a job all the same", list(_refused_jobs(evidence))),
        Check("jobs without an intent, or not the one acknowledged", list(_unwanted(evidence))),
        Check("requests with several jobs", list(_several(evidence))),
        Check("answers that are no outage", list(_strange(evidence))),
    ]


def _refusals(evidence: Evidence) -> Iterator[str]:
    said = evidence.said
    for request_id, name in said.intents.items():
        expected, told = KINDS[name].refused, said.failed.get(request_id, "")
        if told != expected and (told or request_id in said.acks):
            yield f"{request_id}: a {name} request was told {told or 'yes'!r}"


def _refused_jobs(evidence: Evidence) -> Iterator[str]:
    written = {
        job["request"] for job in evidence.look.jobs.values()
    } | evidence.look.requests.keys()
    for request_id in evidence.said.failed:
        if _key(request_id) in written:
            yield request_id


def _unwanted(evidence: Evidence) -> Iterator[str]:
    wanted = {_key(request_id): i for request_id, i in evidence.said.acks.items()}
    for job_id, job in _of_callers(evidence):
        if wanted.get(job["request"]) != job_id:
            yield f"{job_id}: of {job['request']}, acknowledged was {wanted.get(job['request'])}"
    for job_id in evidence.lives.keys() - evidence.look.jobs.keys():
        yield f"{job_id}: told of, and no record"


def _of_callers(evidence: Evidence) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The jobs that were handed in one by one: those of workflows have no request of their own."""
    members = evidence.workflows.members
    return ((i, job) for i, job in evidence.look.jobs.items() if i not in members)


def _several(evidence: Evidence) -> Iterator[str]:
    counted = Counter(job["request"] for _, job in _of_callers(evidence))
    for request, count in counted.items():
        if count > 1:
            yield f"{request}: {count} jobs"


def _strange(evidence: Evidence) -> Iterator[str]:
    for code, count in evidence.said.unknown.items():
        if code not in PASSING:
            yield f"{code}, {count} times"


def _key(request_id: str) -> str:
    return f"portaria:request:default:{request_id}"
