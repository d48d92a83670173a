"""Children of a running job, handed in at the door.

Imported by a worker's child when a handler first submits: gRPC must not be in a process that forks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice

from portaria.client.calls import Calls
from portaria.client.client import DEFAULT_PATIENCE, DEFAULT_TIMEOUT
from portaria.client.requests import submit_request
from portaria.client.tls import Tls
from portaria.core.errors import RequestIdReused
from portaria.jobs.children import Child, ChildOptions, Named
from portaria.runtime.door import Door
from portaria.v1.jobs_service_pb2 import SubmitJobRequest

AT_ONCE = 8


class Submitting:
    """A channel to the door, kept from job to job."""

    def __init__(self, door: Door) -> None:
        tls = Tls(ca_file=door.ca_file, cert_file=door.cert_file, key_file=door.key_file)
        self._calls = Calls(
            door.address,
            timeout=DEFAULT_TIMEOUT,
            patience=DEFAULT_PATIENCE,
            pem=tls.load() if door.is_tls else None,
        )

    def submit(
        self, parent_job_id: str, children: Iterable[Named], options: ChildOptions
    ) -> list[Child]:
        """Hands in all of them, in order; several calls at a time where there are several.

        Raises what the first one that is refused is refused with; some after it may be handed in.
        """

        def hand_in(child: Named) -> Child:
            request = submit_request(child.payload, request_id=child.request_id, **options)
            request.parent_job_id = parent_job_id
            return self._submit(request, child)

        given = iter(children)
        first = list(islice(given, 2))
        if len(first) < 2:
            return [hand_in(child) for child in first]
        made: list[Child] = []
        under_way: deque[Future[Child]] = deque()
        threads = ThreadPoolExecutor(AT_ONCE, "submit")
        try:
            for child in chain(first, given):
                if len(under_way) >= 2 * AT_ONCE:
                    made.append(under_way.popleft().result())
                under_way.append(threads.submit(hand_in, child))
            made += [each.result() for each in under_way]
        finally:
            # Not waited for: an interruption of the job may be what ends this. What they still hand
            # in is known by the job's own names.
            threads.shutdown(wait=False, cancel_futures=True)
        return made

    def _submit(self, request: SubmitJobRequest, child: Named) -> Child:
        try:
            answer = self._calls.unary(lambda stub: stub.SubmitJob, request)
        except RequestIdReused as error:
            if child.is_derived and "job_id" in error.metadata:
                return Child(error.metadata["job_id"], deduplicated=True)
            raise
        return Child(answer.job.job_id, answer.deduplicated)
