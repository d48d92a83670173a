"""Bulk mail whose worker is killed at chosen points of a mail, and at any: each recipient gets one
mail, or is reported as in doubt and got one or none.

Real workers, killed by SIGKILL; nobody calls the reaper. `BULK_KILLS=300` makes it longer.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from queue import Empty, SimpleQueue
from urllib.parse import urlsplit

import psutil
import pytest
from google.protobuf.message import Message

from portaria.client import Handle
from portaria.v1.job_pb2 import JOB_STATE_SUCCEEDED
from portaria_workers.mail.v1.mail_pb2 import SendBulkEmail, SendBulkEmailResult
from stack import Stack
from stack.eventually import eventually
from stack.traps import Filter, Traps

KILLS = int(os.environ.get("BULK_KILLS", "30"))
RECIPIENTS = 12
PATIENCE = timedelta(seconds=60 + KILLS)

BEFORE_DATA, IN_DATA, AFTER_DATA = "before-data", "in-data", "after-data"
BEFORE_INTENT, AFTER_INTENT = "before-intent", "after-intent"
BEFORE_RECORD, AFTER_RECORD = "before-record", "after-record"
POINTS = {
    # Mails that the victim of a kill there gets in the end, and whether it is in doubt.
    BEFORE_DATA: (0, True),
    IN_DATA: (0, True),
    AFTER_DATA: (1, True),
    BEFORE_INTENT: (1, False),
    AFTER_INTENT: (0, True),
    BEFORE_RECORD: (1, True),
    AFTER_RECORD: (1, False),
}

pytestmark = pytest.mark.timeout(120 + 3 * KILLS)


@dataclass
class Ambush:
    """Victims, by address: `POINT.NUMBER.JOB@example.com`; each is met once."""

    met: set[bytes] = field(default_factory=set)

    def meets(self, point: str, address: bytes) -> bool:
        """Whether this is where it dies: once, or its job would never end."""
        if not address.startswith(f"{point}.".encode()) or address in self.met:
            return False
        self.met.add(address)
        return True

    def smtp(self) -> Filter:
        """Of one connection to the mail server."""
        victim, has_content = b"", False

        def look(way: str, data: bytes) -> int | None:
            nonlocal victim, has_content
            if way == ">" and b"RCPT TO:<" in data:
                victim, has_content = _between(data, b"RCPT TO:<", b">"), False
                return 0 if self.meets(BEFORE_DATA, victim) else None
            if way == ">" and data.endswith(b"\r\n.\r\n"):
                has_content = True
                return len(data) // 2 if self.meets(IN_DATA, victim) else None
            if way == "<" and has_content and self.meets(AFTER_DATA, victim):
                return 0
            return None

        return look

    def redis(self) -> Filter:
        """Of one connection to Redis."""
        awaited = False

        def look(way: str, data: bytes) -> int | None:
            nonlocal awaited
            if way == "<":
                stops, awaited = awaited, False
                return 0 if stops else None
            ended, begun = _effect(data, b"done"), _effect(data, b"begin")
            if self.meets(BEFORE_RECORD, ended) or self.meets(BEFORE_INTENT, begun):
                return 0
            awaited = self.meets(AFTER_RECORD, ended) or self.meets(AFTER_INTENT, begun)
            return None

        return look


def _between(data: bytes, start: bytes, end: bytes) -> bytes:
    return data.partition(start)[2].partition(end)[0]


def _effect(data: bytes, operation: bytes) -> bytes:
    """The key of an effect in a call of Redis, if it is there."""
    rest = data.partition(b"\r\n" + operation + b"\r\n$")[2]
    return rest.split(b"\r\n", 2)[1] if rest else b""


@pytest.fixture
def caught(stack: Stack) -> Iterator[SimpleQueue[int]]:
    """Two workers of four, whose every word to mail server and Redis may be the last."""
    ambush, found = Ambush(), SimpleQueue[int]()
    stack.door()
    redis = urlsplit(stack.redis_server.url)
    with ExitStack() as exits:
        smtp_port = urlsplit(stack.smtp.url).port or 0
        to_smtp = exits.enter_context(Traps(smtp_port, ambush.smtp, found.put))
        to_redis = exits.enter_context(Traps(redis.port or 0, ambush.redis, found.put))
        for _ in range(2):
            stack.worker(
                "mail",
                concurrency=4,
                PORTARIA_SMTP_URL=f"smtp://127.0.0.1:{to_smtp.port}",
                PORTARIA_REDIS_URL=f"redis://:{redis.password}@127.0.0.1:{to_redis.port}/0",
            )
        yield found
        stack.processes.stop()


def addresses_of(number: int, rng: random.Random, points: list[str]) -> list[str]:
    """The recipients of a job, victims among them: never neighbours, since the end of one and the
    intent of the next are one message."""
    found = [f"person.{place}.{number}@example.com" for place in range(RECIPIENTS)]
    for nth, point in enumerate(points):
        place = nth * RECIPIENTS // 2 + rng.randrange(1, RECIPIENTS // 2 - 1)
        found[place] = f"{point}.{place}.{number}@example.com"
    return found


def submit(stack: Stack, addresses: list[str]) -> Handle[Message]:
    mail = SendBulkEmail(template="newsletter", variables={"title": "Olá", "body": "Bom dia."})
    mail.recipients.extend(SendBulkEmail.Recipient(address=each) for each in addresses)
    return stack.client.submit(mail)


def _children(stack: Stack) -> list[psutil.Process]:
    workers = [each for each in stack.processes.started if each.name.startswith("worker")]
    return [child for worker in workers for child in worker.descendants()]


def check(stack: Stack, handle: Handle[Message], addresses: list[str]) -> set[str]:
    """Its job ended well, and everybody got one, or is in doubt with at most one; who is."""
    job, result = handle.wait(PATIENCE), SendBulkEmailResult()
    assert job.state == JOB_STATE_SUCCEEDED, job.last_failure
    assert job.result.Unpack(result)
    doubts = set(result.maybe_sent)
    mails = Counter(stack.smtp.addresses())
    assert result.sent + len(doubts) == len(addresses) == result.recipients
    assert not result.refused
    assert {
        each: mails[each] for each in addresses if each not in doubts and mails[each] != 1
    } == {}
    assert {each: mails[each] for each in doubts if mails[each] > 1} == {}
    return doubts


def test_killed_at_every_point_of_a_mail(stack: Stack, caught: SimpleQueue[int]) -> None:
    """Before, inside and after DATA, before and after the ledger's words: one mail, or in doubt."""
    rng = random.Random(20261122)
    points = [point for _ in range(1 + KILLS // len(POINTS)) for point in POINTS][:KILLS]
    rng.shuffle(points)
    # Two kills a job: the third crash of a job is its last.
    jobs = [
        addresses_of(number, rng, points[start : start + 2])
        for number, start in enumerate(range(0, len(points), 2))
    ]
    handles = [submit(stack, addresses) for addresses in jobs]

    killed = [caught.get(timeout=40) for _ in points]

    assert all(killed)
    doubts = set().union(
        *(check(stack, handle, each) for handle, each in zip(handles, jobs, strict=True))
    )
    mails = Counter(stack.smtp.addresses())
    victims = [each for addresses in jobs for each in addresses if not each.startswith("person.")]
    assert len(victims) == len(killed) == KILLS
    found = {each: (mails[each], each in doubts) for each in victims}
    assert found == {each: POINTS[each.partition(".")[0]] for each in victims}


def test_killed_at_any_moment(stack: Stack, caught: SimpleQueue[int]) -> None:
    """Children at random, and one worker as a whole, whose jobs others take after the lease."""
    rng = random.Random(20261123)
    jobs = [[f"{n}.{number}@example.com" for n in range(60)] for number in range(8)]
    handles = [submit(stack, addresses) for addresses in jobs]

    for _ in range(KILLS // 4):
        time.sleep(rng.uniform(0.02, 0.1))
        with suppress(psutil.Error):
            rng.choice(_children(stack)).kill()
    worker = next(each for each in stack.processes.started if each.name == "worker-1")
    children = worker.descendants()
    for process in (worker.pid, *(child.pid for child in children)):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)

    for handle, addresses in zip(handles, jobs, strict=True):
        check(stack, handle, addresses)
    with suppress(Empty):
        raise AssertionError(caught.get_nowait())
    eventually(lambda: not worker.running)
    # Or no kill had struck anybody at work.
    assert any(handle.get().attempt > 1 for handle in handles)
