"""What watchers were told, and what speaks against it: the stream of changes is the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from portaria.v1.job_pb2 import JobState
from portaria.v1.jobs_service_pb2 import JobEvent
from robustness.evidence import Check
from robustness.stream import TERMINAL, Change

_BEGUN = ("RUNNING", "CANCELLING")


@dataclass(frozen=True, slots=True)
class Sight:
    """One event, as a watcher had it."""

    kind: str
    """Which one of JobEvent's `event`."""
    job_id: str
    at_ms: int
    state: str
    attempt: int
    previous: str = ""
    """Of a state change."""
    entry: str = ""
    """Of a snapshot: the last change that it knows of."""
    current: int = 0
    """Of progress, and of a snapshot."""


@dataclass(slots=True)
class Watch:
    """One call of `watch`, with all that it told, in order."""

    name: str
    job_ids: Sequence[str]
    cursor: str = ""
    """Where it was to begin, instead of with a snapshot."""
    seen: list[Sight] = field(default_factory=list)
    broken_off: int = 0
    """How many of its streams were, after they had begun."""
    door: str = ""
    """Of one that calls no other."""
    error: str = ""
    """What it raised."""
    is_over: bool = False
    """Whether it came to an end by itself."""


def sight_of(event: JobEvent) -> Sight:
    """Reads an event of the client."""
    kind = event.WhichOneof("event") or ""
    change, snapshot = event.state_change, event.snapshot
    return Sight(
        kind=kind,
        job_id=event.job_id,
        at_ms=event.event_time.ToMilliseconds(),
        state=_name(event.state),
        attempt=event.attempt,
        previous=_name(change.previous) if kind == "state_change" else "",
        entry=entry_of(snapshot.cursor),
        current=(snapshot.progress if kind == "snapshot" else event.progress).current,
    )


def entry_of(cursor: str) -> str:
    """The entry of the stream that a cursor stands behind."""
    return cursor.partition(".")[2]


def check_watches(watches: Sequence[Watch], lives: Mapping[str, Sequence[Change]]) -> list[Check]:
    """All claims about what was told. `lives` are all changes of each job, of the stream."""
    stories = [each for watch in watches for each in _stories(watch, lives)]
    faults = [(name, fault) for story in stories for name, fault in story.faults()]
    names = (
        "changes that were left out", "changes told twice", "changes told out of order",
        "changes that never happened", "snapshots of what never was, or more than one",
        "jobs whose end was not told", "progress of a run that was over, or going back",
    )  # fmt: skip
    return [
        Check("watchers that raised", [f"{w.name}: {w.error}" for w in watches if w.error]),
        Check("watches without an end", [w.name for w in watches if not (w.is_over or w.error)]),
        Check("events of other jobs", [each for watch in watches for each in _foreign(watch)]),
        *(Check(name, [fault for of, fault in faults if of == name]) for name in names),
    ]


