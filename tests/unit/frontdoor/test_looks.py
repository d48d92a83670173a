"""One look for many callers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from portaria.core.errors import StoreUnavailable
from portaria.frontdoor.looks import TOGETHER, Looks
from portaria.store import JobRecord
from portaria.store.aio import Look
from portaria.store.record import job_record


class Shelf:
    """Answers looks when it is told to, and remembers what was asked together."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []
        self.open = asyncio.Event()

    async def look(self, job_ids: Sequence[str]) -> Look:
        self.asked.append(list(job_ids))
        await self.open.wait()
        if "broken" in job_ids:
            raise StoreUnavailable
        return Look(
            generation="g",
            tail=f"{len(self.asked)}-0",
            oldest="1-0",
            now_ms=0,
            records=[_record(job_id) for job_id in job_ids],
        )


def _record(job_id: str) -> JobRecord | None:
    tag = b"lab:default t default - -"
    return None if job_id == "nobody" else job_record(job_id, {b"state": b"PENDING", b"tag": tag})


def _ids(look: Look) -> list[str]:
    return [each.job_id if each else "" for each in look.records]


async def _begun(shelf: Shelf, looks: Looks, *job_ids: str) -> asyncio.Task[Look]:
    """A look that is under way."""
    before = len(shelf.asked)
    first = asyncio.create_task(looks.look(job_ids or ["first"]))
    while len(shelf.asked) == before:
        await asyncio.sleep(0)
    return first


async def _asking(looks: Looks, *asked: Sequence[str]) -> list[asyncio.Task[Look]]:
    tasks = [asyncio.create_task(looks.look(each)) for each in asked]
    await asyncio.sleep(0)
    return tasks


async def test_who_comes_meanwhile_shares_the_next_look() -> None:
    """Each is answered what it asked for, in its order; one id is looked at once."""
    shelf = Shelf()
    looks = Looks(shelf.look)
    first = await _begun(shelf, looks, "first", "second")
    others = await _asking(looks, ["a", "b"], ["nobody", "a"], ["b", "c", "a"])
    shelf.open.set()

    answers = await asyncio.gather(first, *others)

    assert shelf.asked == [["first", "second"], ["a", "b", "nobody", "c"]]
    found = [["first", "second"], ["a", "b"], ["", "a"], ["b", "c", "a"]]
    assert [_ids(each) for each in answers] == found
    assert [each.tail for each in answers] == ["1-0", "2-0", "2-0", "2-0"]


async def test_a_look_has_so_many_jobs_and_no_more() -> None:
    """However many callers there are."""
    shelf = Shelf()
    looks = Looks(shelf.look)
    first = await _begun(shelf, looks)
    others = await _asking(looks, *([f"s{number}"] for number in range(TOGETHER + 2)))
    shelf.open.set()

    await asyncio.gather(first, *others)

    assert [len(each) for each in shelf.asked] == [1, TOGETHER, 2]


async def test_who_asks_for_more_is_answered_in_pieces() -> None:
    """With the stream as it was before the first one: what came since is news, or known."""
    shelf = Shelf()
    shelf.open.set()
    many = [f"m{number}" for number in range(2 * TOGETHER + 3)]

    look = await Looks(shelf.look).look(many)

    assert [len(each) for each in shelf.asked] == [TOGETHER, TOGETHER, 3]
    assert _ids(look) == many
    assert look.tail == "1-0"


async def test_who_asks_for_little_waits_for_nobody_who_asks_for_much() -> None:
    """No job, one and several are looked at side by side."""
    shelf = Shelf()
    looks = Looks(shelf.look)

    waiting = [
        await _begun(shelf, looks, "a", "b"),
        await _begun(shelf, looks, "a"),
        *await _asking(looks, []),
    ]

    assert shelf.asked == [["a", "b"], ["a"]]
    await asyncio.sleep(0)
    assert shelf.asked == [["a", "b"], ["a"], []]
    shelf.open.set()
    assert [_ids(each) for each in await asyncio.gather(*waiting)] == [["a", "b"], ["a"], []]


async def test_a_look_that_fails_fails_for_those_who_share_it() -> None:
    """And for nobody else who waits."""
    shelf = Shelf()
    looks = Looks(shelf.look)
    first = await _begun(shelf, looks)
    sharing = await _asking(looks, ["broken"], *([f"s{n}"] for n in range(TOGETHER - 1)))
    others = await _asking(looks, ["later"])
    shelf.open.set()

    assert _ids(await first) == ["first"]
    for each in sharing:
        with pytest.raises(StoreUnavailable):
            await each
    assert _ids(await others[0]) == ["later"]


async def test_nobody_waits_longer_than_said() -> None:
    """Neither for the look under way nor for a turn; and nobody looks for who is gone."""
    shelf = Shelf()
    looks = Looks(shelf.look, patience=0)
    tasks = [await _begun(shelf, looks), *await _asking(looks, ["a"], ["b"])]

    for each in tasks:
        with pytest.raises(StoreUnavailable):
            await each

    last = (await _asking(looks, ["c"]))[0]
    shelf.open.set()
    assert _ids(await last) == ["c"]
    assert shelf.asked == [["first"], ["c"]]


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    """Not even who came first."""
    shelf = Shelf()
    looks = Looks(shelf.look)
    first = await _begun(shelf, looks)
    leaves, stays = await _asking(looks, ["a"], ["b"])
    first.cancel()
    leaves.cancel()
    shelf.open.set()

    assert _ids(await stays) == ["b"]
    assert first.cancelled()
    assert leaves.cancelled()


async def test_closing_ends_the_waiting() -> None:
    """With the look that is under way."""
    shelf = Shelf()
    looks = Looks(shelf.look)
    tasks = [await _begun(shelf, looks), *await _asking(looks, ["a"])]

    await looks.close()

    for each in tasks:
        with pytest.raises(StoreUnavailable):
            await each
