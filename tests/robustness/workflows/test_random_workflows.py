"""Random workflows end as the model says, each body and each hook once, nothing out of order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from portaria.up.redis_server import RedisServer
from robustness.stream import Stream
from robustness.watched import check_watches
from robustness.workflows.growing import Case, grow
from robustness.workflows.hooks import is_followed
from robustness.workflows.judging import faults
from robustness.workflows.playing import Played, Player
from robustness.workflows.troupe import narrowed
from stack import Stack, eventually

_AT_ONCE, _TIMES = 36, 5
"""Many at once, since the longest of them wait for one retry after the other."""
_PATIENCE = 30.0
_numbers = itertools.count(1)


@dataclass(slots=True)
class Lab:
    """A system that runs workflows, and all that was played on it."""

    stack: Stack
    stream: Stream
    played: list[Played] = field(default_factory=list)

    def play(self, cases: Sequence[Case]) -> list[str]:
        """All at once; what speaks against each."""
        played = asyncio.run(self._play(cases))
        self.played += played
        for each in played:
            eventually(lambda each=each: is_followed(each), 5)  # type: ignore[misc]
        return [f"{each.case}\n    {fault}" for each in played for fault in faults(each)]

    async def _play(self, cases: Sequence[Case]) -> list[Played]:
        async with Player([self.stack.address], patience=_PATIENCE) as player:
            return await asyncio.gather(*(player.play(case) for case in cases))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One door, and two workers of four children each."""
    folder = tmp_path_factory.mktemp("workflows")
    with RedisServer(folder / "redis") as server:
        stack = Stack(server, folder)
        stream = Stream(server.url)
        try:
            stack.door(PORTARIA_JOBS="acme_jobs")
            for _ in range(2):
                stack.worker("flow", concurrency=4, PORTARIA_JOBS="acme_jobs")
            stream.start()
            yield Lab(stack, stream)
        finally:
            stream.stop()
            stack.close()


@pytest.mark.timeout(120)
# It finds the names of many workflows long; ours says what is wrong with those that are.
@pytest.mark.filterwarnings("ignore::hypothesis.errors.HypothesisWarning")
def test_random_workflows_end_as_the_model_says(lab: Lab, tmp_path: Path) -> None:
    """Whatever their shape, whatever fails in them, is cancelled, or is tried again."""

    @st.composite
    def cases(draw: st.DrawFn) -> Case:
        name = f"workflow-{next(_numbers)}"
        return grow(draw(st.randoms(use_true_random=False)), name, str(tmp_path / name))

    # What fails is told as it is: to look for something simpler would take minutes.
    @settings(
        max_examples=_TIMES,
        phases=[Phase.generate],
        deadline=None,
        database=None,
        suppress_health_check=[*HealthCheck],
    )
    @given(st.lists(cases(), min_size=_AT_ONCE, max_size=_AT_ONCE + 4))
    def together(some: Sequence[Case]) -> None:
        found = lab.play(some)

        assert not found, "\n".join(found)

    together()

    runs = [run for each in lab.played for run in each.runs]
    wanted = {job_id for run in runs for job_id in run.jobs}
    eventually(lambda: wanted <= lab.stream.ended, 5)
    lives = lab.stream.lives
    checks = check_watches([watch for run in runs for watch in narrowed(run, lives)], lives)
    assert [str(check) for check in checks if check.faults] == []
    # Nothing of it ran once more since it was looked at.
    assert [fault for each in lab.played for fault in faults(each)] == []
    assert len(lab.played) >= _TIMES * _AT_ONCE
