"""Where a command puts what it has made: a file, or standard output for `-` and where nothing is named."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from streams.errors import SettingsError

STDOUT: Final = "-"


def to_stdout(output: str | Path | None) -> bool:
    """Whether an --output means standard output: `-`, as in every command, or nothing given."""
    return output is None or str(output) == STDOUT


def put(data: bytes, output: str | Path | None) -> None:
    """Write everything. Raises SettingsError where the file can't be written."""
    put_all((data,), output)


def put_all(pieces: Iterable[bytes], output: str | Path | None) -> None:
    """Write piece by piece, as they come. Raises SettingsError where the file can't be written."""
    if to_stdout(output):
        sys.stdout.buffer.writelines(pieces)
        sys.stdout.buffer.flush()
        return
    try:
        with Path(str(output)).open("wb") as file:
            file.writelines(pieces)
    except OSError as error:
        raise SettingsError(f"{output}: {error.strerror}; name a file that can be written") from error
