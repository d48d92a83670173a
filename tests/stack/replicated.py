"""A master, two replicas and three sentinels, all real, on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from portaria.up.ports import free_port
from stack.eventually import eventually
from stack.processes import Process, Processes

PASSWORD, SENTINELS_PASSWORD, SERVICE = "of-redis", "of-sentinels", "jobs"

_NODE = f"""
bind 127.0.0.1
requirepass {PASSWORD}
masterauth {PASSWORD}
save ""
appendonly yes
appendfsync always
maxmemory-policy noeviction
min-replicas-to-write 1
repl-diskless-sync yes
repl-diskless-sync-delay 0
"""
_SENTINEL = f"""
bind 127.0.0.1
requirepass {SENTINELS_PASSWORD}
sentinel sentinel-pass {SENTINELS_PASSWORD}
sentinel monitor {SERVICE} 127.0.0.1 {{master}} 2
sentinel auth-pass {SERVICE} {PASSWORD}
sentinel down-after-milliseconds {SERVICE} 2000
sentinel failover-timeout {SERVICE} 3000
sentinel parallel-syncs {SERVICE} 2
"""


class Replicated:
    """Starts them, and waits until all know each other."""

    def __init__(self, processes: Processes, folder: Path, binary: Path) -> None:
        self._processes = processes
        self._folder = folder
        self._binary = binary
        self.nodes: dict[int, Process] = {}
        """By port, the first master first."""
        self.sentinels: dict[int, Process] = {}
        self._start()

    @property
    def url(self) -> str:
        """As PORTARIA_REDIS_URL takes it."""
        return self._url(",".join(f"127.0.0.1:{port}" for port in self.sentinels))

    def master(self) -> int:
        """The port of who is the master, as a sentinel that lives says."""
        sentinel: Any = self._sentinel()
        found = sentinel.execute_command("SENTINEL", "GET-MASTER-ADDR-BY-NAME", SERVICE)
        return int(found[1])

    def node(self, port: int) -> Redis:
        """A client of one node; answers are str."""
        return _client(port, PASSWORD)

    def is_promoted(self, old: int) -> bool:
        """Whether another than `old` is the master now, in its own words, too."""
        port = self.master()
        return port != old and self.node(port).role()[0] == "master"

    def _url(self, hosts: str) -> str:
        return (
            f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}/0"
            f"?sentinel_password={SENTINELS_PASSWORD}"
        )

    def _start(self) -> None:
        master = free_port()
        self._node(master)
        for port in (free_port(), free_port()):
            self._node(port, f"replicaof 127.0.0.1 {master}\n")
        eventually(lambda: self._online(master) == 2, 20, ignoring=(RedisError,))
        for port in (free_port(), free_port(), free_port()):
            text = f"port {port}\n" + _SENTINEL.format(master=master)
            self.sentinels[port] = self._server("sentinel", port, text, "--sentinel")
        for port in self.sentinels:
            eventually(lambda: self._knows_all(port), 20, ignoring=(RedisError,))  # noqa: B023

    def _node(self, port: int, more: str = "") -> None:
        self.nodes[port] = self._server("redis", port, f"port {port}\n{_NODE}{more}")

    def _server(self, name: str, port: int, text: str, *arguments: str) -> Process:
        folder = self._folder / f"{name}-{port}"
        folder.mkdir()
        conf = folder / "conf"
        conf.write_text(f"dir {folder}\n{text}")
        return self._processes.start(name, self._binary, conf, *arguments)

    def _online(self, master: int) -> int:
        info: Any = self.node(master).info("replication")
        return sum(info.get(f"slave{n}", {}).get("state") == "online" for n in range(2))

    def _knows_all(self, port: int) -> bool:
        state: Any = _client(port, SENTINELS_PASSWORD).sentinel_master(SERVICE)
        return int(state["num-other-sentinels"]) == 2 and int(state["num-slaves"]) == 2

    def _sentinel(self) -> Redis:
        port = next(port for port, process in self.sentinels.items() if process.running)
        return _client(port, SENTINELS_PASSWORD)


def _client(port: int, password: str) -> Redis:
    """Asks once: who waits for something asks again."""
    never = Retry(NoBackoff(), 0)
    return Redis(port=port, password=password, decode_responses=True, retry=never)
