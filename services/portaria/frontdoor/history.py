"""What happened before a watch with a cursor began, page by page."""

from __future__ import annotations

from dataclasses import replace

from portaria.core.errors import CursorExpired
from portaria.frontdoor.cursor import Cursor, is_trimmed
from portaria.frontdoor.frames import readable
from portaria.frontdoor.prompt import PromptStore
from portaria.frontdoor.selector import Selector
from portaria.store.events import StateEvent, job_id_of


async def page(
    selector: Selector, after: Cursor, until: str, *, store: PromptStore
) -> tuple[list[StateEvent], Cursor]:
    """The next changes of what is selected, and the place up to which that is all of them.

    Raises CursorExpired and StoreUnavailable.
    """
    entries = await store.history(after.entry_id, until)
    look = await store.look(())
    if not entries or is_trimmed(after, oldest=look.oldest, now_ms=look.now_ms):
        raise CursorExpired("the history after the cursor was trimmed")
    wanted = {job_id.encode() for job_id in selector.job_ids}
    read = [
        readable(entry_id, packed)
        for entry_id, packed in entries
        if not wanted or job_id_of(packed) in wanted
    ]
    changes = [each for each in read if each and selector.matches(each.tag)]
    return changes, replace(after, entry_id=entries[-1][0].decode())
