"""A door and a worker with the rights that we ship, and nothing beyond them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import NoPermissionError, ResponseError

from acme_jobs.lab.v1.lab_pb2 import Noop, Wait
from integration.redis.journey import work_goes
from portaria.core.errors import StoreUnavailable
from portaria.store import Store, calls, keys
from portaria.store.connect import connect
from portaria.up.redis_server import RedisServer
from stack import Stack, eventually
from stack.schedules import Planner
from stack.users import PASSWORD, add_users
from stack.versions import both_versions

pytestmark = both_versions

KNOWN_REFUSALS = {"config", "config|get", "client", "client|setinfo", "client|maint_notifications"}
"""CONFIG GET would show passwords; the others are said by redis-py, which does not mind."""


@pytest.fixture
def users(redis_server: RedisServer, redis: Redis) -> Iterator[dict[str, str]]:
    """The URLs of the shipped users."""
    yield add_users(redis_server, redis)
    redis.execute_command("ACL", "DELUSER", "door", "worker", "scheduler")


def _refused(redis: Redis) -> set[str]:
    """What users were refused since `redis` forgot."""
    log: Any = redis.execute_command("ACL", "LOG")
    entries = [dict(zip(each[::2], each[1::2], strict=True)) for each in _pairs(log)]
    return {entry[b"object"].decode().lower() for entry in entries}


def _pairs(log: Any) -> list[list[Any]]:
    return [
        [part for pair in each.items() for part in pair] if isinstance(each, dict) else each
        for each in log
    ]


def test_all_work_is_done_with_the_rights_that_we_ship(
    stack: Stack, users: dict[str, str], redis: Redis
) -> None:
    """Submit, run, retry, progress, watch, and the job of a dead worker; nothing was refused."""
    redis.execute_command("ACL", "LOG", "RESET")
    gate, log = stack.folder / "gate", stack.folder / "log"
    stack.door(PORTARIA_REDIS_URL=users["door"])
    rights = {"PORTARIA_REDIS_URL": users["worker"], "RQ_REDIS_URL": users["worker"]}
    first = stack.worker("lab", **rights)
    scheduler = stack.scheduler(PORTARIA_REDIS_URL=users["scheduler"])
    planner = Planner(stack)
    planner.create("often", Noop(), every=timedelta(seconds=1))

    work_goes(stack)
    scheduler.wait_until(lambda: planner.ran("often"))
    planner.close()
    held = stack.client.submit(Wait(gate=str(gate), log=str(log)))
    eventually(log.exists, 5)
    os.kill(first.pid, signal.SIGKILL)
    stack.rq_worker("lab:default", **rights)
    eventually(lambda: len(log.read_text().splitlines()) == 2, 20)
    gate.touch()

    assert held.wait().done
    assert _refused(redis) - KNOWN_REFUSALS == set()


@pytest.mark.parametrize("user", ["door", "worker", "scheduler"])
@pytest.mark.parametrize(
    "command",
    [
        ("FLUSHALL",),
        ("FLUSHDB",),
        ("KEYS", "*"),
        ("SCAN", "0"),
        ("CONFIG", "GET", "requirepass"),
        ("CONFIG", "SET", "appendonly", "no"),
        ("ACL", "LIST"),
        ("ACL", "SETUSER", "door", "allcommands"),
        ("SCRIPT", "FLUSH"),
        ("FUNCTION", "FLUSH"),
        ("SHUTDOWN", "NOSAVE"),
        ("MONITOR",),
        ("CLIENT", "KILL", "TYPE", "normal"),
        ("REPLICAOF", "NO", "ONE"),
        ("GET", "foreign"),
        ("SET", "foreign", "x"),
        ("SET", "rq:key", "x"),
        ("EVAL", "return redis.call('GET', 'foreign')", "0"),
        ("EVAL", "return redis.call('FLUSHALL')", "0"),
        ("EVAL", "return 1", "1", "foreign"),
    ],
    ids=" ".join,
)
def test_what_nobody_needs_is_refused(
    users: dict[str, str], redis: Redis, user: str, command: tuple[str, ...]
) -> None:
    """Directly, and from a script."""
    redis.set("foreign", "kept")

    with connect(users[user]) as client, pytest.raises(ResponseError) as refusal:
        client.execute_command(*command)

    assert _says_no_right(refusal.value)
    assert redis.get("foreign") == b"kept"


@pytest.mark.parametrize(
    ("user", "command"),
    [
        ("door", ("LPOP", keys.queue("mail:high"))),
        ("door", ("EVAL", "return redis.call('LPOP', KEYS[1])", "1", keys.queue("mail:high"))),
        ("door", ("LREM", keys.queue("mail:high"), "0", "j1")),
        ("door", ("SREM", "rq:workers", "rq:worker:ana")),
        ("door", ("EXPIRE", "rq:worker:ana", "1")),
        ("door", ("SUBSCRIBE", "rq:pubsub:ana")),
        ("worker", ("PUBLISH", "rq:pubsub:ana", "{}")),
        ("worker", ("SUBSCRIBE", "others")),
        ("scheduler", ("LPOP", keys.queue("mail:high"))),
        ("scheduler", ("PUBLISH", "rq:pubsub:ana", "{}")),
    ],
    ids=lambda given: given if isinstance(given, str) else " ".join(given[:3]),
)
def test_neither_does_the_work_of_the_other(
    users: dict[str, str], redis: Redis, user: str, command: tuple[str, ...]
) -> None:
    """A door that was taken over takes no job; a worker commands no other."""
    redis.rpush(keys.queue("mail:high"), "j1")

    with connect(users[user]) as client, pytest.raises(ResponseError) as refusal:
        client.execute_command(*command)

    assert _says_no_right(refusal.value)
    assert redis.llen(keys.queue("mail:high")) == 1


def _says_no_right(error: ResponseError) -> bool:
    text = str(error)
    # FUNCTION is unknown to 6.2.
    return isinstance(error, NoPermissionError) or any(
        words in text for words in ("The user executing the script can't", "NOPERM", "unknown")
    )


@pytest.mark.parametrize("right", ["-del", "resetkeys"])
def test_a_right_that_a_script_lacks_is_an_outage_not_a_mistake(
    users: dict[str, str], redis: Redis, right: str
) -> None:
    """Callers may repeat what they wanted once the rights are mended."""
    redis.execute_command("ACL", "SETUSER", "worker", right)

    with connect(users["worker"]) as client, pytest.raises(StoreUnavailable):
        Store(client).run(calls.renew([("ana", "first", "")]))


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (("<" + PASSWORD,), "redis refuses this user or password"),
        (("off",), "redis refuses this user or password"),
        (("-info",), "this user lacks a right: "),
        (("-get",), "this user lacks a right: "),
        (("-sadd",), "this user lacks a right: "),
    ],
    ids=["password", "off", "information", "prepare", "register"],
)
def test_a_worker_says_what_it_lacks(
    stack: Stack, users: dict[str, str], redis: Redis, spoil: tuple[str, ...], words: str
) -> None:
    """At once, instead of waiting for what waiting does not bring; the password is not said."""
    redis.execute_command("ACL", "SETUSER", "worker", *spoil)

    worker = stack.processes.portaria("worker", "worker", "lab", PORTARIA_REDIS_URL=users["worker"])

    eventually(lambda: not worker.running, 15)
    assert worker.exit_code == 2
    assert f"PORTARIA_REDIS_URL: {words}" in worker.output()
    assert PASSWORD not in worker.output()


def test_a_door_says_what_it_lacks(stack: Stack, users: dict[str, str], redis: Redis) -> None:
    """It listens, serves nothing, and goes on as soon as the rights are there."""
    redis.execute_command("ACL", "SETUSER", "door", "-set")
    door = stack.processes.portaria("door", "serve", PORTARIA_REDIS_URL=users["door"])

    said = door.wait_for("redis does not answer")
    redis.execute_command("ACL", "SETUSER", "door", "+set")

    assert "no permissions" in said
    door.wait_for("redis reached")
    assert PASSWORD not in door.output()
