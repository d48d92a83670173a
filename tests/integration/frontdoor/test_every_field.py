"""Every field of every request of every service, given its wrong values over a socket.

What its descriptor calls wrong must be refused by its path. What it does not may be accepted or
refused, but breaks nothing: no INTERNAL, no silence, no trace, and a refused request leaves nothing
behind.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator

import grpc
import pytest

from integration.frontdoor.declared import declared, rules_of
from integration.frontdoor.playing import Refusal
from integration.frontdoor.walking import Rpc, WalkedDoor, broken
from integration.frontdoor.wire import not_text
from integration.frontdoor.wrong_values import Wrong
from stack import Stack

# Thousands of calls, one after the other, beside whatever else the machine does.
pytestmark = pytest.mark.timeout(180)

SEED = 20_261_121
MUTATIONS = 300
MOST_TOLD = 20
"""Violations that an answer lists; its message counts all."""


@pytest.fixture
def walked(stack: Stack) -> Iterator[WalkedDoor]:
    """A process, whose log is looked at, too."""
    door = WalkedDoor(stack)
    yield door
    door.channel.close()


def test_each_wrong_value_is_refused_by_its_path(walked: WalkedDoor) -> None:
    """Or accepted, where no rule forbids it. And no rule is left that no value breaks."""
    found: list[str] = []
    never_broken = set()
    for rpc in walked.rpcs:
        never_broken |= rules_of(rpc.good)
    for rpc in walked.rpcs:
        assert rpc.ask(walked.channel, _anew(rpc)).refusal() is None, rpc.name
        changes = walked.changes()
        for wrong in rpc.wrong_values():
            faults = list(declared(wrong.message))
            never_broken -= {each.rule for each in faults}
            expected = {each.path for each in faults}
            if wrong.impossible:
                expected.add(wrong.path)
            refusal = rpc.ask(walked.channel, _anew(rpc, wrong)).refusal()
            told = [*broken(refusal), *_misjudged(refusal, expected, wrong)]
            before, changes = changes, walked.changes()
            if refusal and not rpc.is_watch and before != changes:
                told.append("refused, and yet something was written")
            found += [f"{rpc.name} {wrong.path} = {wrong.value}: {each}" for each in told]
    assert not found, f"{len(found)}\n" + "\n".join(found)
    assert not never_broken
    assert walked.traces() == []
    assert walked.serves()


def test_text_that_is_not_utf8_is_refused(walked: WalkedDoor) -> None:
    """In whatever field: such bytes are not a request at all."""
    found = []
    before = walked.changes()
    for rpc in walked.rpcs:
        good = rpc.good.SerializeToString()
        for path, raw in not_text(rpc.good):
            refusal = rpc.ask(walked.channel, good + raw).refusal()
            told = [*broken(refusal)]
            # What a façade's payload holds is read after the request that holds it.
            said = refusal and (refusal.fields.get("job") or refusal.reason)
            if refusal is None or said != "MALFORMED_MESSAGE":
                told.append(f"read, and answered {refusal and refusal.message}")
            found += [f"{rpc.name} {path}: {each}" for each in told]
    assert not found, "\n".join(found)
    assert before == walked.changes()
    assert walked.traces() == []
    assert walked.serves()


def test_bytes_that_were_changed_at_random_break_nothing(walked: WalkedDoor) -> None:
    """Whatever they mean then, the answer is one of ours."""
    found = []
    rng = random.Random(SEED)
    for rpc in walked.rpcs:
        good = rpc.good.SerializeToString()
        sent = [_mutated(good, rng) for _ in range(MUTATIONS if rpc.is_core else MUTATIONS // 3)]
        calls = [rpc.ask(walked.channel, raw) for raw in sent]
        for raw, call in zip(sent, calls, strict=True):
            found += [f"{rpc.name} {raw.hex()}: {each}" for each in broken(call.refusal())]
    assert not found, "\n".join(found)
    assert walked.traces() == []
    assert walked.serves()


def _misjudged(refusal: Refusal | None, expected: set[str], wrong: Wrong) -> Iterator[str]:
    if refusal is None:
        if expected:
            yield f"accepted, and wrong by {expected}"
        return
    if refusal.code is not grpc.StatusCode.INVALID_ARGUMENT:
        if expected:
            yield f"{refusal.code.name} and not INVALID_ARGUMENT by {expected}"
        return
    named = refusal.fields
    told = expected <= named.keys() if len(expected) <= MOST_TOLD else named.keys() <= expected
    # A payload that is too large is not looked into.
    whole = (
        "TOO_LARGE" in named.values() and len(named) == 1 and wrong.path.startswith(tuple(named))
    )
    if not (told or whole):
        yield f"wrong by {expected}, refused by {named}"
    if not (named.keys() <= expected or any(_are_near(wrong.path, each) for each in named)):
        yield f"refused by {named}"


def _are_near(path: str, other: str) -> bool:
    """One holds the other, or both are in the same part: a rule may compare two fields."""
    part = path.rpartition(".")[0]
    return other.startswith(path) or path.startswith(other) or other.startswith(part or path)


def _anew(rpc: Rpc, wrong: Wrong | None = None) -> bytes:
    """The request under an id of its own, unless the id is what is wrong."""
    request = type(rpc.good)()
    request.CopyFrom(wrong.message if wrong else rpc.good)
    if "request_id" in request.DESCRIPTOR.fields_by_name and not (
        wrong and wrong.path == "request_id"
    ):
        request.request_id = uuid.uuid4().hex
    return request.SerializeToString()


def _mutated(raw: bytes, rng: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(rng.randint(1, 8)):
        place = rng.randrange(len(changed) + 1)
        match rng.randrange(3):
            case 0:
                changed[place : place + 1] = bytes((rng.randrange(256),))
            case 1:
                changed[place:place] = bytes((rng.randrange(256),))
            case _:
                del changed[place : place + 1]
    return bytes(changed)
