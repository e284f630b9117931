"""What Kafka's client and Faust log, bounded: in an outage they write thousands of lines, with advice that is not ours.

The worker says itself, once a minute, that the broker is away (`presence`). Of the libraries' own lines, one a minute
and logger is let through, with how many there were; an error of theirs that is none of the broker's comes whole.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Final

import structlog
from aiokafka.errors import KafkaError

log = structlog.get_logger()

_SAY_SECONDS: Final = 60.0
#: Their advice is about Faust's own tables and streams, which are not used here.
_MUTE: Final = ("faust", "mode")
_LINE_MAX: Final = 300
#: What reaches an open port and is no request is answered with this status, and is nobody's fault here. Who sent it
#: stands in aiohttp's line, and readers' addresses are kept nowhere.
_SERVER: Final = "aiohttp.server"
_NO_REQUEST: Final = 400


class LibraryLogs(logging.Handler):
    """Writes what other libraries log as one line a minute and library."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(logging.WARNING)
        self._clock = clock
        self._said_at: dict[str, float] = {}
        self._left_out: dict[str, int] = {}

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, or count it."""
        error = record.exc_info[1] if record.exc_info else None
        if record.name == _SERVER and getattr(error, "code", 0) == _NO_REQUEST:
            return
        bug = error is not None and not isinstance(error, KafkaError | OSError)
        library = record.name.partition(".")[0]
        if library in _MUTE and not bug:
            return
        kind = f"{record.pathname}:{record.lineno}" if bug else library
        now = self._clock()
        if now - self._said_at.get(kind, float("-inf")) < _SAY_SECONDS:
            self._left_out[kind] = self._left_out.get(kind, 0) + 1
            return
        self._said_at[kind] = now
        line = record.getMessage().strip().partition("\n")[0][:_LINE_MAX]
        log.warning(
            "a library reports",
            library=record.name,
            line=line,
            left_out=self._left_out.pop(kind, 0),
            exc_info=error if bug else None,
        )


def bound() -> None:
    """Write what libraries log in this process bounded, from now on."""
    root = logging.getLogger()
    if not any(isinstance(handler, LibraryLogs) for handler in root.handlers):
        root.addHandler(LibraryLogs())


def config(level: str) -> dict[str, object]:
    """Return a logging configuration (PEP 391) that writes what libraries log from this level on, bounded."""
    handler = {"ours": {"()": LibraryLogs}}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": handler,
        "root": {"level": level, "handlers": ["ours"]},
    }
