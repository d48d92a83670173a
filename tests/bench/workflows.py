"""What a wide workflow costs beside as many plain jobs, and how soon a large tree is cancelled.

Each round hands in batches of plain no-op jobs, one chord whose header is as many of them, and one
chain of a job and a group of as many, each into a paused queue; then the queue is resumed, and one
worker runs them. So the calls, the memory of what waits, and the running are measured apart.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import grpc
from redis import Redis

from acme_jobs.lab.v1.lab_pb2 import Wait
from bench import noop_jobs
from bench.cpu import cpu_seconds
from bench.figures import ratios, short, spread
from bench.report import Check, Section
from bench.sides import WORKERS
from portaria.client import Client
from portaria.core.ids import member_id, new_request_id
from portaria.store import keys
from portaria.store.scripts import NAMES, script
from portaria.up.redis_server import RedisServer
from portaria.v1.job_pb2 import JobState
from portaria.v1.jobs_service_pb2 import CancelJobsRequest, JobSelector
from portaria.v1.jobs_service_pb2_grpc import JobsServiceStub
from portaria.v1.workflows_pb2 import GetWorkflowRequest, Step, SubmitWorkflowRequest
from stack import Process, Stack, eventually

TIMES_PLAIN, LONGEST_SCRIPT, CANCELLED_IN = 1.5, 10.0, 2.0
PLAIN, CHORD, FAN = "BatchSubmitJobs of 1,000", "a chord", "a job, then a group"
TREE, RUNNING = 500, 4
_SLOW_US = 500
"""What a script must take to be in the slow log."""
_CALL, _LONGEST = 60.0, 120.0
_BATCH = 1_000
_OPTIONS = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """One round of one side, a job of it."""

    submit_us: float
    """Wall time of the calls."""
    run_us: float
    """Wall time from the moment that the queue is resumed to the last job's end."""
    door_us: float
    """Processor time, as the next two."""
    worker_us: float
    redis_us: float
    memory: float
    """Bytes in Redis, while all wait."""

    @property
    def wall_us(self) -> float:
        """All together."""
        return self.submit_us + self.run_us

    @property
    def cpu_us(self) -> float:
        """All together."""
        return self.door_us + self.worker_us + self.redis_us


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """What became of the body of a chord."""

    after_ms: float
    """From the end of its header's last job."""
    runs: int


@dataclass(slots=True)
class _Bench:
    """A system, and what speaks to it."""

    stack: Stack
    redis: Redis
    stub: JobsServiceStub
    client: Client
    door: Process
    log: Path
    """What bodies write into."""
    workflow_id: str = ""
    """Of the last one that was handed in."""

    @property
    def redis_pid(self) -> int:
        return self.stack.redis_server.process.pid

    def used(self) -> int:
        """Bytes of data, without the stream of events, which is trimmed by its own limit."""
        info: Any = self.redis.info("memory")
        events: Any = self.redis.memory_usage(keys.EVENTS, samples=0) or 0
        return int(info["used_memory"]) - int(events)

    def ended(self) -> int:
        found: Any = self.redis.zcard(f"rq:finished:{noop_jobs.QUEUE}")
        return int(found)


def measure(*, members: int, rounds: int) -> Section:
    """Each round runs both sides, in turn from the one and from the other."""
    found: dict[str, list[Cost]] = {PLAIN: [], CHORD: [], FAN: []}
    bodies: list[Body] = []
    slowest: list[dict[str, float]] = []
    with _system() as bench:
        worker = _worker(bench, WORKERS)
        # The first of everything takes time and memory once.
        _run(bench, worker, lambda: _submit_plain(bench, 1_000), 1_000)
        _run(bench, worker, lambda: _submit_chord(bench, 999), 1_000)
        for number in range(rounds):
            bench.redis.slowlog_reset()
            for name in found if number % 2 == 0 else reversed(found):
                if name == PLAIN:
                    cost = _run(bench, worker, lambda: _submit_plain(bench, members), members)
                elif name == CHORD:
                    cost = _run(bench, worker, lambda: _submit_chord(bench, members), members + 1)
                    bodies.append(_body(bench, members))
                else:
                    cost = _run(bench, worker, lambda: _submit_fan(bench, members), members + 1)
                found[name].append(cost)
            slowest.append(_slowest(bench.redis))
    return _section(found, bodies, slowest, members)


