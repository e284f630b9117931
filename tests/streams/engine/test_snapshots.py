"""When a snapshot is due, and what is left of the log after it."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest

from streams.engine.snapshots import Snapshots
from tests.streams.engine.fakes import FakeBroker, surroundings


class Book:
    """A checkpoint log that notes what is appended; the first piece stands at offset 100."""

    topic, partition = "checkpoints", 0

    def __init__(self) -> None:
        self.parts: list[tuple[int, int]] = []  # index, position

    async def append_part(self, index: int, pieces: Any, crc: int, position: int) -> int:
        self.parts.append((index, position))
        return 100 + len(self.parts)


@pytest.fixture
def executor() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def snapshots(executor: ThreadPoolExecutor, broker: FakeBroker, book: Book, **worker: Any) -> Snapshots:
    machine: Any = SimpleNamespace(snapshot=lambda: b"state" * 100)
    return Snapshots(surroundings(broker, executor, **worker), machine, cast(Any, book))


async def test_one_is_due_when_the_log_has_outgrown_it(executor: ThreadPoolExecutor) -> None:
    book, broker = Book(), FakeBroker()
    due = snapshots(executor, broker, book, snapshot_bytes=1000)
    due.note_delta(999)
    await due.take_if_due(7)
    assert book.parts == []
    due.note_delta(1)
    await due.take_if_due(8)
    assert book.parts == [(0, 8)]
    await due.writing[0]
    due.check()
    assert due.writing == []
    assert broker.deleted_before == {"checkpoints": 101}
    await due.take_if_due(9)  # nothing has come since
    assert book.parts == [(0, 8)]


async def test_the_last_one_is_written_only_where_something_came_since(executor: ThreadPoolExecutor) -> None:
    book = Book()
    last = snapshots(executor, FakeBroker(), book)
    await last.take_last(5)
    assert book.parts == []
    last.note_delta(1)
    await last.take_last(6)
    assert book.parts == [(0, 6)]
