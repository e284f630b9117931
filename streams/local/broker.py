"""A Kafka broker for one machine and for trying out, without Java, Docker or root.

What stands behind `Broker` is chosen in ADR 0001: noida-db, one small binary from PyPI. It keeps what it holds when it
is stopped in order, and loses all of it on SIGKILL: nothing here is for a service that must not forget.
"""

from __future__ import annotations

import os
import re
import time
from importlib.resources import files
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from streams.local.child import ChildProcess

_ANNOUNCED: Final = re.compile(rb"^\s*kafka\s+(\S+:\d+)\s*$", re.MULTILINE)
_START_SECONDS: Final = 10.0
_STOP_SECONDS: Final = 5.0


class BrokerError(Exception):
    """The embedded broker can't be used; the message says why and what to do instead."""


class Broker(Protocol):
    """What `up` and `demo` need of an embedded broker."""

    bootstrap: str

    def start(self) -> None:
        """Listen; `bootstrap` says where. Raises BrokerError."""
        ...

    def alive(self) -> bool:
        """Whether it still runs."""
        ...

    def stop(self) -> None:
        """End it in order."""
        ...


class NoidaBroker:
    """noida-db's Kafka, as a process of its own (MIT, https://pypi.org/project/noida-db/).

    Parameters
    ----------
    folder
        Where its data and its log live.
    port
        0 takes any free one.
    """

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.folder = folder
        self.bootstrap = ""
        self._port = port
        self._process: ChildProcess | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen on loopback; `bootstrap` then says where. Raises BrokerError where it can't, with what it said."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder / "broker.log"
        command = [str(_binary()), "start", "--only", "kafka", "--kafka-port", str(self._port)]
        # SIGINT is what it saves its data on.
        self._process = ChildProcess([*command, "--data-dir", str(self.folder / "data")], "SIGINT", log)
        end = time.monotonic() + _START_SECONDS
        while (found := _ANNOUNCED.search(log.read_bytes())) is None:
            if self._process.poll() is not None or time.monotonic() > end:
                self.stop()
                said = log.read_text(errors="replace").strip()
                raise BrokerError(f"the embedded broker does not start: {said}; {_REMEDY}")
            time.sleep(0.02)
        self.bootstrap = found[1].decode()

    def alive(self) -> bool:
        """Whether its process runs."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """Ask it to end, so that it keeps its data; kill it where it does not."""
        process, self._process = self._process, None
        if process is not None:
            process.end()
            process.wait(_STOP_SECONDS)


_REMEDY: Final = "use any other Kafka with --bootstrap HOST:PORT"


def _binary() -> Path:
    try:
        found = Path(str(files("noida_db") / "noida-db"))
    except ModuleNotFoundError as error:
        raise BrokerError(
            f"the embedded broker is not installed; pip install 'netdusk[broker]', or {_REMEDY}"
        ) from error
    if not found.is_file():
        raise BrokerError(f"noida-db has no binary for this platform ({found}); {_REMEDY}")
    if not os.access(found, os.X_OK):  # wheels lose the mode; in an image it is set, and the file another's
        found.chmod(found.stat().st_mode | 0o111)
    return found
