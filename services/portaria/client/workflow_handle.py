"""A workflow in hand: what its submit answers."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta

from google.protobuf.message import Message

from portaria.client.calls import Calls
from portaria.client.handle import Handle
from portaria.client.retries import is_outage
from portaria.client.waiting import Deadline
from portaria.client.watching import WatchOptions
from portaria.client.workflow_requests import (
    TIME_TO_RETRY,
    cancel_workflow_requests,
    get_workflow_request,
    jobs_by_node,
    no_such_node,
    retry_workflow_request,
)
from portaria.core.clock import SystemClock
from portaria.core.errors import DeadlineExceeded, PortariaError
from portaria.v1.jobs_service_pb2 import JobEvent
from portaria.v1.workflows_pb2 import Workflow

PAUSE = timedelta(milliseconds=100)
"""Between a watch that has told all and the next look at a workflow that is not done."""


@contextmanager
def in_time(deadline: Deadline, workflow_id: str) -> Iterator[None]:
    """A part of a wait; says what was waited for where the caller's time is up."""
    try:
        yield
    except DeadlineExceeded:
        deadline.check(f"workflow {workflow_id} is not done")
        raise


class WorkflowHandle:
    """One workflow, or a batch. `workflow_id` is for keeps: `client.workflow(id)` finds it again.

    `submitted` is the workflow as the submit answered it, and `deduplicated` whether its request_id
    had stood for it already; both are empty on a handle made from an id.
    """

    def __init__(
        self,
        calls: Calls,
        workflow_id: str,
        *,
        submitted: Workflow | None = None,
        deduplicated: bool = False,
    ) -> None:
        self.workflow_id = workflow_id
        self.submitted = submitted
        self.deduplicated = deduplicated
        self._calls = calls
        self._jobs: dict[str, str] = {}

    def get(self, *, nodes: bool = False) -> Workflow:
        """The present state; `nodes` adds its steps, where they are at most 10,000.

        Raises WorkflowNotFound.
        """
        request = get_workflow_request(self.workflow_id, nodes=nodes)
        return self._calls.unary(lambda stub: stub.GetWorkflow, request).workflow

    def watch(
        self,
        *,
        timeout: timedelta | None = None,
        progress_interval: timedelta | None = None,
        include_result: bool = False,
    ) -> Generator[JobEvent, None, None]:
        """The present state of each job, then each change until all are done, over restarts of
        the door. Raises DeadlineExceeded after `timeout`.
        """
        options = WatchOptions(
            progress_interval=progress_interval,
            include_result=include_result,
            selection={"workflow_id": self.workflow_id},
        )
        return self._calls.watch((), options, timeout)

    def wait(self, timeout: timedelta | None = None) -> Workflow:
        """The workflow when all of its jobs are done, also those added meanwhile, however it ended.

        Waits over restarts of the door. Raises DeadlineExceeded after `timeout`, and
        WorkflowNotFound.
        """
        deadline = Deadline(timeout, SystemClock())
        found = self._look(deadline)
        while not found.done:
            self._watch_all(deadline)
            try:
                found = self._look(deadline)
            except PortariaError as error:
                if not is_outage(error):
                    raise
                continue  # the watch has more patience
            if not found.done:
                time.sleep(deadline.shorten(PAUSE).total_seconds())
        return found

    def cancel(self, reason: str = "", *, force: bool = False) -> int:
        """Ends what waits, and asks what runs to end; with `force` it is killed.

        Answers how many jobs that changed.
        """
        requests = cancel_workflow_requests(self.workflow_id, reason=reason, force=force)
        pages = self._calls.pages(lambda stub: stub.CancelJobs, requests)
        return sum(each.count for each in pages)

    def retry(self, *, request_id: str | None = None) -> WorkflowHandle:
        """Hands in a workflow that is done and did not succeed again, as a new one.

        Jobs that succeeded keep their results and do not run again. May take a minute, or the
        client's timeout where that is longer. Raises NotRetryable and WorkflowNotFound.
        """
        request = retry_workflow_request(self.workflow_id, request_id)
        answer = self._calls.unary(lambda stub: stub.RetryWorkflow, request, at_least=TIME_TO_RETRY)
        retried = answer.workflow
        return WorkflowHandle(self._calls, retried.workflow_id, submitted=retried)

    def job(self, node: str) -> Handle[Message]:
        """The job at a node; of a workflow of at most 10,000 steps. Raises NotFound."""
        if node not in self._jobs:
            self._jobs = jobs_by_node(self.get(nodes=True).nodes)
        if node not in self._jobs:
            raise no_such_node(self.workflow_id, node)
        return Handle(self._calls, self._jobs[node], workflow_id=self.workflow_id)

    def _look(self, deadline: Deadline) -> Workflow:
        request = get_workflow_request(self.workflow_id)
        with in_time(deadline, self.workflow_id):
            return self._calls.unary(
                lambda stub: stub.GetWorkflow, request, within=deadline.left()
            ).workflow

    def _watch_all(self, deadline: Deadline) -> None:
        with in_time(deadline, self.workflow_id):
            for _ in self.watch(timeout=deadline.left()):
                pass

    def __repr__(self) -> str:
        return f"WorkflowHandle({self.workflow_id!r})"
