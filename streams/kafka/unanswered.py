"""What is said where no broker answers: one sentence with the cause and the remedy, and no line of the library's.

aiokafka raises that it could not connect; why it could not, it says in its log alone.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Final

from aiokafka.errors import KafkaConnectionError, KafkaError, KafkaTimeoutError, NodeNotReadyError

from streams.errors import SettingsError
from streams.settings import KafkaSettings

#: What comes where nobody answers; other errors of the system are a file's, and are none of the broker's.
_NOBODY: Final = (
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
    ConnectionError,
    TimeoutError,
    socket.gaierror,
    ssl.SSLError,
)
_NO_WAY: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL})
REMEDY: Final = "name a broker with --bootstrap HOST:PORT, or start one with `netdusk broker run`"


class Overheard(logging.Handler):
    """Keeps the last error that the library logs, and prints none."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._last: BaseException | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the error that stands in the line."""
        args = record.args if isinstance(record.args, tuple) else ()
        errors = [arg for arg in args if isinstance(arg, BaseException)]
        if record.exc_info and record.exc_info[1] is not None:
            errors.append(record.exc_info[1])
        if errors:
            self._last = errors[-1]

    def cause(self, error: BaseException) -> str:
        """Why it failed, in the words of a person: what was logged where `error` only says that nobody was reached."""
        vague = isinstance(error, KafkaConnectionError) and self._last is not None
        return cause_of(self._last if vague and self._last is not None else error)


def cause_of(error: BaseException) -> str:
    """An error in a few words, without numbers and addresses that its class adds.

    >>> cause_of(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9)"))
    'connection refused'
    >>> cause_of(TimeoutError()), cause_of(KafkaConnectionError("Unable to bootstrap from [('::1', 9, 2)]"))
    ('no answer in time', 'no connection')
    """
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message})"
    if isinstance(error, ssl.SSLError):
        return f"TLS failed ({error.reason or error.strerror})"
    if isinstance(error, socket.gaierror):
        return f"its name leads nowhere ({error.strerror})"
    if isinstance(error, OSError) and error.errno:
        text = os.strerror(error.errno)
        return text[:1].lower() + text[1:]
    if isinstance(error, KafkaConnectionError) and "bootstrap" in str(error):
        return "no connection"
    return str(error) or type(error).__name__


@contextmanager
def overheard() -> Iterator[Overheard]:
    """Keep what the library logs from being printed, and remember why it could not connect."""
    ears, library = Overheard(), logging.getLogger("aiokafka")
    library.addHandler(ears)
    try:
        yield ears
    finally:
        library.removeHandler(ears)


@contextmanager
def answered(kafka: KafkaSettings, remedy: str = REMEDY) -> Iterator[None]:
    """Ask the broker in here. Raises SettingsError, of one sentence with the remedy, where it does not answer.

    An error of the system that is not the network's (a file's) is said as it is.
    """
    with overheard() as ears:
        try:
            yield
        except (KafkaError, OSError) as error:
            setting = f"kafka.bootstrap = {kafka.bootstrap!r}"
            if isinstance(error, _NOBODY) or (isinstance(error, OSError) and error.errno in _NO_WAY):
                raise SettingsError(f"{setting}: no broker answers: {ears.cause(error)}; {remedy}") from error
            if isinstance(error, KafkaError):  # it is there: another address is no remedy
                raise SettingsError(f"{setting}: the broker refused: {cause_of(error)}") from error
            raise SettingsError(str(error)) from error


async def until(stopped: asyncio.Event, work: Awaitable[object]) -> bool:
    """Do it, unless somebody says stop first; returns whether it was done. Raises what it raises."""
    doing, waiting = asyncio.ensure_future(work), asyncio.ensure_future(stopped.wait())
    try:
        await asyncio.wait([doing, waiting], return_when=asyncio.FIRST_COMPLETED)
        if not doing.done():
            return False
        doing.result()
        return True
    finally:
        for task in (doing, waiting):
            task.cancel()
        await asyncio.gather(doing, waiting, return_exceptions=True)