def measure_cancel(*, rounds: int) -> Section:
    """A tree with some jobs that run, cancelled by force."""
    seconds, ended = [], []
    with _system() as bench:
        worker = _worker(bench, RUNNING)
        for _ in range(rounds):
            took, count = _cancel(bench)
            seconds.append(took)
            ended.append(count)
        worker.stop(grace=3)
    section = Section(
        title=f"cancel of a tree of {TREE}, {RUNNING} of them running",
        note="From the call, with force, to the moment when all of it has ended.",
        columns=("", "median (least – most)"),
    )
    took_all = spread(seconds)
    section.rows.append(("seconds until all is over", str(took_all)))
    section.figures = {"seconds": took_all, "rounds": seconds}
    section.checks += [
        Check(
            what="until all is over", figure=took_all, wanted=CANCELLED_IN, unit="s", at_most=True
        ),
        Check(what="jobs that were cancelled", figure=min(ended), wanted=TREE, unit="jobs"),
    ]
    return section


@contextmanager
def _system() -> Iterator[_Bench]:
    with ExitStack() as exits:
        folder = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="portaria-bench-")))
        server = exits.enter_context(RedisServer(folder / "redis"))
        stack = Stack(server, folder)
        exits.callback(stack.close)
        door = stack.door(PORTARIA_JOBS=noop_jobs.PACKAGE)
        redis = exits.enter_context(Redis.from_url(server.url, decode_responses=True))
        redis.config_set("slowlog-log-slower-than", _SLOW_US)
        redis.config_set("slowlog-max-len", 10_000)
        channel = exits.enter_context(grpc.insecure_channel(stack.address, options=_OPTIONS))
        client = exits.enter_context(Client(stack.address))
        yield _Bench(stack, redis, JobsServiceStub(channel), client, door, folder / "body.log")


def _worker(bench: _Bench, children: int) -> Process:
    return bench.stack.worker(noop_jobs.POOL, concurrency=children, PORTARIA_JOBS=noop_jobs.PACKAGE)


def _run(bench: _Bench, worker: Process, submit: Callable[[], object], jobs: int) -> Cost:
    """Hands in while nobody runs anything, then lets the worker run all of it."""
    bench.client.pause(noop_jobs.QUEUE)
    done, memory = bench.ended(), bench.used()
    pids = (bench.door.pid, worker.pid, bench.redis_pid)
    used = [cpu_seconds([pid]) for pid in pids]
    start = time.perf_counter()
    submit()
    submitted = time.perf_counter()
    memory = bench.used() - memory
    resumed = time.perf_counter()
    bench.client.resume(noop_jobs.QUEUE)
    eventually(lambda: bench.ended() == done + jobs, _LONGEST, every=0.005)
    ended = time.perf_counter()
    door, works, redis = (cpu_seconds([pid]) - first for pid, first in zip(pids, used, strict=True))
    return Cost(
        submit_us=(submitted - start) / jobs * 1e6,
        run_us=(ended - resumed) / jobs * 1e6,
        door_us=door / jobs * 1e6,
        worker_us=works / jobs * 1e6,
        redis_us=redis / jobs * 1e6,
        memory=memory / jobs,
    )


