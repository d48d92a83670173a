"""What becomes of the stored schedules where a declared list is applied.

A list owns the schedules that it made: it adds, changes and removes these and no others. Whoever
applies reads what is there, asks for calls, sends them one after the other, and begins anew where
`heard` says so; what was cut off is completed by anybody who applies the list later.

Of two releases the newer wins, whoever comes first. A release takes the list over before it reads
what it will change, and nothing takes effect for a release that has lost the list again: so what an
older one wrote until then is seen, and what it sends after that is stale.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.version import InvalidVersion, Version

from portaria.core.clock import from_milliseconds
from portaria.core.errors import (
    EtagMismatch,
    InvalidRequest,
    NewerRelease,
    ScheduleExists,
    Violation,
)
from portaria.core.recurrence import in_words, warnings
from portaria.intake.admission import ANONYMOUS
from portaria.schedules.checking import (
    Checked,
    content_hash_of,
    recurrence_of,
)
from portaria.schedules.definitions import Definitions, NotBelieved
from portaria.schedules.planning import next_tick
from portaria.store.calls import Call
from portaria.store.releases import Standing, take_over
from portaria.store.schedule_records import ScheduleRecord
from portaria.store.schedules import Applied, Changed, create, remove, replace
from portaria.v1.schedules_service_pb2 import ApplySchedulesResponse, Schedule

TRIES = 10
"""Plans that are made before we say that others are in the way."""

Action = ApplySchedulesResponse
UNCHANGED, ADDED = Action.ACTION_UNCHANGED, Action.ACTION_ADDED
CHANGED, REMOVED = Action.ACTION_CHANGED, Action.ACTION_REMOVED


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A declared list in which nothing is wrong."""

    owner: str
    release: str
    schedules: Sequence[Checked]
    force: bool = False
    """Also where a newer release has applied it: a roll-back that is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What is to become of one schedule."""

    schedule_id: str
    action: Action.Action.ValueType
    checked: Checked | None = None
    """As declared; None where it is removed."""
    seen: str = ""
    """The revision that is stored."""
    record: ScheduleRecord | None = None
    before: Schedule | None = None
    """What is stored, as far as it is believed."""
    in_words: str = ""
    warnings: Sequence[str] = ()


def check_release(release: str) -> None:
    """Raises InvalidRequest where it is no version."""
    if _version(release) is None:
        raise InvalidRequest([Violation("release", "FORMAT", "is not a version, e.g. 2026.11.1")])


def plan(wanted: Wanted, standing: Standing, stored: Mapping[str, Schedule | None]) -> list[Change]:
    """The change of each schedule of the list, in its order, then of those that left it.

    `stored` are the believed definitions of the owner's schedules, None where one is not believed:
    such a one is written anew. Raises NewerRelease and ScheduleExists.
    """
    _check_newer(wanted, standing.release)
    records = {record.schedule_id: record for record in standing.records}
    strange = [
        found
        for each in wanted.schedules
        if (found := records.get(each.schedule.schedule_id)) and found.owner != wanted.owner
    ]
    if strange:
        names = ", ".join(
            f"{each.schedule_id} ({each.owner or 'made by hand'})" for each in strange
        )
        raise ScheduleExists(
            f"schedules of somebody else have these ids: {names}",
            metadata={"schedule_id": strange[0].schedule_id, "owner": strange[0].owner},
        )
    own = {name: record for name, record in records.items() if record.owner == wanted.owner}
    changes = [_change(each, own, stored, standing.now_ms) for each in wanted.schedules]
    kept = {change.schedule_id for change in changes}
    return changes + [
        _removal(record, stored.get(name)) for name, record in own.items() if name not in kept
    ]


