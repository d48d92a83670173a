"""Doors and workers are replaced one by one, one version apart, under load: nothing is lost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest

from e2e.previous import install_previous
from e2e.rollout_load import KINDS, Load, Order
from portaria.core.states import State
from stack import Process, Stack, eventually
from stack.lab import Lab

NEW: Mapping[str, str] = {}
DOOR_FIRST = ("door", "one", "two")
WORKERS_FIRST = ("one", "two", "door")
_MOVES = 10
"""Jobs that must be handed in, and that must end, between two replacements."""

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def old(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """Settings under which a part is of the previous version."""
    return install_previous(tmp_path_factory.mktemp("previous"))


class Rollout:
    """A door and two workers under load, each replaced on request."""

    def __init__(self, stack: Stack, version: Mapping[str, str]) -> None:
        self._stack = stack
        self._parts = {name: self._start(name, version) for name in DOOR_FIRST}
        (stack.folder / "effects").mkdir()
        self.load = Load(stack.address, stack.folder / "effects")

    def to(self, version: Mapping[str, str], order: tuple[str, ...]) -> None:
        """Replaces all: SIGTERM, its end awaited, and the next version in its place."""
        for name in order:
            self._moves()
            self._parts[name].terminate()
            assert self._parts[name].wait(20) == 0
            self._parts[name] = self._start(name, version)

    def end(self) -> None:
        """The load ends, whatever became of it."""
        self._moves()
        self.load.stop()

    def _start(self, name: str, version: Mapping[str, str]) -> Process:
        if name == "door":
            listen = {"PORTARIA_LISTEN": self._stack.address, "PORTARIA_GRACE_SECONDS": "2"}
            return self._stack.door(**listen, **version)
        return self._stack.worker("lab", concurrency=2, arguments=(), **version)

    def _moves(self) -> None:
        handed_in, ended = len(self.load.orders), self._ended()
        stuck = f"no job is handed in any more: {self.load.failures}"
        eventually(lambda: len(self.load.orders) >= handed_in + _MOVES, 20, because=stuck)
        eventually(lambda: self._ended() >= ended + _MOVES, 20, because="no job ends any more")

    def _ended(self) -> int:
        return int(self._stack.redis.zcard("rq:finished:lab:default"))


@pytest.fixture
def rollout(stack: Stack, old: Mapping[str, str]) -> Iterator[Rollout]:
    """All of the previous version."""
    made = Rollout(stack, old)
    yield made
    made.load.close()


def test_a_rolling_restart_and_its_roll_back_lose_nothing(
    stack: Stack, rollout: Rollout, old: Mapping[str, str]
) -> None:
    """Forth and back, the door first and the workers first: the client bridges every gap, each
    job that was acknowledged ends well, each effect happens once, watchers miss nothing.
    """
    rollout.to(NEW, DOOR_FIRST)
    rollout.to(old, WORKERS_FIRST)
    rollout.to(NEW, WORKERS_FIRST)
    rollout.to(old, DOOR_FIRST)
    rollout.end()

    load, lab = rollout.load, Lab(stack)
    wrong = [fault for order in load.orders if (fault := _fault(lab, order))]
    lab.close()
    assert wrong == []
    assert load.failures == []
    assert len(list(stack.redis.scan_iter("rq:job:*"))) == len(load.orders)
    assert [line for line in _lines(stack) if '"error"' in line or "Traceback" in line] == []
    # That there was something to resume: at the end of each door but the last.
    cut = [line for line in _lines(stack) if "WatchJobs" in line and "UNAVAILABLE" in line]
    assert len(cut) >= 4
    assert sum(tuple(order.seen) == KINDS["delayed"].story for order in load.orders) >= 20


def _fault(lab: Lab, order: Order) -> str:
    """What is not as it should be; empty where all is well."""
    job = lab.wait(order.job_id, within=20)
    if (job.state, job.attempt) != (State.SUCCEEDED, order.kind.attempt):
        return f"{order.job_id}: {job.state} in attempt {job.attempt}"
    if order.effects() != order.kind.effects:
        return f"{order.job_id}: {order.effects()!r} instead of {order.kind.effects!r}"
    if order.kind.story and not order.is_seen_to_its_end():
        return f"{order.job_id}: its watcher saw {order.seen}"
    return ""


def _lines(stack: Stack) -> list[str]:
    return [line for each in stack.processes.started for line in each.output().splitlines()]
