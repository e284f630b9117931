"""The worker as a process: how it runs, and how it ends within ten seconds."""

from __future__ import annotations

import gc
import logging
import os
import sys
import threading
import time
from functools import partial
from typing import Final

import faust
import structlog

from streams.engine import library_logs
from streams.engine.worker import Worker

log = structlog.get_logger()

_LEAVE_SECONDS: Final = 9.0
# Where no broker answers, Faust waits for it in vain.
_LEAVE_ALONE_SECONDS: Final = 4.0
_LOOK_SECONDS: Final = 0.25
# Python's own: 700, 10, 10.
_COLLECT: Final = (100_000, 20, 20)
# Python's own: 0.005.
_SWITCH_SECONDS: Final = 0.02


def leave_is_due(worker: Worker, seconds: float) -> bool:
    """Return whether the process is left, so many seconds after it was asked to end."""
    return seconds >= _LEAVE_SECONDS or (seconds >= _LEAVE_ALONE_SECONDS and worker.may_leave())


def run(worker: Worker, *, loglevel: str = "WARNING") -> None:
    """Run until SIGTERM or SIGINT; ends the process, within ten seconds of it."""
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    # Or aiokafka makes a log record for every request, which no handler prints.
    logging.getLogger("aiokafka").setLevel(loglevel)
    # Records live for milliseconds, in thousands: at Python's own pace every few hundred of them are looked through
    # for cycles, and now and then all that was ever imported. That was a fifth of a worker's time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(*_COLLECT)
    # A step is a few milliseconds, after which its thread waits: to take turns in the middle of it only costs.
    sys.setswitchinterval(_SWITCH_SECONDS)
    worker.app.stopping = partial(_leave_in_time, worker)
    bounded = library_logs.config(loglevel) if loglevel == "WARNING" else None
    process = faust.Worker(
        worker.app, loglevel=loglevel, logging_config=bounded, redirect_stdouts=False, quiet=True
    )
    # It would move the cursor of a terminal, in log files too.
    process.spinner = None
    process.execute_from_commandline()


def _leave_in_time(worker: Worker) -> None:
    """End the process even if Faust's consumer thread, which waits for a broker that has gone, does not end.

    What matters is done by then: the log has all that was acknowledged, and the next owner goes on from it.
    """
    threading.Thread(target=_leave_when_due, args=[worker], daemon=True).start()


def _leave_when_due(worker: Worker) -> None:
    began = time.monotonic()
    while not leave_is_due(worker, seconds := time.monotonic() - began):
        time.sleep(_LOOK_SECONDS)
    log.warning(
        "Faust does not end; leaving without it", after_seconds=round(seconds, 1), handed_over=worker.closed
    )
    os._exit(0 if worker.closed else 1)
