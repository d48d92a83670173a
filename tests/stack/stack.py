"""Redis, door, workers and SMTP sandbox, each a real process, started when a test asks for it."""

from __future__ import annotations

import shutil
import sys
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from redis import Redis

from portaria.up.health import is_serving
from portaria.up.ports import free_port
from portaria.up.redis_server import RedisServer
from stack.processes import Process, Processes, base_env
from stack.sandbox import Sandbox

if TYPE_CHECKING:
    from portaria.client import Client


class Stack:
    """One system of its own: its ports, its data directory, its Redis.

    Parts that a test does not name start by themselves where another needs them: `client` starts a
    door, a worker of the pool "mail" the sandbox.
    """

    def __init__(self, redis_server: RedisServer, folder: Path) -> None:
        self.redis_server = redis_server
        self.folder = folder
        self.data_dir = folder / "data"
        self.address = f"127.0.0.1:{free_port()}"
        self._smtp_port = free_port()
        self.env = base_env(
            PORTARIA_REDIS_URL=redis_server.url,
            RQ_REDIS_URL=redis_server.url,
            PORTARIA_LISTEN=self.address,
            PORTARIA_ADDRESS=self.address,
            PORTARIA_DATA_DIR=str(self.data_dir),
            PORTARIA_JOBS="portaria_workers,acme_jobs",
            PORTARIA_SMTP_URL=f"smtp://127.0.0.1:{self._smtp_port}",
        )
        self.processes = Processes(folder / "processes", self.env)
        self.processes.folder.mkdir()
        self._doors: list[Process] = []
        self._lent = False

    def borrow_door(self, other: Stack) -> None:
        """Lets `client` call the door of another stack over the same Redis.

        It outlives the test: one that does something to its door starts one of its own, which is
        then where `client` calls.
        """
        self.data_dir.mkdir()
        shutil.copy(other.data_dir / "signing.key", self.data_dir)
        self._move_to(other.address)
        self._lent = True

    @cached_property
    def redis(self) -> Redis:
        """A client of the stack's Redis, for a look at the keys; answers are str."""
        return Redis.from_url(self.redis_server.url, decode_responses=True)

    @cached_property
    def smtp(self) -> Sandbox:
        """The SMTP sandbox."""
        return self.sandbox()

    @cached_property
    def client(self) -> Client:
        """A client of the door, which is started where there is none yet."""
        from portaria.client import Client

        if not self._doors and not self._lent:
            self.door()
        return Client(self.address)

    def door(self, **env: str) -> Process:
        """Starts a door and waits until it serves; the first one at `address`.

        `env` adds settings. A further door listens elsewhere: see `address_of`.
        """
        if self._lent:
            assert "client" not in self.__dict__, "start the door first, then call it"
            self._lent = False
            self._move_to(f"127.0.0.1:{free_port()}")
        listen = self.address if not self._doors else f"127.0.0.1:{free_port()}"
        env = {"PORTARIA_LISTEN": listen, "PORTARIA_ADDRESS": listen, **env}
        process = self.processes.portaria("door", "serve", **env)
        self._doors.append(process)
        process.address = env["PORTARIA_LISTEN"]
        process.wait_until(lambda: is_serving(env["PORTARIA_LISTEN"], within=0.2))
        return process

    def worker(
        self, *pools: str, concurrency: int = 1, arguments: tuple[str, ...] = (), **env: str
    ) -> Process:
        """Starts `portaria worker POOL… --concurrency N` and waits until it is registered."""
        pools = pools or ("mail",)
        if "mail" in pools:
            _ = self.smtp
        command = ("worker", *pools, "--concurrency", str(concurrency), *arguments)
        return self._registered(self.processes.portaria("worker", *command, **env))

    def scheduler(self, **env: str) -> Process:
        """Starts `portaria scheduler` and waits until it fires what is due.

        It declares nothing, unless `env` names a list.
        """
        env = {"PORTARIA_SCHEDULES": "", **env}
        process = self.processes.portaria("scheduler", "scheduler", **env)
        process.wait_for("scheduler ready")
        return process

    def rq_worker(self, *queues: str, arguments: tuple[str, ...] = (), **env: str) -> Process:
        """Starts a stock `rq worker -w portaria.Worker QUEUE…` and waits until it is registered."""
        if any(queue.startswith("mail:") for queue in queues):
            _ = self.smtp
        rq = Path(sys.executable).with_name("rq")
        command = ("worker", "-w", "portaria.Worker", *arguments, *queues)
        return self._registered(self.processes.start("rq-worker", rq, *command, **env))

    def sandbox(self, *arguments: str) -> Sandbox:
        """Starts the SMTP sandbox with further arguments; it is `smtp` from now on."""
        folder, ready = self.data_dir / "mail", self.folder / "sandbox.ready"
        ready.unlink(missing_ok=True)
        listen = f"127.0.0.1:{self._smtp_port}"
        command = ("-m", "portaria_workers.mail.sandbox", "--listen", listen, "--dir", folder)
        process = self.processes.python("sandbox", *command, "--ready-file", ready, *arguments)
        process.wait_until(ready.exists)
        sandbox = self.__dict__["smtp"] = Sandbox(process, folder, f"smtp://{listen}")
        return sandbox

    def restart_redis(self) -> None:
        """Starts the Redis that a test killed, with its data, where it was."""
        self.redis_server.process.stop()
        self.redis_server.start()

    def close(self) -> None:
        """Stops everything but Redis."""
        for name in ("client", "redis"):
            if name in self.__dict__:
                self.__dict__[name].close()
        self.processes.stop()

    def _move_to(self, address: str) -> None:
        self.address = address
        for env in (self.env, self.processes.env):
            env.update(PORTARIA_LISTEN=address, PORTARIA_ADDRESS=address)

    def _registered(self, process: Process) -> Process:
        def known() -> bool:
            keys = self.redis.smembers("rq:workers")
            pids = {int(self.redis.hget(key, "pid") or 0) for key in keys} - {0}
            if not pids or process.pid in pids:
                return bool(pids)
            # The rarer case, since it means a look at every process of the machine.
            return any(each.pid in pids for each in process.descendants())

        process.wait_until(known)
        return process
