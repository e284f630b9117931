"""What the command line says in place of a traceback. Imports next to nothing, so that `netdusk --help` is quick."""

from __future__ import annotations

import os
from pathlib import Path


class SettingsError(Exception):
    """Settings that can't be used; the message names the file, the key, the value and the remedy."""


def install(extra: str) -> str:
    """Return how an extra of netdusk's is installed, as a remedy says it.

    >>> install("trust")
    "`pip install '.[trust]'` where netdusk's source is"
    """
    return f"`pip install '.[{extra}]'` where netdusk's source is"


def need_file(path: Path, remedy: str = "") -> None:
    """Pass where a path leads to a file. Raises SettingsError, which says whether it is a folder or nothing at all.

    >>> need_file(Path("/"))
    Traceback (most recent call last):
    streams.errors.SettingsError: /: is a folder, not a file
    >>> need_file(Path("/no/where"), "name another")
    Traceback (most recent call last):
    streams.errors.SettingsError: /no/where: no such file; name another
    """
    if not path.is_file():
        why = "is a folder, not a file" if path.is_dir() else "no such file"
        raise SettingsError(f"{path}: {why}; {remedy}" if remedy else f"{path}: {why}")


def why_not_reached(error: BaseException) -> str:
    """Return why a server did not answer, as the system says it and not as a library does.

    >>> why_not_reached(ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 9464)"))
    'connection refused'
    >>> why_not_reached(TimeoutError())
    'no answer'
    """
    # aiohttp keeps the system's error in its own.
    number = getattr(getattr(error, "os_error", error), "errno", None)
    if isinstance(number, int) and number > 0:
        return os.strerror(number).lower()
    return str(error) or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)
