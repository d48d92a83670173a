"""What a long queue costs: time inside submit and turn, and memory, at several depths.

    python -m bench.depth URL KEY_FILE COUNT        queues so many no-op jobs

The time is what Redis counts for the scripts (INFO commandstats), so neither the client nor the
machine's other work is part of it. One Redis a depth, measured in turn; each round submits BATCH
jobs and finishes as many, one after another, so that the depth stays.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from redis import Redis

from bench import noop_jobs
from bench.figures import short, spread
from bench.report import Check, Section
from bench.sides import PYTHONPATH
from portaria.core.ids import new_token
from portaria.core.seal import KeyRing, load_key_ring
from portaria.store import Store, calls, keys
from portaria.store.calls import Call, Claim, Finished, Turn, Verdict
from portaria.up.redis_server import Durability, RedisServer

DEPTHS = (100, 10_000, 1_000_000)
FLAT = 1.3
BATCH = 40
_FILLERS = 2
_QUEUES = [f"{noop_jobs.POOL}:{each}" for each in ("critical", "high", "default", "low")]


@dataclass(slots=True)
class Backlog:
    """A Redis with so many queued jobs."""

    depth: int
    store: Store
    ring: KeyRing
    bytes_a_job: float = 0.0
    submit_us: list[float] = field(default_factory=list)
    turn_us: list[float] = field(default_factory=list)
    _incarnation: str = field(default_factory=new_token)

    def round(self) -> None:
        """Submits and finishes BATCH jobs; notes what Redis spent on each."""
        admit = noop_jobs.admission(self.ring)
        submits = [calls.submit(noop_jobs.admitted_noop(admit).submission) for _ in range(BATCH)]
        self.submit_us.append(self._cost(lambda: [self.store.run(each) for each in submits]))
        self.turn_us.append(self._cost(self._turns))

    def _turns(self) -> None:
        done: list[Finished] = []
        for _ in range(BATCH):
            claim = self._turn(done, want=1).claims[0]
            done = [_succeeded(claim)]
        self._turn(done, want=0)

    def _turn(self, finished: Sequence[Finished], *, want: int) -> Turn:
        return self.store.run(
            calls.turn(
                worker="bench",
                incarnation=self._incarnation,
                token=new_token(),
                queues=_QUEUES,
                want=want,
                finished=finished,
            )
        )

    def _cost(self, work: Callable[[], object]) -> float:
        before = self._spent()
        work()
        return (self._spent() - before) / BATCH

    def _spent(self) -> int:
        stats: Any = self.store.redis.info("commandstats")
        return int(stats["cmdstat_evalsha"]["usec"])


def measure(*, rounds: int, quick: bool) -> Section:
    """So many rounds at each depth."""
    with tempfile.TemporaryDirectory(prefix="portaria-bench-") as folder, ExitStack() as exits:
        depths = DEPTHS[:-1] if quick else DEPTHS
        backlogs = [_backlog(depth, Path(folder) / str(depth), exits) for depth in depths]
        for _ in range(rounds):
            for backlog in backlogs:
                backlog.round()
    return _section(backlogs)


def _backlog(depth: int, folder: Path, exits: ExitStack) -> Backlog:
    server = exits.enter_context(RedisServer(folder, durability=Durability.OFF))
    redis = exits.enter_context(Redis.from_url(server.url))
    key_file = folder / "signing.key"
    backlog = Backlog(depth, Store(redis), load_key_ring(key_file))
    # Scripts and the first of everything take memory once.
    noop_jobs.fill(redis, backlog.ring, 1)
    redis.script_load(_empty_turn().script.text)
    used = _used(redis)
    share = depth // _FILLERS
    command = [sys.executable, "-m", "bench.depth", server.url, str(key_file), str(share)]
    fillers = [subprocess.Popen(command, env={"PYTHONPATH": PYTHONPATH}) for _ in range(_FILLERS)]
    if any([each.wait() for each in fillers]):
        raise RuntimeError("a filler failed")
    backlog.bytes_a_job = (_used(redis) - used) / depth
    return backlog


def _empty_turn() -> Call[Turn]:
    return calls.turn(worker="", incarnation="", token="", queues=[], want=0)


def _succeeded(claim: Claim) -> Finished:
    return Finished(job_id=claim.job_id, token=claim.token, verdict=Verdict.SUCCEEDED)


def _used(redis: Redis) -> int:
    """Bytes of data; the stream of events is trimmed by its own limit and not a cost of a job."""
    info: Any = redis.info("memory")
    events: Any = redis.memory_usage(keys.EVENTS, samples=0)
    return int(info["used_memory"]) - int(events)


def _section(backlogs: Sequence[Backlog]) -> Section:
    section = Section(
        title="cost of a backlog",
        note="Medians of what Redis spent inside the scripts; memory without the stream of events.",
        columns=("queued jobs", "submit µs", "claim + finish µs", "bytes a queued job"),
    )
    for backlog in backlogs:
        submit, turn = spread(backlog.submit_us), spread(backlog.turn_us)
        cells = (short(submit.median), short(turn.median), short(backlog.bytes_a_job))
        section.rows.append((f"{backlog.depth:,}", *cells))
        section.figures[f"{backlog.depth:,}"] = {
            "submit_us": submit,
            "turn_us": turn,
            "bytes_a_job": backlog.bytes_a_job,
        }
    costs = {
        "submit": [spread(each.submit_us).median for each in backlogs],
        "claim + finish": [spread(each.turn_us).median for each in backlogs],
    }
    for what, medians in costs.items():
        section.checks.append(
            Check(
                what=f"{what}: the slowest depth against the fastest",
                figure=max(medians) / min(medians),
                wanted=FLAT,
                at_most=True,
            )
        )
    return section


if __name__ == "__main__":
    with Redis.from_url(sys.argv[1]) as connection:
        noop_jobs.fill(connection, load_key_ring(Path(sys.argv[2])), int(sys.argv[3]))
