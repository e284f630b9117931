"""What the command line says in place of a traceback. Imports next to nothing, so that `netdusk --help` is quick."""

from __future__ import annotations

import os


class SettingsError(Exception):
    """Settings that can't be used; the message names the file, the key, the value and the remedy."""


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
