"""What a watch tells of many jobs, and of those that changed while it looked at them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import pytest

from integration.frontdoor.playing import Door, Worker
from integration.frontdoor.watching import Watch, words
from portaria.core.errors import StoreUnavailable
from portaria.frontdoor import telling
from portaria.frontdoor.prompt import PromptStore
from portaria.store.aio import Look
from portaria.store.ends import ends
from portaria.v1.jobs_service_pb2 import WATCH_UNTIL_FOREVER, JobSelector
from stack import eventually


def test_failures_are_told_as_they_are_read(
    door: Door, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some at a time; what was read is not read again where the next ones fail."""
    cursor = Watch(door, selector=JobSelector(domains=["mail"])).opened().cancel().cursor
    ids = [door.submit().job_id for _ in range(120)]
    for _ in ids:
        worker.fail(worker.claim())
    asked: list[int] = []

    async def read(redis: Any, job_ids: Collection[str], **given: Any) -> Any:
        asked.append(len(job_ids))
        if len(asked) == 2:
            raise StoreUnavailable
        return await ends(redis, job_ids, **given)

    monkeypatch.setattr(telling, "ends", read)
    watch = Watch(door, *ids, cursor=cursor)

    assert watch.ended() is None
    # The last few may come as news, where the door's reader of the stream lags.
    assert max(asked) == 50
    assert sum(asked) == len(ids) + asked[1]
    failed = [each for each in watch.rest() if each.done]
    assert [each.job_id for each in failed] == ids
    assert {each.state_change.failure.reason for each in failed} == {"SMTP_DOWN"}
    told = [sum(event.done for event in frame.events) for frame in watch.frames]
    assert max(told) == 50
    resumed = Watch(door, *ids, cursor=watch.frames[told.index(50)].cursor)
    assert [each.job_id for each in resumed.rest() if each.done] == ids[50:]


@pytest.mark.parametrize(
    ("first", "second", "told"),
    [
        ("FIRST", "SECOND", ["FIRST", "SECOND"]),
        # Too long for both to be kept: the oldest are dropped, and no other stands in for them.
        ("a" * 9_000, "b" * 9_000, ["", "b" * 9_000]),
    ],
    ids=["kept", "dropped"],
)
def test_each_attempt_is_told_with_its_own_failure(
    door: Door, worker: Worker, first: str, second: str, told: list[str]
) -> None:
    """However late: the record knows of both by then."""
    job_id = door.submit().job_id
    cursor = door.get(job_id).cursor
    worker.fail(worker.claim(), retry_ms=1, reason=first)
    eventually(worker.promote)
    worker.fail(worker.claim(), reason=second)

    events = Watch(door, job_id, cursor=cursor).rest()

    assert words(events) == ["RUNNING", "RETRYING", "PENDING", "RUNNING", "FAILED"]
    failed = [events[1], events[4]]
    assert [each.state_change.failure.reason for each in failed] == told


def test_a_cursor_is_never_from_before_what_the_snapshot_shows(
    door: Door, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thousand jobs are looked at in turns; meanwhile, one runs and fails for a while."""
    late, *others = [door.submit().job_id for _ in range(60)]
    look, tails = PromptStore.look, []

    async def looking(self: PromptStore, job_ids: Sequence[str]) -> Look:
        if late in job_ids:
            worker.fail(worker.claim(), retry_ms=60_000)
        found = await look(self, job_ids)
        tails.append(found.tail)
        return found

    monkeypatch.setattr(PromptStore, "look", looking)
    watch = Watch(door, *others, late, until=WATCH_UNTIL_FOREVER).opened()
    monkeypatch.undo()
    first = watch.frames[0]
    worker.succeed(worker.claim())
    eventually(lambda: watch.cursor != "")
    cursors = [frame.cursor for frame in watch.frames]
    watch.cancel()

    assert tails[0] != tails[-1]
    assert (first.snapshot_complete, first.cursor) == (True, "")
    assert {each.job_id for each in first.events} == {late, *others}
    resumed = Watch(door, late, cursor=next(filter(None, cursors)), until=WATCH_UNTIL_FOREVER)
    resumed.opened().cancel()
    assert resumed.rest() == []