class _Story:
    """One job in one watch."""

    def __init__(
        self, watch: Watch, job_id: str, seen: Sequence[Sight], life: Sequence[Change]
    ) -> None:
        self._watch = watch
        self._job_id = job_id
        self._life = life
        self._seen = seen
        self._place = {_change_key(each): number for number, each in enumerate(life)}
        self._by_entry = {each.entry: number for number, each in enumerate(life)}

    def faults(self) -> Iterator[tuple[str, str]]:
        """The claim that does not hold, and how."""
        about = f"{self._watch.name}, {self._job_id}"
        for claim, fault in (*self._of_snapshots(), *self._of_changes(), *self._of_progress()):
            yield claim, f"{about}: {fault}"

    def _start(self) -> int | None:
        """The place of the last change that was known when the first one was told."""
        if self._watch.cursor:
            after = order_of(entry_of(self._watch.cursor))
            return sum(order_of(each.entry) <= after for each in self._life) - 1
        return self._by_entry.get(self._seen[0].entry if self._seen else "")

    def _of_snapshots(self) -> Iterator[tuple[str, str]]:
        claim = "snapshots of what never was, or more than one"
        shown = [each for each in self._seen if each.kind == "snapshot"]
        if self._watch.cursor:
            yield from ((claim, "a snapshot in spite of a cursor") for _ in shown)
            return
        if len(shown) != 1 or self._seen[0] is not shown[0]:
            yield claim, f"{len(shown)} snapshots, or not at first"
        for each in shown:
            place = self._by_entry.get(each.entry)
            known = self._life[place] if place is not None else None
            if known is None or (known.state, known.attempt) != (each.state, each.attempt):
                yield claim, f"a snapshot {each.state}/{each.attempt} of {known}"

    def _of_changes(self) -> Iterator[tuple[str, str]]:
        told = [each for each in self._seen if each.kind == "state_change"]
        places = [self._place.get(_sight_key(each)) for each in told]
        for each, place in zip(told, places, strict=True):
            if place is None:
                yield "changes that never happened", f"{each.state}/{each.attempt}@{each.at_ms}"
        known = [place for place in places if place is not None]
        start = self._start()
        if start is None:
            yield "changes that were left out", "nobody knows from where on it was told"
            return
        for place in sorted(set(range(start + 1, len(self._life))) - set(known)):
            yield "changes that were left out", f"{self._life[place]}"
        for place, count in Counter(known).items():
            if count > 1 or place <= start:
                yield "changes told twice", f"{self._life[place]}"
        if any(later < earlier for earlier, later in pairwise(known)):
            yield "changes told out of order", " ".join(each.state for each in told)
        last = [each.state for each in self._seen if each.kind != "progress"][-1:]
        if not last or last[0] not in TERMINAL:
            yield "jobs whose end was not told", f"the last was {last}"

    def _of_progress(self) -> Iterator[tuple[str, str]]:
        claim = "progress of a run that was over, or going back"
        state, attempt, current = "", 0, -1
        for each in self._seen:
            if each.kind != "progress":
                if each.attempt != attempt or each.kind == "snapshot":
                    current = each.current - 1 if each.kind == "snapshot" else -1
                state, attempt = each.state, each.attempt
                continue
            words = f"{each.state}/{each.attempt} {each.current} at {state}/{attempt} {current}"
            if each.attempt < attempt or (each.attempt == attempt and state not in _BEGUN):
                yield claim, f"over: {words}"
            elif each.attempt == attempt and each.state != state:
                yield claim, f"another state: {words}"
            elif each.attempt == attempt and each.current <= current:
                yield claim, f"back: {words}"
            state, attempt, current = each.state, each.attempt, each.current


def _stories(watch: Watch, lives: Mapping[str, Sequence[Change]]) -> Iterator[_Story]:
    seen: dict[str, list[Sight]] = {job_id: [] for job_id in watch.job_ids}
    for each in watch.seen:
        if each.job_id in seen:
            seen[each.job_id].append(each)
    for job_id, sights in seen.items():
        yield _Story(watch, job_id, sights, lives.get(job_id, ()))


def _foreign(watch: Watch) -> Iterator[str]:
    ids = set(watch.job_ids)
    for each in watch.seen:
        if each.job_id not in ids or each.kind not in ("snapshot", "state_change", "progress"):
            yield f"{watch.name}: {each}"


def order_of(entry: str) -> tuple[int, int]:
    """Entries sort so."""
    at_ms, _, number = entry.partition("-")
    return int(at_ms), int(number)


def _change_key(change: Change) -> tuple[int, str, int, str]:
    return change.at_ms, change.state, change.attempt, change.previous.replace("-", "")


def _sight_key(sight: Sight) -> tuple[int, str, int, str]:
    return sight.at_ms, sight.state, sight.attempt, sight.previous


def _name(state: JobState.ValueType) -> str:
    return JobState.Name(state).removeprefix("JOB_STATE_").replace("UNSPECIFIED", "")
