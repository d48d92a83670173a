"""Thousands of watchers of one job each at one door, while their jobs tell progress and end.

The jobs are held by workers that this process plays: it writes their reports with the same scripts,
evenly, each with the moment at which it was made. The watchers are processes of their own; see
bench.watching.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis

from bench import noop_jobs
from bench.cpu import cpu_seconds
from bench.figures import percentile, short, spread
from bench.memory import pss
from bench.report import Check, Section
from bench.sides import PYTHONPATH
from portaria.core.ids import new_token
from portaria.core.seal import load_key_ring
from portaria.store import Claim, Store, calls
from portaria.store.calls import Call, Finished, Verdict
from portaria.up.redis_server import RedisServer
from portaria.v1.job_pb2 import Progress
from stack import Stack

SLOWEST_MS, MOST_KIB = 1_000.0, 40.0
_PROCESSES, _CONNECTIONS = 2, 50
_EACH = 100
"""Jobs that one played worker holds."""
_TICK = 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What one run found."""

    open_seconds: float
    """Until the last watcher had its first frame; all had asked at once."""
    latencies_ms: Sequence[Sequence[float]]
    """From a report to its watcher, of each second."""
    sent: int
    stream_kib: float
    """Memory of the door for a stream."""
    door_busy: float
    """Share of one core while there were updates."""
    redis_busy: float
    per_second: float
    endings: Counter[str]
    done: int


def measure(*, watchers: int, per_second: int, seconds: float) -> Section:
    """So many watchers, and so many reports a second for all of them together."""
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="portaria-bench-")))
        server = exits.enter_context(RedisServer(folder / "redis"))
        stack = Stack(server, folder)
        exits.callback(stack.close)
        redis = exits.enter_context(Redis.from_url(server.url))
        watched = _run(stack, redis, watchers, per_second, seconds)
    return _section(watched, watchers, per_second, seconds)


def _run(stack: Stack, redis: Redis, watchers: int, per_second: int, seconds: float) -> Watched:
    door = stack.door(PORTARIA_JOBS=noop_jobs.PACKAGE)
    redis_pid = stack.redis_server.process.pid
    store = Store(redis)
    noop_jobs.fill(redis, load_key_ring(stack.data_dir / "signing.key"), watchers + 100)
    jobs = _claimed(store, watchers + 100)
    # The first watchers of a process take memory once.
    with _Clients(door.address, jobs[watchers:]) as first:
        first.opened()
        _finish(store, jobs[watchers:])
        first.ended()
    jobs = jobs[:watchers]
    before = pss(door.pid)
    with _Clients(door.address, jobs) as clients:
        open_seconds = clients.opened()
        memory = pss(door.pid) - before
        used, redis_used = cpu_seconds([door.pid]), cpu_seconds([redis_pid])
        begun = time.monotonic()
        sent = _report(store, jobs, per_second, seconds)
        took = time.monotonic() - begun
        used = cpu_seconds([door.pid]) - used
        redis_used = cpu_seconds([redis_pid]) - redis_used
        # Watchers that were told everything are told the end, too.
        _finish(store, jobs)
        endings, done, told = clients.ended()
    return Watched(
        open_seconds=open_seconds,
        latencies_ms=_by_second(told, begun),
        sent=sent,
        stream_kib=memory / watchers / 1024,
        door_busy=used / took,
        redis_busy=redis_used / took,
        per_second=sent / took,
        endings=endings,
        done=done,
    )


