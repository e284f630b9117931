"""What a process of ours does on its own behalf: where it logs. Loads nothing before it is called."""

from __future__ import annotations

import os
import sys
from typing import Any, Final

#: The command line's own object: says that the process is ours, and no test's.
OWN_PROCESS: Final = object()


def log_to_stderr() -> None:
    """Log to stderr (NETDUSK_LOG=json: as JSON), so that stdout has a command's results alone."""
    import structlog  # noqa: PLC0415

    as_json = os.environ.get("NETDUSK_LOG") == "json"
    last: Any = (
        structlog.processors.JSONRenderer()
        if as_json
        # Without the variables of each frame, which structlog would print: among them are passwords and tokens.
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper("iso", utc=True),
            *([structlog.processors.format_exc_info] if as_json else []),
            last,
        ],
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
    )