@dataclass(slots=True)
class Applying:
    """One list on its way. Raises what `plan` raises, whenever it is asked for calls."""

    wanted: Wanted
    definitions: Definitions
    namespace: str
    _said: dict[str, Change] = field(default_factory=dict)
    _is_ours: bool = False
    _begun: bool = False

    @property
    def changes(self) -> list[Change]:
        """What was changed by all plans together."""
        return list(self._said.values())

    def calls(self, standing: Standing) -> Iterator[Call[Changed]]:
        """What is to be sent now, one after the other, as long as `heard` says so."""
        wanted = self.wanted
        if self._begun and standing.release != wanted.release:
            raise _lost(f"release {standing.release} took the list over", standing.release)
        own = [record for record in standing.records if record.owner == wanted.owner]
        changes = plan(wanted, standing, {each.schedule_id: self._read(each) for each in own})
        for change in changes:
            if change.action != UNCHANGED or change.schedule_id not in self._said:
                self._said[change.schedule_id] = change
        applied = Applied(wanted.owner, wanted.release)
        self._is_ours = standing.release == wanted.release
        self._begun |= self._is_ours
        if not self._is_ours:
            return iter((take_over(self.namespace, applied, standing.release),))
        return self._writes(changes, applied, standing)

    def heard(self, reply: Changed) -> bool:
        """Whether to go on; where not, what is there is to be read anew."""
        is_done = reply is Changed.OK
        self._begun |= is_done
        return is_done and self._is_ours

    def contended(self) -> EtagMismatch:
        """What to raise after so many plans that were overtaken."""
        return EtagMismatch(f"others keep changing the schedules of {self.wanted.owner}")

    def _writes(
        self, changes: Sequence[Change], applied: Applied, standing: Standing
    ) -> Iterator[Call[Changed]]:
        for change in changes:
            name = (self.namespace, change.schedule_id)
            if change.action == REMOVED:
                yield remove(*name, change.seen, applied)
            elif change.action != UNCHANGED:
                assert change.checked is not None
                now = from_milliseconds(standing.now_ms)
                there = (change.record, change.before)
                made = self.definitions.write(
                    change.checked.schedule,
                    content_hash=change.checked.content_hash,
                    created_by=ANONYMOUS,
                    next_ms=next_tick(change.checked, now, *there),
                    owner=applied.owner,
                    release=applied.release,
                )
                if change.action == ADDED:
                    yield create(*name, made, applied)
                else:
                    yield replace(*name, made, change.seen, applied)

    def _read(self, record: ScheduleRecord) -> Schedule | None:
        try:
            return self.definitions.read(record).schedule
        except NotBelieved:
            return None


def _check_newer(wanted: Wanted, there: str) -> None:
    newest, ours = _version(there), _version(wanted.release)
    if not wanted.force and newest is not None and (ours is None or ours < newest):
        raise _lost(f"release {there}, which is newer, has applied the list", there)


def _lost(text: str, release: str) -> NewerRelease:
    return NewerRelease(text, metadata={"release": release})


def _change(
    checked: Checked,
    own: Mapping[str, ScheduleRecord],
    stored: Mapping[str, Schedule | None],
    now_ms: int,
) -> Change:
    name = checked.schedule.schedule_id
    record, definition = own.get(name), stored.get(name)
    if record is None:
        action = ADDED
    elif definition is not None and content_hash_of(definition) == checked.content_hash:
        action = UNCHANGED
    else:
        action = CHANGED
    return Change(
        schedule_id=name,
        action=action,
        checked=checked,
        seen=record.revision if record else "",
        record=record,
        before=definition,
        in_words=in_words(checked.recurrence),
        warnings=warnings(checked.recurrence, from_milliseconds(now_ms)),
    )


def _removal(record: ScheduleRecord, definition: Schedule | None) -> Change:
    recurrence = recurrence_of(definition) if definition else []
    return Change(
        schedule_id=record.schedule_id,
        action=REMOVED,
        seen=record.revision,
        in_words="" if isinstance(recurrence, list) else in_words(recurrence),
    )


def _version(text: str) -> Version | None:
    try:
        return Version(text)
    except InvalidVersion:
        return None
