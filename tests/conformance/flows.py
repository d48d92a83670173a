"""Workflows as tests of the store hand them in: shapes of jobs that differ in nothing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance.batches import HandIn
from conformance.kernel import Kernel, submission
from portaria.store.calls import packed
from portaria.v1.job_pb2 import JobSpec
from portaria.v1.workflows_pb2 import Chain, FailurePolicy, Group, Step
from portaria.workflows.flatten import flatten

ALLOW = FailurePolicy.FAILURE_POLICY_ALLOW


def leaf(**given: Any) -> Step:
    """A job."""
    return Step(job=JobSpec(), **given)


def chain(*steps: Step, **given: Any) -> Step:
    """One after the other."""
    return Step(chain=Chain(steps=steps), **given)


def group(*steps: Step, **given: Any) -> Step:
    """All at once."""
    return Step(group=Group(steps=steps), **given)


def leaves(count: int) -> list[Step]:
    """Several jobs."""
    return [leaf() for _ in range(count)]


def hand_in(
    kernel: Kernel, root: Step, *, change: Mapping[int, Mapping[str, Any]] | None = None
) -> HandIn:
    """A workflow with both hooks, of which nothing is written yet."""
    shape, wrong = flatten(root)
    assert wrong == []
    hooks = {
        "hook_s": packed(submission("good", "lab:low", request_id="")),
        "hook_f": packed(submission("bad", "lab:low", request_id="")),
    }
    return HandIn(kernel, len(shape.leaves), shape=shape, fields=hooks, change=change)


def written(kernel: Kernel, root: Step, **given: Any) -> HandIn:
    """A workflow that is placed."""
    flow = hand_in(kernel, root, **given)
    size, start = len(flow.ids), 0
    while start < size:
        stop = min(size, start + 200)
        flow.write(start, stop)
        start = stop
    while size > 200 and kernel.redis.hget(f"portaria:batch:{flow.id}", "stage") != b"placed":
        flow.place()
    return flow
