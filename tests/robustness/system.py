"""The system under proof as real processes, with the shipped settings, and who restarts them."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from portaria.up.health import is_serving
from portaria.up.ports import free_port
from portaria.up.redis_server import RedisServer
from robustness.bursts import DOMAIN
from stack import Process, Processes, eventually
from stack.processes import base_env

_HERE = Path(__file__).parent
_RESTART_AFTER = 0.2
_POOLS = {"lab": ("lab", "flow")}
"""Whose jobs the workers of a domain run, where it is not that one alone."""


@dataclass(slots=True)
class Member:
    """A place in the system that is filled again whenever its process dies."""

    name: str
    start: Callable[[int], Process]
    """Starts the n-th process of this place."""
    process: Process
    domain: str = ""
    """Of a worker: whose jobs it runs."""
    children: int = 0
    """Of a worker: how many jobs it runs at a time."""
    starts: int = 1
    dead_since: float | None = None
    frozen_until: float | None = None

    @property
    def workers(self) -> list[str]:
        """The names under which the present process takes jobs."""
        return worker_names(self.name, self.starts - 1, self.children)

    @property
    def is_up(self) -> bool:
        """Whether its process runs and was not stopped."""
        return self.frozen_until is None and self.process.running

    def freeze(self, seconds: float) -> None:
        """SIGSTOP of the whole group."""
        self.process.pause(group=True)
        self.frozen_until = time.monotonic() + seconds

    def thaw(self) -> None:
        """SIGCONT."""
        self.process.resume(group=True)
        self.frozen_until = None


def worker_names(member: str, start: int, children: int) -> list[str]:
    """The names of the n-th start of a worker: each start has its own, as by default."""
    return [f"{member}r{start}-{number}" for number in range(1, children + 1)]


@dataclass(slots=True)
class System:
    """Redis behind a proxy that cuts replies, two doors, workers, and a receiver outside."""

    folder: Path
    seed: int
    cut: float
    redis: RedisServer = field(init=False)
    processes: Processes = field(init=False)
    doors: list[Member] = field(default_factory=list)
    workers: list[Member] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)
    receiver: str = ""
    _proxy: Process | None = None

    def start(self, *, parents: int, children: int, bursters: int, against: str = "") -> None:
        """Starts all and waits until it works."""
        self.redis = RedisServer(self.folder / "redis")
        self.redis.start()
        folder = self.folder / "processes"
        folder.mkdir()
        self.processes = Processes(folder, base_env())
        cut, to, seed = str(self.cut), str(self.redis.port), str(self.seed)
        self._proxy = self._script("proxy", "--to", to, "--cut", cut, "--seed", seed)
        receiver = self._script("receiver", self.database)
        self.receiver = f"127.0.0.1:{_port_of(receiver)}"
        url = self.redis.url.replace(f":{self.redis.port}/", f":{_port_of(self._proxy)}/")
        self.processes.env |= {
            "PORTARIA_REDIS_URL": url,
            "PORTARIA_DATA_DIR": str(self.folder / "data"),
            "PORTARIA_JOBS": "acme_jobs",
            "PORTARIA_LOG_LEVEL": "warning",
        }
        self._start_doors()
        for number in range(parents):
            start = self._blpop if against else self._worker
            self._place_worker(f"w{number}", "lab", 1 if against else children, start)
        for number in range(bursters):
            self._place_worker(f"b{number}", DOMAIN, 1, self._worker)
        for worker in self.workers:
            worker.process.wait_for("ready" if against else "worker ready", 30)
        self._proxy.send(signal.SIGUSR1)

    @property
    def database(self) -> Path:
        """The receiver's file."""
        return self.folder / "receiver.sqlite"

    def tend(self) -> None:
        """What a supervisor does: what died starts again, and what was stopped goes on in time."""
        now = time.monotonic()
        for member in (*self.doors, *self.workers):
            if member.frozen_until is not None and now >= member.frozen_until:
                member.thaw()
            if member.process.running:
                member.dead_since = None
            elif member.dead_since is None:
                member.dead_since = now
            elif now - member.dead_since >= _RESTART_AFTER:
                member.process = member.start(member.starts)
                member.starts += 1
                member.dead_since = None

    def kill_redis(self) -> None:
        """SIGKILL, and a restart with its data."""
        self.redis.kill()
        self.redis.start()

    def heal(self) -> None:
        """No more harm: replies arrive, what was stopped goes on."""
        assert self._proxy is not None
        self._proxy.send(signal.SIGUSR2)
        for worker in self.workers:
            if worker.frozen_until is not None:
                worker.thaw()

    def relieve(self) -> None:
        """Of each pool one worker makes room for another, which looks at its start for what the
        dead left in RQ's register; the others do so each 30 s.
        """
        for worker in {each.domain: each for each in self.workers}.values():
            worker.process.terminate()
            worker.process.wait(10)

    @property
    def cuts(self) -> int:
        """How many replies were cut."""
        return self._proxy.output().count("cut a reply") if self._proxy is not None else 0

    def traces(self) -> list[str]:
        """The processes that wrote a stack trace, with its last line."""
        found = []
        for process in self.processes.started:
            _, trace, rest = process.output().partition("Traceback (most recent call last)")
            if trace:
                last = next((x for x in rest.splitlines()[1:] if not x.startswith(" ")), "")
                found.append(f"{process.name}: {last[:200]}")
        return found

    def living_workers(self) -> set[str]:
        """The names of all workers whose process runs."""
        return {name for each in self.workers if each.process.running for name in each.workers}

    def all_workers(self) -> set[str]:
        """The names of all workers that ever ran."""
        return {
            name
            for each in self.workers
            for start in range(each.starts)
            for name in worker_names(each.name, start, each.children)
        }

    def stop(self) -> None:
        """Stops everything."""
        for member in (*self.workers, *self.doors):
            member.process.resume(group=True)
            member.process.terminate()
        self.processes.stop()
        self.redis.stop()

    def _start_doors(self) -> None:
        for number in range(2):
            address = f"127.0.0.1:{free_port()}"
            self.addresses.append(address)

            def start(_: int, address: str = address) -> Process:
                return self.processes.portaria("door", "serve", PORTARIA_LISTEN=address)

            self.doors.append(Member(f"d{number}", start, start(0)))
        # Where jobs hand in others.
        self.processes.env["PORTARIA_ADDRESS"] = ",".join(self.addresses)
        for address in self.addresses:
            eventually(lambda at=address: is_serving(at, within=0.2), 30)  # type: ignore[misc]

    def _place_worker(
        self, name: str, domain: str, children: int, start: Callable[[str, str, int, int], Process]
    ) -> None:
        def again(number: int) -> Process:
            return start(name, domain, number, children)

        self.workers.append(Member(name, again, again(0), domain, children))

    def _worker(self, name: str, domain: str, number: int, children: int) -> Process:
        base = f"{name}r{number}"
        words = (*_POOLS.get(domain, (domain,)), "--concurrency", str(children), "--name", base)
        return self.processes.portaria("worker", "worker", *words, PORTARIA_LOG_LEVEL="info")

    def _blpop(self, name: str, _: str, number: int, children: int) -> Process:
        (worker,) = worker_names(name, number, children)
        words = ("--redis", self.redis.url, "--receiver", self.receiver, "--name", worker)
        return self._script("blpop_worker", *words)

    def _script(self, name: str, *words: str | Path) -> Process:
        return self.processes.python(name, _HERE / f"{name}.py", *words)


def _port_of(process: Process) -> int:
    return int(process.wait_for(r"^listening on \d+$").rpartition(" ")[2])
