"""What a watch tells when it is ended, and from where its cursors go on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import pytest

from portaria.core.errors import CursorExpired, PortariaError, ShuttingDown
from portaria.frontdoor.cursor import Cursor
from portaria.frontdoor.feed import Feed
from portaria.frontdoor.opening import Opening
from portaria.frontdoor.plan import WatchPlan
from portaria.frontdoor.selector import Selector
from portaria.frontdoor.stream import Stream
from portaria.frontdoor.subscription import Subscription
from portaria.store import AsyncStore
from portaria.store.aio import Look
from portaria.store.connect import connect_async
from portaria.v1.jobs_service_pb2 import WatchJobsResponse

SELECTOR = Selector(namespace="default")
PLAN = WatchPlan(
    selector=SELECTOR, cursor=None, snapshot=True, ends=False, interval=1.0, include_result=False
)


class Watched:
    """A watch of everything, over a feed that tests play; it began at 1-0."""

    def __init__(self, *, most: int = 10, **opening: object) -> None:
        self.frames: list[WatchJobsResponse] = []
        self.taken = asyncio.Event()
        self.taken.set()
        self.feed = Feed(AsyncStore(connect_async("redis://127.0.0.1:1/0")))
        self._move("1-0")
        self.subscription = Subscription(SELECTOR, progress=False, most_changes=most)
        self.feed._index.add(self.subscription)
        begun: dict = {"reached": Cursor("ab", "1-0"), "live_after": (1, 0), "seen": {},
                       "events": [], "unfinished": frozenset()}  # fmt: skip
        stream = Stream(
            plan=PLAN,
            opening=Opening(**{**begun, **opening}),
            subscription=self.subscription,
            store=None,
            feed=self.feed,
            converter=None,
            heartbeat=60,
            write=self._write,
        )
        self.running = asyncio.create_task(stream.run())

    @property
    def told(self) -> list[tuple[list[int], str]]:
        """Of each frame, when its events were, and its cursor."""
        return [
            ([event.event_time.ToMilliseconds() for event in frame.events], frame.cursor)
            for frame in self.frames
        ]

    def happens(self, *numbers: int) -> None:
        """Changes come, and are handed out."""
        tag = b"lab:default t default - -"
        entry = b"j RUNNING 1 PENDING w 0 " + tag
        self.feed._hand_out([(b"%d-0" % number, entry) for number in numbers], [])

    def loses_place(self, entry_id: str) -> None:
        """As after an outage in which the history was trimmed."""
        self.feed._fail_all(CursorExpired("gone"))
        self._move(entry_id)

    async def until(self, holds: Callable[[], bool]) -> None:
        """Lets the watch go on."""
        async with asyncio.timeout(5):
            while not holds():
                await asyncio.sleep(0)

    async def ended(self) -> PortariaError:
        """What ended it."""
        with pytest.raises(PortariaError) as raised:
            async with asyncio.timeout(5):
                await self.running
        return raised.value

    def _move(self, entry_id: str) -> None:
        self.feed._position = Cursor("ab", entry_id)

    async def _write(self, frame: WatchJobsResponse) -> None:
        self.frames.append(frame)
        await self.taken.wait()


async def _held() -> Watched:
    """One whose caller takes its time for the first frame."""
    watched = Watched()
    watched.taken.clear()
    await watched.until(lambda: bool(watched.frames))
    watched.happens(2)
    return watched


async def test_what_overflows_while_the_door_shuts_down_is_left_to_the_next_one() -> None:
    """The last cursor is that of what was told, not of what had no room."""
    watched = await _held()
    watched.feed.end(ShuttingDown("drain"))
    for number in range(3, 33):
        watched.happens(number)
    watched.taken.set()

    assert isinstance(await watched.ended(), ShuttingDown)
    assert watched.told == [([], "ab.1-0"), (list(range(2, 12)), "ab.11-0")]


@pytest.mark.parametrize("drains", [False, True])
async def test_a_feed_that_lost_its_place_gives_no_cursor_behind_the_gap(drains: bool) -> None:
    """What came before is told; who goes on from there hears that the rest is gone."""
    watched = await _held()
    if drains:
        watched.feed.end(ShuttingDown("drain"))
    watched.loses_place("900-0")
    watched.happens(901)
    watched.taken.set()

    assert isinstance(await watched.ended(), ShuttingDown if drains else CursorExpired)
    assert watched.told == [([], "ab.1-0"), ([2], "ab.2-0")]


async def test_a_feed_that_lost_its_place_moves_no_cursor() -> None:
    """Where nothing came before, either."""
    watched = Watched()
    watched.loses_place("900-0")

    assert isinstance(await watched.ended(), CursorExpired)
    assert watched.told == [([], "ab.1-0"), ([], "ab.1-0")]


async def test_who_comes_while_a_lost_place_is_found_anew_is_ended_too() -> None:
    """It would begin at the old place, and miss what lies between."""
    late = Subscription(SELECTOR, progress=False, most_changes=10)

    class Trimmed(AsyncStore):
        async def look(self, job_ids: Sequence[str] = ()) -> Look:
            return Look(generation="ab", tail="9-0", oldest="8-0", now_ms=0, records=[])

        async def progress_tail(self) -> str:
            feed._index.add(late)
            return "0-0"

    feed = Feed(Trimmed(connect_async("redis://127.0.0.1:1/0")))
    feed._position = Cursor("ab", "1-0")

    await feed._locate(anew=False)

    assert feed.position == Cursor("ab", "9-0")
    assert isinstance(late.error, CursorExpired)


async def test_a_door_that_shuts_down_reads_no_more_history() -> None:
    """It may be long; the next door goes on with it."""
    watched = Watched(history_until="5-0")
    watched.feed.end(ShuttingDown("drain"))

    assert isinstance(await watched.ended(), ShuttingDown)
    assert watched.told == [([], "ab.1-0")]


async def test_a_snapshot_has_no_cursor_before_what_it_shows() -> None:
    """Who went on from there would be told that a job's state went back."""
    watched = Watched(shown=(7, 0))
    for number in (5, 7, 8):
        await watched.until(lambda: not watched.subscription.changes and bool(watched.frames))
        watched.happens(number)
    await watched.until(lambda: len(watched.frames) == 4)
    watched.running.cancel()

    assert watched.told == [([], ""), ([5], ""), ([7], "ab.7-0"), ([8], "ab.8-0")]
    assert watched.frames[0].snapshot_complete


async def test_a_snapshot_has_a_cursor_as_soon_as_that_may_be() -> None:
    """Not with the next heartbeat only: who is cut off before would have to begin again."""
    watched = Watched(shown=(7, 0))
    await watched.until(lambda: bool(watched.frames))
    watched._move("6-0")
    watched.happens(6)
    await watched.until(lambda: len(watched.frames) == 2)

    watched._move("9-0")  # by changes of other jobs
    await watched.until(lambda: len(watched.frames) == 3)
    watched.running.cancel()

    assert watched.told == [([], ""), ([6], ""), ([], "ab.9-0")]
