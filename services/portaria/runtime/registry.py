"""RQ's register of workers, kept true for `rq info` and dashboards. One writer: the parent."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from redis.client import PubSub
from redis.exceptions import RedisError
from rq import Worker as RqWorker
from rq.command import PUBSUB_CHANNEL_TEMPLATE
from rq.utils import utcformat
from rq.worker_registration import (
    REDIS_WORKER_KEYS,
    WORKERS_BY_QUEUE_KEY,
    clean_worker_registry,
)

from portaria.core.errors import ConfigurationError
from portaria.runtime.family import ChildProcess
from portaria.runtime.supervisor import Command
from portaria.runtime.vitals import Pulse, Vitals
from portaria.store.faults import translated
from portaria.store.workers import TTL_SECONDS

TICK_EVERY = 1.0
REFRESH_EVERY = 7.0
"""What did not change is written all the same: Redis may have been emptied."""
CLEAN_EVERY = 30.0


class RqRegistry:
    """Implements supervisor.Registry for RQ workers that share one parent."""

    def __init__(
        self, workers: Sequence[RqWorker], types: Sequence[str], settings: Mapping[str, str]
    ) -> None:
        """`types` are the full names of what they serve, `settings` for people, without secrets."""
        self._workers = {worker.name: worker for worker in workers}
        self._connection = workers[0].connection
        self._described = {"types": ",".join(types), "settings": json.dumps(dict(settings))}
        self._pulse = Pulse(os.getpid())
        self._pubsub: PubSub | None = None
        self._next = self._next_cleaning = 0.0
        self._written: dict[str, tuple[float, object]] = {}
        self._suspended = False
        self._done: dict[str, list[float]] = {name: [0, 0, 0.0] for name in self._workers}

    def register(self) -> None:
        """Announces all workers. Raises ConfigurationError where a name is a living one's."""
        for worker in self._workers.values():
            if self._is_of_the_dead(worker.key):
                self._connection.delete(worker.key)
            try:
                worker.register_birth()  # type: ignore[no-untyped-call]
            except ValueError:
                text = f'a worker named "{worker.name}" is alive, or was {TTL_SECONDS} s ago'
                raise ConfigurationError(text) from None
        self._pubsub = self._connection.pubsub(  # type: ignore[no-untyped-call]
            ignore_subscribe_messages=True
        )
        self._pubsub.subscribe(*(PUBSUB_CHANNEL_TEMPLATE % name for name in self._workers))

    def unregister(self) -> None:
        """Says goodbye; where Redis is away, RQ's expiry does."""
        try:
            for worker in self._workers.values():
                worker.register_death()  # type: ignore[no-untyped-call]
            if self._pubsub is not None:
                self._pubsub.close()
        except (RedisError, OSError):
            return

    def tick(self, children: Sequence[ChildProcess]) -> None:
        """Writes states, once a second where they changed."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + TICK_EVERY
        by_name = {child.worker: child for child in children}
        parent = _vital_fields("parent", self._pulse.take())
        with translated():
            pipeline = self._connection.pipeline(transaction=False)
            pipeline.exists("rq:suspended")
            for name, worker in self._workers.items():
                child = by_name.get(name)
                seen = self._suspended, child and (child.pid, child.running(), child.counts())
                written_at, written = self._written.get(name, (0.0, None))
                if seen != written or now - written_at >= REFRESH_EVERY:
                    self._written[name] = now, seen
                    self._write(pipeline, worker, child, parent)
            replies = pipeline.execute()
        self._suspended = bool(replies[0])
        if now >= self._next_cleaning:
            self._next_cleaning = now + CLEAN_EVERY
            self._forget_the_dead()

    def buried(self, child: ChildProcess) -> None:
        """Keeps what a dead child did."""
        counts, kept = child.counts(), self._done[child.worker]
        kept[0] += counts.done
        kept[1] += counts.failed
        kept[2] += counts.busy_seconds

    def bell(self) -> int | None:
        """See supervisor.Registry."""
        connection: Any = self._pubsub and self._pubsub.connection
        # Nothing public of redis-py tells; where it changes, commands are heard at the next tick.
        sock = getattr(connection, "_sock", None)
        return None if sock is None else int(sock.fileno())

    def commands(self) -> Sequence[Command]:
        """What RQ's send_command published for these workers."""
        found = []
        with translated():
            while self._pubsub is not None:
                message: Any = self._pubsub.get_message(timeout=0.0)
                if message is None:
                    break
                command = _command(message)
                if command is not None:
                    found.append(command)
        return found

    def is_suspended(self) -> bool:
        """Whether somebody said `rq suspend`."""
        return self._suspended

    def _forget_the_dead(self) -> None:
        """RQ's own cleaning of its register, which its maintenance would do."""
        with translated():
            for queue in next(iter(self._workers.values())).queues:
                clean_worker_registry(queue)

    def _is_of_the_dead(self, key: str) -> bool:
        """Whether who registered there was on this machine, and is gone: killed, and restarted."""
        found: Any = self._connection.hmget(key, "hostname", "pid")
        hostname, pid = found
        if hostname is None or pid is None or hostname.decode() != socket.gethostname():
            return False
        # In a container, the number is the same each time.
        return int(pid) == os.getpid() or not _is_alive(int(pid))

    def _write(
        self, pipeline: Any, worker: RqWorker, child: ChildProcess | None, parent: dict[str, Any]
    ) -> None:
        running = child.running() if child is not None else None
        counts = child.counts() if child is not None else None
        done, failed, busy = self._done[worker.name]
        if counts is not None:
            done, failed, busy = (
                done + counts.done,
                failed + counts.failed,
                busy + counts.busy_seconds,
            )
        state = "suspended" if self._suspended else "busy" if running else "idle"
        fields = worker.serialize() | {
            "last_heartbeat": utcformat(datetime.now(UTC)),
            "state": state,
            "current_job": running.job_id if running else "",
            "successful_job_count": int(done),
            "failed_job_count": int(failed),
            "total_working_time": busy,
            **parent,
            **_child_fields(child),
            **self._described,
        }
        # Whole each time: a Redis that was emptied has the worker again a second later.
        pipeline.sadd(REDIS_WORKER_KEYS, worker.key)
        for queue in worker.queue_names():
            pipeline.sadd(WORKERS_BY_QUEUE_KEY % queue, worker.key)
        pipeline.hset(worker.key, mapping=fields)
        pipeline.expire(worker.key, TTL_SECONDS)


def _child_fields(child: ChildProcess | None) -> dict[str, Any]:
    """What RQ has no words for: its `pid` is the parent's. Empty between two children."""
    if child is None:
        return {"child_pid": "", "child_started_at": "", **_vital_fields("child", None)}
    return {
        "child_pid": child.pid,
        "child_started_at": utcformat(child.started_at),
        **_vital_fields("child", child.vitals),
    }


def _vital_fields(whose: str, vitals: Vitals | None) -> dict[str, Any]:
    return {
        f"{whose}_cpu_percent": vitals.cpu_percent if vitals is not None else "",
        f"{whose}_rss_bytes": vitals.rss_bytes if vitals is not None else "",
    }


def _is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def _command(message: dict[str, Any]) -> Command | None:
    """Reads one message; anybody can publish, so anything may be in it."""
    try:
        payload = json.loads(message["data"])
        name, job_id = str(payload["command"]), str(payload.get("job_id", ""))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    worker = message["channel"].decode().removeprefix(PUBSUB_CHANNEL_TEMPLATE % "")
    return Command(worker, name, job_id)
