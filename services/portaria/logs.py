"""Structured logs: a constant message and fields; pretty on a terminal, one JSON a line elsewhere.

Payloads never go into a log; ids and types do.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any, Protocol

# structlog would import rich for tracebacks, an eighth of the start of a door; ours are plain.
_modules: Any = sys.modules
_modules.setdefault("rich", None)
import structlog  # noqa: E402
from structlog.typing import FilteringBoundLogger, Processor  # noqa: E402

if _modules["rich"] is None:
    del _modules["rich"]

_PLAIN = ("event", "level", "timestamp")


class Stream(Protocol):
    """Where lines go."""

    def write(self, text: str, /) -> object: ...
    def flush(self) -> object: ...
    def isatty(self) -> bool: ...


def configure(*, level: str = "info", style: str = "auto", stream: Stream | None = None) -> None:
    """Sets up logging of this process, the standard library's included. Logs go to stderr.

    Give a `stream` where others may close sys.stderr. From then on logging raises nothing: a line
    that cannot be written is dropped, one whose fields cannot be shown goes without them.
    """
    stream = stream or sys.stderr
    pretty = style == "pretty" or (style == "auto" and stream.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
    ]
    if pretty:
        renderer: list[Processor] = [_sure(structlog.dev.ConsoleRenderer(colors=stream.isatty()))]
    else:
        renderer = [
            structlog.processors.format_exc_info,
            _sure(structlog.processors.JSONRenderer()),
        ]
    sink = _Sink(stream)
    os.register_at_fork(after_in_child=sink.unlock)
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: sink,
        cache_logger_on_first_use=True,
    )
    handler = _Handler(sink)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # What libraries say at info is not for operators, unless they ask for everything.
    root.setLevel(logging.DEBUG if level == "debug" else logging.WARNING)


def logger(**fields: object) -> FilteringBoundLogger:
    """A logger with fields bound."""
    bound: FilteringBoundLogger = structlog.get_logger(**fields)
    return bound


class _Sink:
    """One line after the other; also the logger that structlog calls at the end.

    SoftTimeout, which may strike in any Python code, leaves its lock free: that is one of C.
    """

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.unlock()

    def unlock(self) -> None:
        """In a fork, whose copy of the lock may be held by a thread that it has not."""
        self._lock = threading.RLock()  # what is collected while a line is written may log

    def write(self, line: str) -> None:
        """Writes it, or drops it."""
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    msg = debug = info = warning = error = critical = notset = write


class _Handler(logging.Handler):
    """What libraries say. Without the lock that the standard library takes in Python code."""

    def __init__(self, sink: _Sink) -> None:
        super().__init__()
        self._sink = sink

    def handle(self, record: logging.LogRecord) -> bool:
        """Writes it, or what is left of it where its arguments do not fit."""
        try:
            line = self.format(record)
        except Exception:
            what = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
            record.msg, record.args = what, ()
            line = self.format(record)
        self._sink.write(line)
        return True


def _sure(render: Processor) -> Processor:
    def rendered(logger: Any, name: str, event: MutableMapping[str, Any]) -> Any:
        try:
            return render(logger, name, dict(event))
        except Exception as error:
            plain = {key: event[key] for key in _PLAIN if isinstance(event.get(key), str)}
            return render(logger, name, plain | {"not_shown": type(error).__name__})

    return rendered