def _submit_plain(bench: _Bench, jobs: int) -> None:
    for _ in range(jobs // _BATCH):
        request = noop_jobs.noop_batch(_BATCH)
        request.request_id = new_request_id()
        bench.stub.BatchSubmitJobs(request, timeout=_CALL)


def _submit_chord(bench: _Bench, members: int) -> None:
    """One call. The body writes a line each time that it runs."""
    spec = noop_jobs.noop_request().spec
    request = SubmitWorkflowRequest(request_id=new_request_id())
    request.root.chord.header.steps.extend([Step(job=spec)] * members)
    bench.log.unlink(missing_ok=True)
    gate = str(bench.stack.folder)
    request.root.chord.body.job.payload.Pack(Wait(gate=gate, log=str(bench.log)))
    answer = bench.stub.SubmitWorkflow(request, timeout=_CALL)
    bench.workflow_id = answer.workflow.workflow_id


def _submit_fan(bench: _Bench, members: int) -> None:
    """One call: what follows the first job is let go in slices."""
    first = Step(job=noop_jobs.noop_request().spec)
    request = SubmitWorkflowRequest(request_id=new_request_id())
    request.root.chain.steps.append(first)
    request.root.chain.steps.add().group.steps.extend([first] * members)
    bench.stub.SubmitWorkflow(request, timeout=_CALL)


def _body(bench: _Bench, members: int) -> Body:
    """How soon it began, and how often."""
    pipeline = bench.redis.pipeline(transaction=False)
    for number in range(members + 1):
        pipeline.hmget(keys.job(member_id(bench.workflow_id, number)), "started", "ended")
    *header, (begun, _) = pipeline.execute()
    after = int(begun) - max(int(ended) for _, ended in header)
    return Body(after_ms=after, runs=len(bench.log.read_text().splitlines()))


def _slowest(redis: Redis) -> dict[str, float]:
    """script -> milliseconds of its longest run, of those in the slow log."""
    names = {script(name).sha: name for name in NAMES}
    found: dict[str, float] = {}
    log: Any = redis.slowlog_get(10_000)
    for entry in log:
        words = entry["command"].split(b" ", 2)
        name = names.get(words[1].decode()) if len(words) > 1 else None
        if name is not None:
            found[name] = max(found.get(name, 0.0), entry["duration"] / 1000)
    return found


def _cancel(bench: _Bench) -> tuple[float, int]:
    """Seconds until all has ended, and how many were cancelled."""
    request = SubmitWorkflowRequest(request_id=new_request_id())
    half = TREE // 2
    for _ in range(2):
        group = request.root.chain.steps.add().group
        for _ in range(half):
            spec = group.steps.add().job
            spec.payload.Pack(Wait(gate=str(bench.log) + "-never", stubborn=True))
    workflow_id = bench.stub.SubmitWorkflow(request, timeout=_CALL).workflow.workflow_id
    get = GetWorkflowRequest(workflow_id=workflow_id)

    def count(state: JobState.ValueType) -> int:
        counts = bench.stub.GetWorkflow(get, timeout=_CALL).workflow.counts
        return sum(each.count for each in counts if each.state == state)

    eventually(lambda: count(JobState.JOB_STATE_RUNNING) == RUNNING, _LONGEST)
    start = time.perf_counter()
    cancel = CancelJobsRequest(selector=JobSelector(workflow_id=workflow_id), force=True)
    answer = bench.stub.CancelJobs(cancel, timeout=_CALL)
    while answer.remaining:
        cancel.page_token = answer.next_page_token
        answer = bench.stub.CancelJobs(cancel, timeout=_CALL)
    eventually(
        lambda: bench.stub.GetWorkflow(get, timeout=_CALL).workflow.done, _LONGEST, every=0.01
    )
    return time.perf_counter() - start, count(JobState.JOB_STATE_CANCELLED)


def _section(
    found: dict[str, list[Cost]],
    bodies: Sequence[Body],
    slowest: Sequence[Mapping[str, float]],
    members: int,
) -> Section:
    section = Section(
        title=f"workflows of {members:,} no-op jobs",
        note="Medians a job, CPU in µs; all waits before any of it runs. Ratios: round by round.",
        columns=("", "submit µs", "run µs", "door CPU", "worker CPU", "Redis CPU", "bytes"),
    )
    for name, rounds in found.items():
        columns = ("submit_us", "run_us", "door_us", "worker_us", "redis_us", "memory")
        medians = {each: median(getattr(cost, each) for cost in rounds) for each in columns}
        section.rows.append((name, *map(short, medians.values())))
        section.figures[name] = {"rounds": [asdict(each) for each in rounds], **medians}
    after = spread([each.after_ms for each in bodies])
    # A script that was once not noted took less than that at its best.
    names = sorted(set.intersection(*(set(each) for each in slowest)))
    longest = {name: min(each[name] for each in slowest) for name in names}
    section.rows.append(("body begins after, ms", str(after), *[""] * 5))
    section.rows += [(f"longest {name}, ms", short(ms), *[""] * 5) for name, ms in longest.items()]
    section.figures |= {"body_after_ms": after, "longest_ms": longest}
    for name in (CHORD, FAN):
        against = {
            what: ratios(*([getattr(each, of) for each in found[side]] for side in (name, PLAIN)))
            for what, of in (("wall", "wall_us"), ("CPU", "cpu_us"), ("memory", "memory"))
        }
        section.figures[name]["times_plain"] = against
        if name == CHORD:
            section.checks += [
                Check(
                    what=f"a member of a chord against a plain job, {what}",
                    figure=figure,
                    wanted=TIMES_PLAIN,
                    at_most=True,
                )
                for what, figure in against.items()
            ]
        else:
            words = ", ".join(f"{what} × {figure}" for what, figure in against.items())
            section.note += f"\n{FAN}, against plain jobs: {words}."
    section.checks += [
        Check(
            what="the longest script, at its best",
            figure=max(longest.values(), default=0.0),
            wanted=LONGEST_SCRIPT,
            unit="ms",
            at_most=True,
        ),
        Check(
            what="runs of a body",
            figure=max(each.runs for each in bodies),
            wanted=1,
            unit="",
            at_most=True,
        ),
    ]
    return section
