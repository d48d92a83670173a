"""The handlers of the maintenance domain."""

from __future__ import annotations

import tempfile
import time

from portaria.jobs import JobContext, PermanentError, job
from portaria.settings import load_settings
from portaria_workers.maintenance import checks
from portaria_workers.maintenance.checks import Check
from portaria_workers.maintenance.v1.maintenance_pb2 import SelfTest, SelfTestResult

_LEAST_FREE_PERCENT = 5
_SLOWEST_SECONDS = 1.0


@job
def self_test(test: SelfTest, ctx: JobContext) -> SelfTestResult:
    """Looks at the worker that it runs on; all checks are made, whatever the first one finds.

    Fails for good with the reason of the first that is not well: REDIS_SLOW, DISK_FULL, MEMORY_LOW
    or CLOCK_BEHIND; its text names all of them.
    """
    least = test.least_free_percent or _LEAST_FREE_PERCENT
    slowest = _SLOWEST_SECONDS
    if test.HasField("slowest_round_trip"):
        slowest = test.slowest_round_trip.ToTimedelta().total_seconds()
    made = [
        checks.round_trip(ctx.check, slowest),
        checks.disk("data dir", load_settings().data_dir, least),
        checks.disk("temp dir", tempfile.gettempdir(), least),
        checks.memory(least),
        checks.clock(ctx.job_id, time.time()),
    ]
    if ills := [check for check in made if check.ill]:
        raise PermanentError(ills[0].ill, "; ".join(map(str, ills)))
    return _result(made)


def _result(made: list[Check]) -> SelfTestResult:
    result = SelfTestResult()
    for check in made:
        result.checks.add(name=check.name, found=check.found)
    return result
