"""What a process logs: errors whole, and never what a variable held."""

from __future__ import annotations

import logging
import os
import subprocess
import sys

import pytest
import structlog
from aiohttp.http_exceptions import BadStatusLine

from streams.engine.library_logs import LibraryLogs

#: An error in a frame that holds a secret; the secret is in no line of the source.
FAILING = """
import structlog
from streams.process import log_to_stderr
log_to_stderr()
def fail():
    token = "se" + "cret"
    raise ValueError("it went wrong")
try:
    fail()
except ValueError:
    structlog.get_logger().exception("failed")
"""
CRASHING = """
import sys
import streams.commands.check_config as command
def fail(*_, **__):
    token = "se" + "cret"
    raise ValueError("it went wrong")
command.load = fail
from streams.cli import main
sys.argv = ["netdusk", "check-config"]
main()
"""


@pytest.mark.system
@pytest.mark.parametrize("program", [FAILING, CRASHING], ids=["logged", "crashed"])
@pytest.mark.parametrize("form", ["", "json"])
def test_what_a_variable_held_is_in_no_log(program: str, form: str) -> None:
    run = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env={**os.environ, "NETDUSK_LOG": form},
        check=False,
    )
    assert "it went wrong" in run.stderr and "Traceback" in run.stderr
    assert "secret" not in run.stderr + run.stdout


@pytest.mark.system
def test_who_sends_what_is_no_request_is_in_no_log() -> None:
    handler = LibraryLogs(clock=lambda: 0.0)
    for error, said in ((BadStatusLine("GET\xff"), False), (ValueError("ours"), True)):
        record = logging.LogRecord(
            "aiohttp.server",
            logging.ERROR,
            __file__,
            1,
            "Error handling request from %s",
            ("192.0.2.1",),
            (type(error), error, None),
        )
        with structlog.testing.capture_logs() as lines:
            handler.emit(record)
        assert bool(lines) is said
