"""What a handler may change of its process and the next job must not find changed."""

from __future__ import annotations

import os
import signal
import socket
import sys

# Without the enum that signal.getsignal makes of each answer, by trying: ten times its cost.
from _signal import getsignal  # type: ignore[import-not-found]
from contextlib import suppress
from typing import TextIO

from portaria.runtime import streams

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


class Surroundings:
    """As they are when it is made; `restore` after each job, in the main thread: 2 microseconds.

    The environment, the locale and the state of modules are not put back: libraries set them up
    once, when a handler first imports them, and count on them from then on.
    """

    def __init__(self, ours: socket.socket) -> None:
        """`ours` is any socket of the child: where it was closed, more may have been."""
        self._ours = (ours.fileno(), _identity(ours.fileno()))
        self._folder = os.getcwd()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._handlers = [getsignal(number) for number in _SIGNALS]
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._patience = socket.getdefaulttimeout()
        self._depth = sys.getrecursionlimit()
        self._streams = (sys.stdout, sys.stderr)

    def restore(self) -> list[str]:
        """Puts back what differs, and answers what that was."""
        changed: list[str] = []
        if _folder() != self._folder:
            changed.append("folder")
            with suppress(OSError):
                os.chdir(self._folder)
        if os.umask(self._umask) != self._umask:
            changed.append("umask")
        if [getsignal(number) for number in _SIGNALS] != self._handlers:
            changed.append("signal handlers")
            for number, handler in zip(_SIGNALS, self._handlers, strict=True):
                signal.signal(number, handler)
        if signal.pthread_sigmask(signal.SIG_BLOCK, ()) != self._mask:
            changed.append("signal mask")
            signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        if socket.getdefaulttimeout() != self._patience:
            changed.append("socket timeout")
            socket.setdefaulttimeout(self._patience)
        if sys.getrecursionlimit() != self._depth:
            changed.append("recursion limit")
            sys.setrecursionlimit(self._depth)
        if (sys.stdout, sys.stderr) != self._streams or _is_closed(sys.stdout, sys.stderr):
            changed.append("streams")
            self._restore_streams()
        if _identity(self._ours[0]) != self._ours[1]:
            changed.append("descriptors")
            streams.fill()
        return changed

    def _restore_streams(self) -> None:
        sys.stdout, sys.stderr = self._streams
        if _is_closed(sys.stdout, sys.stderr):
            streams.protect()
            self._streams = (sys.stdout, sys.stderr)


def _is_closed(*outputs: TextIO) -> bool:
    """Whether one of them is, or has lost its buffer to another: detach() is common, too."""
    try:
        return any(each.closed for each in outputs)
    except ValueError:
        return True


def _identity(number: int) -> tuple[int, int]:
    """Of what is open under a number."""
    try:
        status = os.fstat(number)
    except OSError:
        return (0, 0)
    return status.st_dev, status.st_ino


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""  # it was removed
