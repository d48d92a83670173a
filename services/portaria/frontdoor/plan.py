"""What a watch asks for, checked and with its defaults."""

from __future__ import annotations

from dataclasses import dataclass

from portaria.core.errors import InvalidRequest, Violation
from portaria.frontdoor.cursor import Cursor, parse_cursor
from portaria.frontdoor.selector import Selector, selector_from_proto
from portaria.v1.jobs_service_pb2 import (
    WATCH_UNTIL_ALL_DONE,
    WATCH_UNTIL_FOREVER,
    WATCH_UNTIL_UNSPECIFIED,
    WatchJobsRequest,
)

_DEFAULT_INTERVAL = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPlan:
    """One watch."""

    selector: Selector
    cursor: Cursor | None
    snapshot: bool
    ends: bool
    """Whether it ends when all of its jobs are done."""
    interval: float
    """Seconds between two progress events of a job."""
    include_result: bool


def plan_from_proto(request: WatchJobsRequest, namespace: str) -> WatchPlan:
    """Reads a request that keeps its own rules. Raises InvalidRequest."""
    selector = selector_from_proto(request.selector, namespace)
    until = request.until
    if until == WATCH_UNTIL_UNSPECIFIED:
        explicit = selector.job_ids or selector.workflow_id
        until = WATCH_UNTIL_ALL_DONE if explicit else WATCH_UNTIL_FOREVER
    if until == WATCH_UNTIL_ALL_DONE and not (selector.job_ids or selector.workflow_id):
        text = "cannot be ALL_DONE without job_ids or a workflow_id"
        raise InvalidRequest([Violation("until", "NOT_SUPPORTED", text)])
    interval = _DEFAULT_INTERVAL
    if request.HasField("progress_interval"):
        interval = request.progress_interval.ToTimedelta().total_seconds()
    return WatchPlan(
        selector=selector,
        cursor=parse_cursor(request.cursor) if request.cursor else None,
        snapshot=not request.cursor and not request.skip_snapshot,
        ends=until == WATCH_UNTIL_ALL_DONE,
        interval=interval,
        include_result=request.include_result,
    )
