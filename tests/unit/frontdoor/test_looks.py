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


async def _begun(shelf: Shelf, looks: Looks) -> asyncio.Task[Look]:
    """A look that is under way."""
    first = asyncio.create_task(looks.look(["first"]))
    while not shelf.asked:
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
    first = await _begun(shelf, looks)
    others = await _asking(looks, ["a", "b"], ["nobody", "a"], [])
    shelf.open.set()

    answers = await asyncio.gather(first, *others)

    assert shelf.asked == [["first"], ["a", "b", "nobody"]]
    assert [_ids(each) for each in answers] == [["first"], ["a", "b"], ["", "a"], []]
    assert [each.tail for each in answers] == ["1-0", "2-0", "2-0", "2-0"]


async def test_a_look_has_so_many_jobs_and_no_more() -> None:
    """Unless one caller alone wants more."""
    shelf = Shelf()
    looks = Looks(shelf.look)
    first = await _begun(shelf, looks)
    many = [f"m{number}" for number in range(TOGETHER + 1)]
    single = [[f"s{number}"] for number in range(TOGETHER + 2)]
    others = await _asking(looks, many, *single)
    shelf.open.set()

    await asyncio.gather(first, *others)

    assert [len(each) for each in shelf.asked] == [1, TOGETHER + 1, TOGETHER, 2]


async def test_a_look_that_fails_fails_for_all_who_wait() -> None:
    """They would meet the same; who comes later asks anew."""
    shelf = Shelf()
    looks = Looks(shelf.look)
    first = await _begun(shelf, looks)
    many = [f"m{number}" for number in range(TOGETHER)]
    others = await _asking(looks, ["broken"], many)
    shelf.open.set()

    assert _ids(await first) == ["first"]
    for each in others:
        with pytest.raises(StoreUnavailable):
            await each
    assert shelf.asked == [["first"], ["broken"]]
    assert _ids(await looks.look(["later"])) == ["later"]


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
