"""From a declared list to one in which nothing is wrong."""

from __future__ import annotations

from collections.abc import Sequence

from portaria.core.errors import InvalidRequest, Violation
from portaria.schedules.applying import check_release
from portaria.schedules.checking import Checked, Checker
from portaria.v1.schedules_service_pb2 import Schedule


def check_list(
    checker: Checker, release: str, schedules: Sequence[Schedule], beside: Sequence[Violation] = ()
) -> list[Checked]:
    """Raises InvalidRequest with every violation; `beside` are those found already."""
    wrong, found = list(beside), []
    try:
        check_release(release)
    except InvalidRequest as error:
        wrong += error.violations
    seen: set[str] = set()
    for number, schedule in enumerate(schedules):
        checked = checker.judge(schedule, field=f"schedules[{number}]")
        if isinstance(checked, list):
            wrong += checked
        else:
            found.append(checked)
        if schedule.schedule_id in seen:
            field = f"schedules[{number}].schedule_id"
            wrong.append(Violation(field, "DUPLICATE", "is that of another one of the list"))
        seen.add(schedule.schedule_id)
    if wrong:
        # The rules of a request hold for what is in it, too.
        raise InvalidRequest({(each.field, each.reason): each for each in wrong}.values())
    return found
