"""How long a page of ListJobs takes, with few jobs and with very many.

One door and one Redis a size, filled by BatchSubmitJobs and asked in turn, one call at a time.
Every store has the same few scheduled jobs; a label is on as many jobs as the small store has.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from acme_jobs.lab.v1.lab_pb2 import Echo
from bench import noop_jobs
from bench.figures import percentile, ratios, short, spread
from bench.report import Check, Section
from portaria.core.ids import new_request_id
from portaria.frontdoor.pages import Place, listed_of
from portaria.up.redis_server import Durability, RedisServer
from portaria.v1.job_pb2 import JOB_STATE_PENDING, JOB_STATE_SCHEDULED
from portaria.v1.jobs_service_pb2 import JobSelector, ListJobsRequest
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from stack import Stack

FEW, MANY = 1_000, 500_000
FLAT = 1.5
_BATCH, _PAGE = 1_000, 50
_SCHEDULED = 60
_LABEL = "batch"
_CALLS = 5
"""Of each kind in a round."""


@dataclass(slots=True)
class Listed:
    """A door with so many jobs behind it."""

    jobs: JobsServiceStub
    requests: Mapping[str, ListJobsRequest]
    page_ms: dict[str, list[float]] = field(default_factory=dict)
    """Each round's median."""

    def round(self) -> None:
        """Asks for each page some times."""
        for name, request in self.requests.items():
            took = [self._ask(request) for _ in range(_CALLS)]
            self.page_ms.setdefault(name, []).append(percentile(took, 0.5))

    def _ask(self, request: ListJobsRequest) -> float:
        start = time.perf_counter()
        found = len(self.jobs.ListJobs(request).jobs)
        took = time.perf_counter() - start
        if found != _PAGE:
            raise RuntimeError(f"a page of {found} jobs")
        return took * 1e3


def measure(*, rounds: int, many: int = MANY) -> Section:
    """So many rounds of each page at both sizes."""
    with tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder, ExitStack() as exits:
        sizes = {size: _filled(size, Path(folder) / str(size), exits) for size in (FEW, many)}
        for number in range(-1, rounds):
            for listed in sizes.values() if number % 2 else reversed(sizes.values()):
                listed.round()
            if number < 0:  # to warm up
                for listed in sizes.values():
                    listed.page_ms.clear()
    return _section(sizes)


def _filled(size: int, folder: Path, exits: ExitStack) -> Listed:
    server = exits.enter_context(RedisServer(folder / "redis", durability=Durability.OFF))
    stack = Stack(server, folder)
    exits.callback(stack.close)
    door = stack.door(PORTARIA_JOBS=noop_jobs.PACKAGE)
    jobs = JobsServiceStub(exits.enter_context(grpc.insecure_channel(door.address)))
    ids: list[str] = []
    for number in range(size // _BATCH):
        batch = noop_jobs.noop_batch(_BATCH)
        batch.request_id = new_request_id()
        batch.labels[_LABEL] = str(number)
        for spec in batch.specs[::10]:
            spec.payload.Pack(Echo())
        if not number:
            for spec in batch.specs[:_SCHEDULED]:
                spec.options.delay.FromSeconds(3_600)
        ids += [each.job_id for each in jobs.BatchSubmitJobs(batch).results]
    return Listed(jobs, _requests(jobs, sorted(ids)[size // 2]))


def _requests(jobs: JobsServiceStub, middle: str) -> dict[str, ListJobsRequest]:
    selectors = {
        "all jobs": JobSelector(),
        "a type, of 10 % of the jobs": JobSelector(types=[Echo.DESCRIPTOR.full_name]),
        "a label, of 1,000 jobs": JobSelector(labels={_LABEL: "0"}),
        "a state, of nearly all jobs": JobSelector(states=[JOB_STATE_PENDING]),
        f"a state, of {_SCHEDULED} jobs": JobSelector(states=[JOB_STATE_SCHEDULED]),
    }
    requests = {
        name: ListJobsRequest(selector=selector, page_size=_PAGE)
        for name, selector in selectors.items()
    }
    # As if all pages before it had been asked for.
    first = requests["all jobs"]
    place = Place(middle, jobs.ListJobs(first).cursor)
    token = place.token(listed_of(first.selector, oldest_first=False, namespace="default"))
    requests["all jobs, from the middle on"] = ListJobsRequest(page_size=_PAGE, page_token=token)
    return requests


def _section(sizes: Mapping[int, Listed]) -> Section:
    few, many = sizes.values()
    section = Section(
        title="pages of ListJobs",
        note=f"Pages of {_PAGE} jobs, one call at a time; medians of rounds; the ratio is round by "
        "round.",
        columns=("", *(f"{size:,} jobs, ms" for size in sizes), "ratio"),
    )
    for name in few.requests:
        times = ratios(many.page_ms[name], few.page_ms[name])
        small, large = spread(few.page_ms[name]), spread(many.page_ms[name])
        section.rows.append((name, short(small.median), short(large.median), str(times)))
        section.figures[name] = {
            **{str(size): spread(listed.page_ms[name]) for size, listed in sizes.items()},
            "ratio": times,
        }
        section.checks.append(Check(what=name, figure=times, wanted=FLAT, at_most=True))
    return section
