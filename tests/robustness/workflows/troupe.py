"""Random workflows handed in one after the other, while other things happen to the system."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

from robustness.evidence import Check, Workflows
from robustness.stream import Change
from robustness.watched import Watch, check_watches, entry_of, order_of
from robustness.workflows.growing import Case, grow
from robustness.workflows.hooks import is_followed
from robustness.workflows.judging import faults
from robustness.workflows.playing import Played, Player, Run


class Troupe(threading.Thread):
    """Plays the same workflows for the same seed, evenly spread over some time."""

    def __init__(
        self,
        seed: int,
        doors: Sequence[str],
        folder: Path,
        *,
        count: int,
        seconds: float,
        patience: float,
    ) -> None:
        super().__init__(name="troupe", daemon=True)
        self._doors = doors
        self._cases = [case_of(seed, number, folder) for number in range(count)]
        self._every = seconds / max(1, count)
        self._patience = patience
        self._seconds = seconds
        self.played: list[Played] = []

    def run(self) -> None:
        """Until the last one is over, or patience is."""
        asyncio.run(self._all())

    async def _all(self) -> None:
        async with (
            Player(self._doors, patience=self._seconds + self._patience) as player,
            asyncio.TaskGroup() as group,
        ):
            for number, case in enumerate(self._cases):
                group.create_task(self._one(player, case, number * self._every))

    async def _one(self, player: Player, case: Case, wait: float) -> None:
        await asyncio.sleep(wait)
        self.played.append(await player.play(case))


def have_hooks_run(played: Sequence[Played]) -> bool:
    """Whether all that must run after the ends of these has."""
    return all(is_followed(each) for each in played)


def workflows_of(played: Sequence[Played], lives: Mapping[str, Sequence[Change]]) -> Workflows:
    """What these come to, judged by the model and by the stream."""
    runs = [run for each in played for run in each.runs]
    watches = [watch for run in runs for watch in narrowed(run, lives)]
    ids = {job_id for run in runs for job_id in run.jobs}
    found = [f"{each.case}: {fault}" for each in played for fault in faults(each, kills=True)]
    return Workflows(
        count=len(played),
        members=frozenset(ids | {line.job_id for each in played for line in each.lines}),
        requests=frozenset(_requests(played)),
        checks=[
            Check("workflows: ended otherwise than the model says", found),
            *(
                replace(check, name=f"workflows: {check.name}")
                for check in check_watches(watches, lives)
            ),
        ],
    )


def _requests(played: Sequence[Played]) -> Iterator[str]:
    for each in played:
        yield each.case.request.request_id
        # A copy is handed in under a request_id that no caller can use.
        yield from (f"retry {run.workflow.workflow_id}" for run in each.runs)


def narrowed(run: Run, lives: Mapping[str, Sequence[Change]]) -> Iterator[Watch]:
    """What a run's watch told of the jobs that were there when it began, and what of those that
    were not; each without those that had ended before its cursor.
    """
    watch = run.watch
    shown = {each.job_id for each in watch.seen if each.kind == "snapshot"}
    first = {node.job_id for node in run.workflow.nodes} | shown
    for ids, cursor in (
        ([each for each in watch.job_ids if each in first], watch.cursor),
        ([each for each in watch.job_ids if each not in first], watch.cursor or run.cursor),
    ):
        seen = [each for each in watch.seen if each.job_id in ids]
        told = {each.job_id for each in seen}
        open_then = [each for each in ids if each in told or _went_on(lives.get(each), cursor)]
        yield replace(watch, job_ids=open_then, cursor=cursor, seen=seen)


def _went_on(life: Sequence[Change] | None, cursor: str) -> bool:
    return not life or not cursor or order_of(life[-1].entry) > order_of(entry_of(cursor))


def case_of(seed: int, number: int, folder: Path) -> Case:
    """The n-th one. None has a deadline: that would not wait until the system is well again."""
    name = f"workflow-{seed}-{number}"
    return grow(Random(name), name, str(folder / name), has_limits=False)
