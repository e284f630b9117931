"""A folder that one process uses at a time: two brokers on one disk would end each other."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import IO, Final

_NAME: Final = "in-use"


class FolderError(Exception):
    """The folder can't be had; the message says why."""


class OwnFolder:
    """A lock on a folder, which the system takes back however its holder ends.

    Parameters
    ----------
    folder
        Made where it is not there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._held: IO[bytes] | None = None

    def take(self) -> None:
        """Take it; one that has it keeps it. Raises FolderError where another has it, and OSError."""
        if self._held is not None:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        lock = (self.folder / _NAME).open("ab")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.close()
            raise FolderError(
                f"another netdusk runs in {self.folder.absolute()}; end it, or name another folder with --folder"
            ) from None
        self._held = lock

    def leave(self) -> None:
        """Give it back, if it was taken."""
        if self._held is not None:
            self._held.close()
            self._held = None
