"""Rows of CSV as people have it: with a byte order mark or as UTF-16, any ends of lines, quotes that never close.

One bad row never stops a file, nor fills the memory.
"""

from __future__ import annotations

import csv
import io
from collections import deque
from collections.abc import Iterator
from typing import IO, Any, Final

from producers.sources.contract import RefusalReason, RowError, detail

#: A longer line is no row of a table that anybody made; the csv module takes cells of 131,072 characters at most.
LINE_CHARACTERS_MAX: Final = 128 * 1024
#: A quoted cell that goes on over more lines was never closed.
QUOTED_LINES_MAX: Final = 64
#: Byte order marks of what is no UTF-8; the longer ones first, for one begins as another does.
_MARKS: Final = (
    (b"\xff\xfe\x00\x00", "utf-32"),
    (b"\x00\x00\xfe\xff", "utf-32"),
    (b"\xff\xfe", "utf-16"),
    (b"\xfe\xff", "utf-16"),
)


class _Forward(io.RawIOBase):
    """A stream that is only read on: within a tar there is no way back, and it can't even say so."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        # Once, and not until the buffer is full: where a file was cut, what came before the cut is kept.
        data = (self._stream.read1 if isinstance(self._stream, io.BufferedReader) else self._stream.read)(
            len(buffer)
        )
        buffer[: len(data)] = data
        return len(data)


def _encoding(first: bytes) -> str:
    """What a table's first bytes say it is written in. UTF-16 without a mark has a zero beside each ASCII letter."""
    for mark, encoding in _MARKS:
        if first.startswith(mark):
            return encoding
    zeros = [not byte for byte in first[:2]]
    if zeros == [False, True]:
        return "utf-16-le"
    return "utf-16-be" if zeros == [True, False] else "utf-8-sig"


def csv_rows(stream: IO[bytes], delimiter: str = ",") -> Iterator[tuple[int, list[str] | RowError]]:
    """Each row that holds anything, with the number of its first line from 1: its cells, or why it has none.

    >>> rows = csv_rows(io.BytesIO(b'\\xef\\xbb\\xbfa,b\\r\\n1,"2\\n3,4\\n'))
    >>> [(number, cells) for number, cells in rows if isinstance(cells, list)]
    [(1, ['a', 'b']), (3, ['3', '4'])]
    """
    buffered = io.BufferedReader(_Forward(stream))
    text = io.TextIOWrapper(buffered, _encoding(buffered.peek(4)), errors="replace")
    # Lines that were read ahead, for a quote that did not close.
    ahead: deque[tuple[int, str | RowError]] = deque()
    fresh = _lines(text)

    while True:
        number, line = ahead.popleft() if ahead else next(fresh, (0, ""))
        if not number:
            return
        if isinstance(line, RowError):
            yield number, line
        elif line.strip():
            yield number, _cells(line, delimiter, ahead, fresh)


def _cells(
    line: str,
    delimiter: str,
    ahead: deque[tuple[int, str | RowError]],
    fresh: Iterator[tuple[int, str | RowError]],
) -> list[str] | RowError:
    """The cells of the row that begins with `line`; the lines that it goes on over are taken from those ahead."""
    taken, quotes = 0, line.count('"')
    row = line
    while quotes % 2:
        if taken == len(ahead):
            if (following := next(fresh, None)) is None:
                break
            ahead.append(following)
        further = ahead[taken][1]
        if isinstance(further, RowError) or taken == QUOTED_LINES_MAX or len(row) > LINE_CHARACTERS_MAX:
            break
        taken += 1
        row += further
        quotes += further.count('"')
    if quotes % 2:
        return RowError(RefusalReason.NOT_A_MEASUREMENT, "a quote that does not close")
    for _ in range(taken):
        ahead.popleft()
    try:
        return next(csv.reader(io.StringIO(row), delimiter=delimiter))
    except csv.Error as error:
        return RowError(RefusalReason.NOT_A_MEASUREMENT, detail(error))


def _lines(text: io.TextIOWrapper) -> Iterator[tuple[int, str | RowError]]:
    number = 0
    while line := text.readline(LINE_CHARACTERS_MAX):
        number += 1
        if len(line) < LINE_CHARACTERS_MAX or line.endswith("\n"):
            yield number, line
            continue
        while line and not line.endswith("\n"):
            line = text.readline(LINE_CHARACTERS_MAX)
        yield number, RowError(RefusalReason.TOO_LARGE, f"a line of {LINE_CHARACTERS_MAX} characters or more")
