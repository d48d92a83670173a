"""The command by which the compose file starts Redis, run as it stands."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, RedisError
from ruamel.yaml import YAML

from portaria.store.connect import connect
from portaria.up.ports import free_port
from project import TOP
from stack import Processes, eventually
from stack.versions import VERSIONS, binary

PASSWORDS = {
    "REDIS_PASSWORD": "0a1b",
    "REDIS_DOOR_PASSWORD": "2c3d",
    "REDIS_WORKER_PASSWORD": "4e5f",
    "REDIS_SCHEDULER_PASSWORD": "6a7b",
}


@pytest.mark.parametrize("version", VERSIONS)
def test_redis_starts_with_its_users_and_its_durability(
    processes: Processes, tmp_path: Path, version: str
) -> None:
    """Three passwords, three users, none without one, and none to be seen in the arguments."""
    compose: dict[str, Any] = YAML(typ="safe").load(TOP / "docker-compose.yml")
    shell, option, text = compose["services"]["redis"]["command"]
    port = free_port()
    for old, new in {
        "$$": "$",
        "/data": str(tmp_path),
        "/etc/portaria.acl": str(TOP / "services/portaria/store/acl/portaria.acl"),
        "redis-server -": f"{binary(version)} - --port {port} --bind 127.0.0.1",
    }.items():
        assert old in text
        text = text.replace(old, new)

    process = processes.start("redis", shell, option, text, **PASSWORDS)

    operator = _client(port, "default", "0a1b")
    eventually(operator.ping, 5, ignoring=(RedisError,))
    assert _client(port, "door", "2c3d").ping()
    assert _client(port, "worker", "4e5f").ping()
    assert _client(port, "scheduler", "6a7b").ping()
    for user in ("default", "door", "worker", "scheduler"):
        with pytest.raises(AuthenticationError):
            _client(port, user, "wrong").ping()
    with pytest.raises(AuthenticationError):
        connect(f"redis://127.0.0.1:{port}/0").ping()
    assert operator.acl_users() == ["default", "door", "scheduler", "worker"]
    durability: Any = operator.config_get("appendfsync")
    assert durability == {"appendfsync": "always"}
    seen = [" ".join(each.cmdline()) for each in process.descendants()]
    assert seen
    assert not [word for word in PASSWORDS.values() for line in seen if word in line]


def _client(port: int, user: str, password: str) -> Redis:
    return connect(f"redis://{user}:{password}@127.0.0.1:{port}/0")
