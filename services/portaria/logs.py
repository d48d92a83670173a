"""Structured logs: a constant message and fields; pretty on a terminal, one JSON a line elsewhere.

Payloads never go into a log; ids and types do.
"""

from __future__ import annotations

import logging
import sys

import structlog
from structlog.typing import FilteringBoundLogger, Processor


def configure(*, level: str = "info", style: str = "auto") -> None:
    """Sets up logging of this process, the standard library's included. Logs go to stderr."""
    pretty = style == "pretty" or (style == "auto" and sys.stderr.isatty())
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="%H:%M:%S" if pretty else "iso", utc=not pretty),
    ]
    if pretty:
        renderer: list[Processor] = [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
    else:
        renderer = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    structlog.configure(
        processors=[*shared, *renderer],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
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
