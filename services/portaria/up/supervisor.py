"""Starts parts in the order of their needs, restarts what dies, stops in reverse order."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto

from portaria.up.part import Part, PartFailed

_TICK = 0.02
_LONGEST_PAUSE = 30.0
# A part that worked for so long has left its troubles behind.
_FORGIVEN_AFTER = 10.0


class _State(Enum):
    WAITING = auto()
    STARTING = auto()
    READY = auto()


@dataclass(slots=True)
class _Watched:
    part: Part
    state: _State = _State.WAITING
    since: float = 0.0
    """When it came into this state."""
    failures: int = 0
    """In a row."""
    not_before: float = 0.0

    def enter(self, state: _State) -> None:
        self.state, self.since = state, time.monotonic()


def pause_after(failures: int) -> float:
    """Seconds before a part is started again after so many failures in a row."""
    return min(0.25 * 2.0 ** min(failures, 10), _LONGEST_PAUSE)


class Supervisor:
    """Looks after the processes of `parts`, which stand in the order of their needs.

    Not a thread: it acts when `start`, `tick` and `stop` are called. `tell` has a line for people
    about each thing that goes wrong and is mended.
    """

    def __init__(self, parts: Sequence[Part], *, tell: Callable[[str], None]) -> None:
        for number, part in enumerate(parts):
            missing = set(part.needs) - {each.name for each in parts[:number]}
            if missing:
                raise ValueError(f"{part.name} needs {', '.join(sorted(missing))} before it")
        self._all = [_Watched(part) for part in parts]
        self._tell = tell

    @property
    def settled(self) -> bool:
        """Whether every part works."""
        return all(each.state is _State.READY for each in self._all)

    def start(self, *, given_up: Callable[[], bool] = lambda: False) -> None:
        """Starts every part and waits until all work, or until `given_up` says so.

        Raises PartFailed for the first one that does not; the others are left to `stop`.
        """
        while not self.settled and not given_up():
            for watched in self._all:
                why = self._advance(watched)
                if why:
                    raise PartFailed(watched.part, why)
            time.sleep(_TICK)

    def tick(self) -> None:
        """Looks at every part once, and starts again what ended, after a pause that grows."""
        for watched in self._all:
            part, was = watched.part, watched.state
            why = self._advance(watched)
            if why:
                self._failed(watched, why)
            elif was is _State.STARTING and watched.state is _State.READY:
                self._tell(f"{part.name} works again")

    def stop(self, grace: float, *, hurry: Callable[[], bool] = lambda: False) -> None:
        """Ends every part after those that need it; kills at once where `hurry` says so."""
        asked: dict[str, float] = {}
        left = {each.part.name: each.part for each in self._all}
        while left:
            needed = {name for part in left.values() for name in part.needs}
            for part in [part for name, part in left.items() if name not in needed or hurry()]:
                if part.name not in asked:
                    asked[part.name] = time.monotonic()
                    part.process.send(signal.SIGTERM)
                    part.process.resume(group=True)
                over = time.monotonic() > asked[part.name] + grace
                if over and part.process.running:
                    self._tell(f"{part.name} did not stop within {grace:g} s and is killed")
                if over or hurry() or not part.process.running:
                    part.process.stop(grace=0)
                    del left[part.name]
            time.sleep(_TICK)

    def _advance(self, watched: _Watched) -> str:
        """Takes a part one step further; answers why it failed, where it did."""
        part = watched.part
        match watched.state:
            case _State.WAITING:
                if time.monotonic() >= watched.not_before and self._has_needs(part):
                    if not part.process.running:
                        part.process.start()
                    watched.enter(_State.STARTING)
                return ""
            case _State.STARTING:
                return self._starting(watched)
            case _State.READY:
                if watched.failures and time.monotonic() > watched.since + _FORGIVEN_AFTER:
                    watched.failures = 0
                return "" if part.process.running else f"ended ({_ending(part)})"

    def _starting(self, watched: _Watched) -> str:
        part = watched.part
        if not part.process.running:
            return f"did not start ({_ending(part)})"
        if part.ready():
            watched.enter(_State.READY)
        elif time.monotonic() > watched.since + part.within:
            return f"was not ready within {part.within:g} s"
        return ""

    def _failed(self, watched: _Watched, why: str) -> None:
        watched.failures += 1
        pause = pause_after(watched.failures)
        watched.enter(_State.WAITING)
        watched.not_before = time.monotonic() + pause
        watched.part.process.stop(grace=1)
        self._tell(
            f"{watched.part.name} {why}; starting it again in {pause:g} s "
            f"(its log: {watched.part.process.log})"
        )

    def _has_needs(self, part: Part) -> bool:
        ready = {each.part.name for each in self._all if each.state is _State.READY}
        return ready.issuperset(part.needs)


def _ending(part: Part) -> str:
    code = part.process.exit_code
    if code is not None and code < 0:
        return f"killed by {signal.Signals(-code).name}"
    return f"exit code {code}"
