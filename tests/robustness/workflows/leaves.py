"""What speaks against one job of a workflow: how it ended, and what it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from acme_jobs.flow.v1.flow_pb2 import FATE_ERROR, FATE_FAIL, FATE_FAIL_ONCE, FATE_HEAL, Marked
from portaria.v1.job_pb2 import Failure, Job
from portaria.v1.workflows_pb2 import FAILURE_POLICY_ALLOW
from robustness.workflows.diary import Line
from robustness.workflows.model import CANCELLED, EXPIRED, FAILED, SUCCEEDED, Place, policy
from robustness.workflows.seen import Seen
from robustness.workflows.steps import mark_of

_ATTEMPTS = {FATE_FAIL_ONCE: 2, FATE_ERROR: 2}
"""How often a job begins, where it is not once and nobody is in its way."""
_WHY = {
    FATE_FAIL: (Failure.KIND_PERMANENT, "FLOW_FAILURE"),
    FATE_HEAL: (Failure.KIND_PERMANENT, "FLOW_FAILURE"),
    FATE_ERROR: (Failure.KIND_ERROR, "FLOW_ERROR"),
}
SPENT = (Failure.KIND_CRASHED, Failure.KIND_WORKER_LOST)
"""Why a job failed whose workers were killed too often."""


class LeafJudge:
    """One job. `kills`: its body may have been broken off."""

    def __init__(self, seen: Seen, place: Place, *, kills: bool) -> None:
        self._seen = seen
        self._place = place
        self._name = place.name
        self._kills = kills
        self._fate = mark_of(place.step.job).fate
        self._job = seen.job(place.name)
        self._state = seen.states[place.name]
        self._lines = seen.lines[place.name]

    def faults(self) -> Iterator[str]:
        """All of them."""
        node_id = self._place.step.node_id or self._name
        if not self._job.done or self._job.node_id != node_id:
            yield f"{self._state}, done {self._job.done}, its node {self._job.node_id!r}"
        if self._name in self._seen.story.stopped:
            yield from self._of_stopped()
        elif self._seen.is_doomed(self._name):
            cause = self._job.last_failure.cause_job_id
            yield f"ended as if {self._seen.place_of(cause)} had stopped it"
        else:
            yield from self._of_end()
        if self._name in self._seen.story.stopped or self._name in self._seen.kept:
            if self._lines or self._job.attempt:
                yield f"never should have begun, and did: attempt {self._job.attempt}"
        else:
            yield from self._of_runs()
            yield from self._of_order()
            yield from self._of_reads()

    # ---- how it ended ------------------------------------------------------------------------

    def _of_stopped(self) -> Iterator[str]:
        failure, causes = self._job.last_failure, self._seen.story.stopped[self._name]
        node, cause = (
            self._seen.nodes[self._name].failure,
            self._seen.place_of(failure.cause_job_id),
        )
        if self._state != CANCELLED or failure.kind != Failure.KIND_DEPENDENCY:
            yield f"{self._state} ({_words(self._job)}), though stopped by {sorted(causes)}"
        elif failure.reason != "DEPENDENCY_FAILED":
            yield f"stopped for the reason {failure.reason!r}"
        elif cause not in causes:
            yield f"stopped by {cause}, not {sorted(causes)}"
        elif (node.reason, node.cause_job_id) != (failure.reason, failure.cause_job_id):
            yield f"its node's failure is {node.reason!r} by {node.cause_job_id!r}"

    def _of_end(self) -> Iterator[str]:
        allowed = self._ends()
        if self._state not in allowed:
            yield f"{self._state}, wanted {'/'.join(sorted(allowed))} ({_words(self._job)})"
        elif self._state == FAILED and not self._is_why():
            yield f"failed for another reason: {_words(self._job)}"
        elif self._state == SUCCEEDED:
            result = Marked()
            if not self._job.result.Unpack(result) or result.name != self._name:
                yield f"the result of another one: {result.name!r}"

    def _ends(self) -> set[str]:
        """The states that it may come to in its turn."""
        seen = self._seen
        if seen.before is not None and self._name in seen.kept:
            return {seen.before.states[self._name]}
        fails = self._fate in (FATE_FAIL, FATE_ERROR)
        fails |= self._fate == FATE_HEAL and not self._has_failed_before()
        found = {FAILED if fails else SUCCEEDED}
        if seen.is_cancelled(self._name):
            found.add(CANCELLED)
        if seen.case.limit is not None:
            found |= {EXPIRED, FAILED}
        if self._kills and self._job.last_failure.kind in SPENT:
            found.add(FAILED)
        return found

    def _has_failed_before(self) -> bool:
        """As a job of an earlier run."""
        before = self._seen.before
        return before is not None and any(line.word == "fail" for line in before.lines[self._name])

    def _is_why(self) -> bool:
        failure = self._job.last_failure
        if self._kills and failure.kind in SPENT:
            return True
        if self._seen.case.limit is not None:
            # There may be no time for another attempt.
            is_late = failure.kind == Failure.KIND_DEADLINE
            return is_late or failure.reason in ("FLOW_ERROR", "FLOW_FAILURE")
        return _WHY.get(self._fate) == (failure.kind, failure.reason)

    # ---- what it wrote -----------------------------------------------------------------------

    def _of_runs(self) -> Iterator[str]:
        begun = [line.attempt for line in self._lines if line.word == "begin"]
        over = [line.attempt for line in self._lines if line.word in ("end", "fail")]
        if len(set(begun)) < len(begun) or len(set(over)) < len(over) or set(over) - set(begun):
            yield f"its body ran {begun}, and ended {over}"
        if max(begun, default=0) > self._job.attempt:
            yield f"its body ran {begun} of {self._job.attempt} attempts"
        if self._state == SUCCEEDED and not any(line.word == "end" for line in self._lines):
            yield "succeeded, and its body did not"
        yield from self._of_count(begun)

    def _of_count(self, begun: Sequence[int]) -> Iterator[str]:
        """Exactly as often as its fate is, where nobody was in its way."""
        seen = self._seen
        if self._kills or seen.is_cancelled(self._name) or seen.case.limit is not None:
            return
        wanted = list(range(1, _ATTEMPTS.get(self._fate, 1) + 1))
        if begun != wanted or self._job.attempt != len(wanted):
            yield f"its body ran {begun}, wanted {wanted}; attempt {self._job.attempt}"

    def _of_order(self) -> Iterator[str]:
        first = self._lines[0].at if self._lines else None
        if first is None:
            return
        for other in sorted(self._place.after - self._seen.kept):
            late = [line.at for line in self._counting(other) if line.at > first]
            if late:
                yield f"began in line {first}, before {other} had ended in line {late[-1]}"

    def _of_reads(self) -> Iterator[str]:
        """The results right before it, in order; or failures in their place."""
        wanted = ",".join(self._readable()) or "-"
        for line in self._lines:
            if line.word == "read" and line.more != wanted:
                yield f"read {line.more}, wanted {wanted}"

    def _readable(self) -> Iterator[str]:
        seen = self._seen
        for name in seen.inputs[self._name]:
            failure = seen.job(name).last_failure
            if seen.states[name] == SUCCEEDED:
                yield name
            elif policy(seen.case.root, name) != FAILURE_POLICY_ALLOW:
                yield f"!{failure.cause_job_id or failure.reason or seen.states[name]}"

    def _counting(self, other: str) -> list[Line]:
        """One that was frozen and then replaced may still write, and counts no more."""
        found: list[Line] = []
        for name in (other, *self._seen.submitted.get(other, ())):
            last = self._seen.job(name).attempt
            found += [line for line in self._seen.lines[name] if line.attempt == last]
        return found


def _words(job: Job) -> str:
    failure = job.last_failure
    return f"{Failure.Kind.Name(failure.kind)} {failure.reason}".strip()
