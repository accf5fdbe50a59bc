"""Logging of a process: structlog to stderr, for people on a terminal and as JSON lines elsewhere."""

import logging
import sys
from typing import Any

import structlog

from feedhandler import secret

LEVELS = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def configure(process: str, level: str = "info") -> Any:
    """Set structlog up for this process and return its logger.

    No tick is ever logged: what happens per tick is counted (shm/counters.hpp). No secret either (secret.py).
    """
    terminal = sys.stderr.isatty()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if terminal:
        plain = structlog.dev.plain_traceback
        final: list[Any] = [structlog.dev.ConsoleRenderer(exception_formatter=plain)]
    else:
        # Without local variables: they may hold what must not be logged, and nobody reads kilobytes of them.
        traceback = structlog.tracebacks.ExceptionDictTransformer(show_locals=False)
        final = [structlog.processors.ExceptionRenderer(traceback), structlog.processors.JSONRenderer(default=str)]
    structlog.configure(
        processors=[*shared, *final, secret.processor],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=False,
    )
    return structlog.get_logger().bind(process=process)