class _Clients:
    """The processes of the watchers."""

    def __init__(self, address: str, jobs: Sequence[Claim]) -> None:
        command = [sys.executable, "-m", "bench.watching", address, str(_CONNECTIONS)]
        self._processes = [
            subprocess.Popen(
                command,
                env={"PYTHONPATH": PYTHONPATH},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            for _ in range(_PROCESSES)
        ]
        for number, process in enumerate(self._processes):
            assert process.stdin
            process.stdin.write("\n".join(each.job_id for each in jobs[number::_PROCESSES]))
            process.stdin.close()

    def __enter__(self) -> _Clients:
        return self

    def __exit__(self, *_: object) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def opened(self) -> float:
        """Waits until all have their first frame; the seconds that it took. None may fail."""
        answers = list(self._answers())
        failed = [each["failed"] for each in answers if each["failed"]]
        if failed:
            raise RuntimeError(f"watches failed: {failed}")
        return max(float(each["open_seconds"]) for each in answers)

    def ended(self) -> tuple[Counter[str], int, list[int]]:
        """Waits until all have ended: how, how many were told the end, and their reports."""
        endings: Counter[str] = Counter()
        done, told = 0, []
        for each in self._answers():
            endings.update(each["endings"])
            done += each["done"]
            told += each["told_ns"]
        return endings, done, told

    def _answers(self) -> Iterator[Any]:
        for process in self._processes:
            assert process.stdout
            yield json.loads(process.stdout.readline())


def _claimed(store: Store, count: int) -> list[Claim]:
    """All jobs, held by workers that are played here and never let go."""
    claims: list[Claim] = []
    while len(claims) < count:
        name = f"played-{len(claims)}"
        wanted = min(_EACH, count - len(claims))
        turn = store.run(
            calls.turn(
                worker=name,
                incarnation=name,
                token=new_token(),
                queues=[noop_jobs.QUEUE],
                want=wanted,
            )
        )
        claims += turn.claims
    return claims


def _report(store: Store, jobs: Sequence[Claim], per_second: int, seconds: float) -> int:
    """One report of each job in turn, spread evenly; answers how many there were."""
    start, sent = time.monotonic(), 0
    while (now := time.monotonic()) < start + seconds:
        due = min(int((now - start) * per_second), sent + 500)
        _send(store, [_progress(jobs[number % len(jobs)]) for number in range(sent, due)])
        sent = due
        time.sleep(max(0.0, _TICK - (time.monotonic() - now)))
    return sent


def _progress(job: Claim) -> Call[str]:
    report = Progress(current=time.monotonic_ns()).SerializeToString()
    return calls.progress(job.job_id, job.token, report)


def _finish(store: Store, jobs: Sequence[Claim]) -> None:
    for job in jobs:
        done = Finished(job_id=job.job_id, token=job.token, verdict=Verdict.SUCCEEDED)
        ended = calls.turn(
            worker="finisher",
            incarnation="finisher",
            token=new_token(),
            queues=[],
            want=0,
            finished=[done],
        )
        assert list(store.run(ended).taken) == [True]


def _send(store: Store, many: Sequence[Call[str]]) -> None:
    if not many:
        return
    store.run(many[0])  # Redis knows the script from here on
    pipeline = store.redis.pipeline(transaction=False)
    for each in many[1:]:
        pipeline.evalsha(each.script.sha, len(each.keys), *each.keys, *each.arguments)
    words = set(pipeline.execute())
    if not words <= {b"held"}:
        raise RuntimeError(f"reports were answered {words}")


def _by_second(told: Sequence[int], begun: float) -> list[list[float]]:
    seconds: dict[int, list[float]] = {}
    for made, seen in zip(told[::2], told[1::2], strict=True):
        seconds.setdefault(int(made / 1e9 - begun), []).append((seen - made) / 1e6)
    return [seconds[number] for number in sorted(seconds)]


def _section(found: Watched, watchers: int, per_second: int, seconds: float) -> Section:
    section = Section(
        title=f"{watchers:,} watchers of one job each, {per_second:,} updates/s",
        note=f"{_PROCESSES * _CONNECTIONS} connections, all watches opened at once, {seconds:g} s "
        "of updates; latencies from the report to its watcher, of each second.",
        columns=("", "median (least – most)"),
    )
    told = sum(map(len, found.latencies_ms))
    middle = spread([percentile(each, 0.5) for each in found.latencies_ms])
    slow = spread([percentile(each, 0.99) for each in found.latencies_ms])
    failed = watchers - found.endings["OK"]
    overall = percentile([ms for each in found.latencies_ms for ms in each], 0.99)
    section.rows += [
        ("update → watcher, p50 ms", str(middle)),
        ("update → watcher, p99 ms", str(slow)),
        ("updates sent a second", short(found.per_second)),
        ("updates told, of those sent", f"{told:,} of {found.sent:,}"),
        ("all open after, s", short(found.open_seconds)),
        ("door, KiB a stream", short(found.stream_kib)),
        ("door busy, of one core", f"{found.door_busy:.0%}"),
        ("Redis busy, of one core", f"{found.redis_busy:.0%}"),
        ("watches that did not end well", f"{failed} {dict(found.endings) if failed else ''}"),
    ]
    section.figures = {
        "p50_ms": middle,
        "p99_ms": slow,
        "overall_p99_ms": overall,
        "sent": found.sent,
        "per_second": found.per_second,
        "told": told,
        "open_seconds": found.open_seconds,
        "stream_kib": found.stream_kib,
        "door_busy": found.door_busy,
        "redis_busy": found.redis_busy,
        "endings": dict(found.endings),
    }
    for what, figure, wanted, unit in (
        ("watches that failed", float(failed), 0.0, ""),
        ("jobs whose end a watcher missed", float(watchers - found.done), 0.0, ""),
        ("update → watcher, p99 of all", overall, SLOWEST_MS, "ms"),
        ("memory of the door", found.stream_kib, MOST_KIB, "KiB a stream"),
    ):
        section.checks.append(
            Check(what=what, figure=figure, wanted=wanted, unit=unit, at_most=True)
        )
    return section
