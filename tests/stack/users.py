"""The users of Redis that we ship, in a Redis of a test."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from redis import Redis

from portaria.up.redis_server import RedisServer

PASSWORD = "of-a-test"


def add_users(server: RedisServer, redis: Redis) -> dict[str, str]:
    """Makes them as the shipped file says, each with a password; answers their URLs by name."""
    shipped = files("portaria.store").joinpath("acl", "portaria.acl").read_text()
    urls = {}
    for line in shipped.splitlines():
        _, name, *rules = line.split()
        client: Any = redis
        client.execute_command("ACL", "SETUSER", name, *rules, f">{PASSWORD}")
        urls[name] = f"redis://{name}:{PASSWORD}@127.0.0.1:{server.port}/0"
    return urls
