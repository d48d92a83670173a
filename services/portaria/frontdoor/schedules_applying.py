"""ApplySchedules: a declared list becomes what is stored."""

from __future__ import annotations

from portaria.admission.rules import Rules
from portaria.frontdoor.prompt import PromptStore
from portaria.schedules.applying import TRIES, Applying, Change, Wanted
from portaria.schedules.checking import Checker
from portaria.schedules.declared import check_list
from portaria.schedules.definitions import Definitions
from portaria.store.releases import aread_standing
from portaria.v1.schedules_service_pb2 import ApplySchedulesRequest, ApplySchedulesResponse


class SchedulesApplying:
    """Applies declared lists: all of a list is checked before anything is written."""

    def __init__(
        self,
        *,
        rules: Rules,
        checker: Checker,
        definitions: Definitions,
        store: PromptStore,
        namespace: str,
    ) -> None:
        self._rules = rules
        self._checker = checker
        self._definitions = definitions
        self._store = store
        self._namespace = namespace
        rules.warm_up(ApplySchedulesRequest())

    async def apply(self, request: ApplySchedulesRequest) -> ApplySchedulesResponse:
        """Raises InvalidRequest, NewerRelease, ScheduleExists, EtagMismatch."""
        checked = check_list(
            self._checker, request.release, request.schedules, self._rules.check(request)
        )
        wanted = Wanted(
            owner=request.owner, release=request.release, schedules=checked, force=request.force
        )
        applying = Applying(wanted, self._definitions, self._namespace)
        for _ in range(TRIES):
            standing = await self._store.read(
                lambda store: aread_standing(store.redis, self._namespace, request.owner)
            )
            calls = applying.calls(standing)
            if request.validate_only:
                return _response(applying.changes)
            for call in calls:
                if not applying.heard(await self._store.run(call)):
                    break
            else:
                return _response(applying.changes)
        raise applying.contended()


def _response(changes: list[Change]) -> ApplySchedulesResponse:
    return ApplySchedulesResponse(
        changes=[
            ApplySchedulesResponse.Change(
                schedule_id=each.schedule_id,
                action=each.action,
                in_words=each.in_words,
                warnings=each.warnings,
            )
            for each in changes
        ]
    )
