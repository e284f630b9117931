"""Keeps lines on disk, in their order, while the broker is away: bounded, and there again after a crash.

Segments of JSON lines, each append flushed to the disk (fsync) before it counts. Beyond the bound the oldest segment
goes, and is counted. What a vantage measured is nobody else's to read: files are the user's alone. Knows nothing of
what the lines mean, nor who takes them.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".jsonl"
_OWN: Final = 0o600
#: Lines that the broker refuses for their size; beyond the bound they are only counted.
SET_ASIDE: Final = "set-aside.jsonl"
_SET_ASIDE_BYTES_MAX: Final = 16 * 1024 * 1024


class SpoolError(Exception):
    """The spool's folder can't be used; the message names it and the remedy."""


@dataclass(slots=True)
class _Segment:
    number: int
    path: Path
    records: int
    size_bytes: int


class Spool:
    """A queue of lines on disk, for one process at a time.

    Parameters
    ----------
    folder
        Made where it is missing. Raises SpoolError where it can't be written, or where another process has it.
    bytes_max
        The most that all segments together may hold.
    segment_bytes
        A segment that has grown so large is followed by a new one; the oldest goes whole.

    Attributes
    ----------
    dropped
        Lines let go for want of room since the start.
    torn
        Bytes of lines that a crash had cut off, found at the start.
    added
        Lines that were put on the disk since the start.
    vanished
        Lines that were written and are no longer in their file: somebody cut it, or the disk did.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     spool = Spool(Path(folder), bytes_max=1000)
    ...     spool.append([b"one", b"two", b"three"])
    ...     spool.forget(len(spool.head(2)))
    ...     rest = spool.head(10)
    ...     spool.close()
    >>> rest
    [b'three']
    """

    def __init__(
        self, folder: Path, *, bytes_max: int = 256 * 1024 * 1024, segment_bytes: int = 1024 * 1024
    ) -> None:
        self.dropped = 0
        self.torn = 0
        self.added = 0
        self.vanished = 0
        self._folder = folder
        self._bytes_max = bytes_max
        self._segment_bytes = min(segment_bytes, max(1, bytes_max // 2))
        self._segments: deque[_Segment] = deque()
        self._open: FileIO | None = None  # the last segment, where it can grow
        self._reading: list[bytes] = []  # the first segment's lines
        self._taken = 0  # so many of them are done with
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _opened(folder / "lock", os.O_WRONLY)
        except OSError as error:
            raise SpoolError(f"{folder}: {error.strerror}; name a folder that can be written") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise SpoolError(f"{folder}: another process has it; give each its own folder") from error
        for path in sorted(folder.glob(f"{'[0-9]' * 12}{_SUFFIX}")):
            try:
                self._take_up(path)
            except OSError as error:
                self._lock.close()
                raise SpoolError(f"{path}: {error.strerror}; move it out of the spool's folder") from error

    @property
    def records(self) -> int:
        """How many lines wait to be sent."""
        return sum(segment.records for segment in self._segments) - self._taken

    @property
    def size_bytes(self) -> int:
        """What the segments take on disk."""
        return sum(segment.size_bytes for segment in self._segments)

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines at the end; they are on the disk when this returns.

        Raises OSError where not all of them are: `added` says how many.
        """
        start = 0
        while start < len(lines):
            start += self._append_some(lines[start:])

    def head(self, records_max: int) -> list[bytes]:
        """Return the oldest lines, at most `records_max` and all of one segment. They stay until `forget`."""
        while self._segments:
            first = self._segments[0]
            if not self._reading:
                if self._open is not None and len(self._segments) == 1:
                    self._finish()  # what is read grows no more
                self._reading = first.path.read_bytes().split(b"\n")[:-1]
                # What the file holds counts: a full disk may have left it empty, or something cut it meanwhile.
                self.vanished += max(0, first.records - len(self._reading))
                first.records = len(self._reading)
            if self._taken < first.records:
                return self._reading[self._taken : self._taken + records_max]
            self._remove_first()
        return []

    def forget(self, records: int) -> None:
        """Drop the oldest lines, as many as were sent."""
        self._taken += records
        if self._segments and self._taken >= self._segments[0].records:
            self._remove_first()

    def skip(self) -> int:
        """Let the oldest segment go, for one that can't be read; how many lines it had left."""
        lost = self._segments[0].records - self._taken if self._segments else 0
        if self._segments:
            self._remove_first()
        return lost

    def close(self) -> None:
        """Leave the folder to another."""
        self._finish()
        self._lock.close()

    def _append_some(self, lines: Sequence[bytes]) -> int:
        """Fill the last segment, or a new one, with at least one line; how many they were."""
        if self._open is None or self._segments[-1].size_bytes >= self._segment_bytes:
            self._begin()
        assert self._open is not None
        segment = self._segments[-1]
        room = self._segment_bytes - segment.size_bytes
        taken = size = 0
        for line in lines:
            if taken and size + len(line) + 1 > room:
                break
            size += len(line) + 1
            taken += 1
        try:
            _write_all(self._open, b"\n".join(lines[:taken]) + b"\n")
            os.fsync(self._open.fileno())
        except OSError:
            self._open.truncate(segment.size_bytes)  # a full disk must not leave half a line
            raise
        segment.records += taken
        segment.size_bytes += size
        self.added += taken
        while len(self._segments) > 1 and self.size_bytes > self._bytes_max:
            self.dropped += self._segments[0].records - self._taken
            self._remove_first()
        return taken

    def _begin(self) -> None:
        self._finish()
        number = self._segments[-1].number + 1 if self._segments else 1
        path = self._folder / f"{number:012d}{_SUFFIX}"
        self._open = _opened(path, os.O_WRONLY | os.O_APPEND)
        self._segments.append(_Segment(number, path, 0, 0))
        self._sync_folder()

    def _finish(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None

    def _remove_first(self) -> None:
        if len(self._segments) == 1:
            self._finish()
        self._segments.popleft().path.unlink(missing_ok=True)
        self._reading = []
        self._taken = 0

    def set_aside(self, lines: Sequence[bytes]) -> None:
        """Append lines that the broker will never take to a file of their own, which is bounded. Raises OSError."""
        with _opened(self._folder / SET_ASIDE, os.O_WRONLY | os.O_APPEND) as file:
            for line in lines:
                if os.fstat(file.fileno()).st_size + len(line) < _SET_ASIDE_BYTES_MAX:
                    _write_all(file, line + b"\n")

    def _take_up(self, path: Path) -> None:
        # A pipe would be waited on for ever, and a link's or a folder's rights are not ours to change.
        if not stat.S_ISREG(path.lstat().st_mode):
            raise OSError(0, "it is no plain file")
        path.chmod(_OWN)  # an earlier version left them to everybody
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            self.torn += len(content) - whole
            os.truncate(path, whole)
        if not whole:
            path.unlink()
            return
        self._segments.append(_Segment(int(path.stem), path, content.count(b"\n"), whole))

    def _sync_folder(self) -> None:
        """A new file's name is on the disk only when its folder is (fsync(2))."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _opened(path: Path, flags: int) -> FileIO:
    """Open a file for writing, for this user alone. Makes it if it is missing."""
    return FileIO(
        os.open(path, flags | os.O_CREAT | os.O_CLOEXEC, _OWN), "w" if flags == os.O_WRONLY else "a"
    )


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:  # an unbuffered write may take a part
        view = view[file.write(view) :]
