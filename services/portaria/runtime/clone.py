"""A fork that a handler makes of its child: it may compute, and has no part in the job."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress

_PR_SET_PDEATHSIG = 1
_DEAF_TO = {signal.SIGTERM, signal.SIGINT}


class Clone:
    """Whether this process is one; knows as soon as it is forked, in whatever way Python forks."""

    def __init__(self, abandon: Sequence[Callable[[], None]]) -> None:
        """`abandon` is called in each clone: gives up its copies of what is the child's alone."""
        self.is_one = False
        self._abandon = abandon
        self._main = threading.get_ident()
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._mask: set[int] = set()
        os.register_at_fork(
            before=self._hold_signals,
            after_in_parent=self._release_signals,
            after_in_child=self._become_one,
        )

    def end(self, error: BaseException | None) -> None:
        """Where this is a clone that came out of its handler: its end, as that of any process."""
        if not self.is_one:
            return
        status = 0
        if isinstance(error, SystemExit):
            status = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            status = 1
            with suppress(BaseException):  # it may have closed stderr
                traceback.print_exception(error)
        with suppress(BaseException):
            sys.stdout.flush()
        os._exit(status & 0xFF)

    def _hold_signals(self) -> None:
        """A fork may be terminated at once: that must not meet the deafness of the child."""
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, _DEAF_TO)

    def _release_signals(self) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)

    def _become_one(self) -> None:
        self.is_one = True
        for give_up in self._abandon:
            give_up()
        # The child is deaf to these; whoever forks wants to be able to end the fork.
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if threading.get_ident() == self._main:
            # Nothing hangs on when the child is gone. By another thread than the main one this
            # would be bound to the life of that thread.
            self._libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        self._release_signals()
