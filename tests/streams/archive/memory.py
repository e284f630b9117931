"""A store in memory, which can be killed at any of its writes."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from streams.archive.store import Store


class KilledError(Exception):
    """As if the process had been killed."""


class MemoryStore(Store):
    """Files in a dictionary; the write or deletion number `killed_at` and all after it raise, and do nothing."""

    def __init__(self, files: dict[str, bytes] | None = None, killed_at: int | None = None) -> None:
        self.files = {} if files is None else files
        self.killed_at = killed_at
        self.writes = 0

    def _may_write(self) -> None:
        if self.killed_at is not None and self.writes >= self.killed_at:
            raise KilledError
        self.writes += 1

    def put(self, path: str, data: bytes) -> None:
        self._may_write()
        self.files[path] = data

    def get(self, path: str) -> bytes | None:
        return self.files.get(path)

    def names(self, folder: str) -> list[str]:
        begin = f"{folder}/"
        return sorted({path[len(begin) :].split("/")[0] for path in self.files if path.startswith(begin)})

    def delete(self, path: str) -> None:
        self._may_write()
        self.files.pop(path, None)

    def open(self, path: str) -> Any:
        if path not in self.files:
            raise FileNotFoundError(path)
        return pa.BufferReader(self.files[path])

    def local(self, path: str) -> str | None:
        return None


class FailingStore(MemoryStore):
    """A store that is away: every read, write or deletion whose number is in `away` raises, and the others are done."""

    def __init__(self, away: frozenset[int]) -> None:
        super().__init__()
        self._away = away
        self.asked = 0

    def _asked(self) -> None:
        self.asked += 1
        if self.asked - 1 in self._away:
            raise OSError(5, "the store is away")

    def put(self, path: str, data: bytes) -> None:
        self._asked()
        super().put(path, data)

    def get(self, path: str) -> bytes | None:
        self._asked()
        return super().get(path)

    def names(self, folder: str) -> list[str]:
        self._asked()
        return super().names(folder)

    def delete(self, path: str) -> None:
        self._asked()
        super().delete(path)
