"""Programs and forks that a dead child left behind: none stays.

Both parent and child adopt what their descendants leave (PR_SET_CHILD_SUBREAPER). So a program that
detaches itself stays its child's as long as that lives, and what the parent has adopted can only be
of a child that is dead.
"""

from __future__ import annotations

import ctypes
import os
import signal
import threading
from collections.abc import Collection
from contextlib import suppress

_PR_SET_CHILD_SUBREAPER = 36


def adopt() -> frozenset[int]:
    """This process is from now on the parent of orphans below it. Answers whom it has already."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)
    return frozenset(_children())


def bury(own: Collection[int]) -> int:
    """Kills and buries all children of this process but its `own`. Answers how many still ran."""
    running = 0
    while strangers := _children() - set(own):
        # Again, since each may leave children of its own.
        for pid in strangers:
            with suppress(ProcessLookupError, ChildProcessError):
                if os.waitpid(pid, os.WNOHANG)[0] == 0:
                    running += 1
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)
    return running


def _children() -> set[int]:
    try:
        with open(f"/proc/self/task/{threading.get_native_id()}/children") as file:
            return {int(pid) for pid in file.read().split()}
    except OSError:
        return set()
