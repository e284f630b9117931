"""Runs a command for as long as its standard input is open: `python -m streams.local.child SIGINT COMMAND ...`.

A broker or a worker that `up` or `demo` has started must not outlive them, however these end; a process that is killed
closes its pipes. The command gets the signal that is named when the input ends, or when this process is told to end.
Knows nothing of what it runs, and imports nothing of ours: it starts in a moment.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Run the command. Return its exit code."""
    ending = signal.Signals[arguments[0]]
    # A shell that starts something in its background has it ignore SIGINT, and its children too; not so our command.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    child = subprocess.Popen(arguments[1:], stdin=subprocess.DEVNULL)

    def end(*_: object) -> None:
        if child.poll() is None:
            child.send_signal(ending)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)

    def watch() -> None:
        while os.read(0, 4096):
            pass
        end()

    threading.Thread(target=watch, daemon=True).start()
    return child.wait()


class ChildProcess:
    """A command that ends with its owner: a process group of its own, held by a pipe.

    Parameters
    ----------
    command
        What is run.
    ending
        The name of the signal that asks it to end in order.
    log
        Where its output goes.
    environment
        Variables over the owner's own.
    """

    def __init__(
        self, command: Sequence[str], ending: str, log: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "streams.local.child", ending, *command],
                env={**os.environ, **(environment or {})},
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for the owner, who ends things in order
            )

    def poll(self) -> int | None:
        """Return the process's exit code, or None while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Ask it to end."""
        if self.poll() is None:
            self._process.send_signal(signal.SIGTERM)

    def wait(self, seconds: float) -> None:
        """Wait until the process has ended, and kill it if it does not end in time."""
        try:
            self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
