"""What was read from a partition and is not applied yet. Batches go in as they came, and out of it come chunks.

Bounded: it shuts the partition's gate while it has enough, and opens it when there is room again. Knows no machine.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import IntEnum
from itertools import islice
from typing import Any, Final

from faust.types import TP

from streams.engine.batches import RecordBatch, UnreadChunk
from streams.engine.gates import Gate

# Records from before a seek have passed after this.
_STALE_SECONDS: Final = 1.0


class Hurry(IntEnum):
    """How long a record may wait for company."""

    #: Nobody waits for it: until another one comes that has more of a hurry.
    NONE = 0
    #: As long as the others of a chunk need to come.
    SOME = 1
    #: It may decide something: not at all.
    URGENT = 2


@dataclass(slots=True)
class _Entry:
    """A batch, the offset that it follows where that is known, and what is to be called once it is in the log."""

    batch: RecordBatch
    follows: int | None
    done: Callable[[], None] | None


@dataclass(slots=True)
class Taken:
    """A chunk (None if all of it had been applied before), and what to call when it is in the log.

    `urgent`: one of its records may decide something.
    """

    chunk: UnreadChunk | None
    done: list[Callable[[], None]]
    urgent: bool = False


class Inbox:
    """The records of one partition that wait for their turn.

    Parameters
    ----------
    records_max
        Twice as many waiting shut the gate, half as many open it.

    Attributes
    ----------
    tp
        The partition.
    waiting
        Records in it, at most (some may have been compacted away).
    """

    def __init__(self, tp: TP, gate: Gate, records_max: int) -> None:
        self.tp = tp
        self.waiting = 0
        self._gate = gate
        self._records_max = records_max
        self._entries: deque[_Entry] = deque()
        self._stale_until: float | None = None
        self._urgent = False
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()

    def __bool__(self) -> bool:
        """Whether anything waits."""
        return bool(self._entries)

    def put(self, chunk: UnreadChunk, done: Callable[[], None] | None = None) -> None:
        """Take a chunk in; `done` is to be called once all of it is in the log."""
        follows = chunk.follows
        for batch in chunk.batches:
            self._entries.append(_Entry(batch, follows, None))
            follows = batch.next_offset
        self._entries[-1].done = done
        self.waiting += len(chunk)
        if self.waiting >= 2 * self._records_max:
            self._gate.shut(self.tp)
            self._room.clear()
        self._news.set()

    def take(self, position: int, records_max: int) -> Taken:
        """Return up to `records_max` records that follow each other from `position` on. Earlier ones are dropped."""
        batches: list[RecordBatch] = []
        done: list[Callable[[], None]] = []
        follows: int | None = None
        records = 0
        while self._entries:
            entry = self._entries[0]
            if batches and not self._follows(batches[-1], entry):
                break
            self._drop_before(position, entry)
            if len(entry.batch):
                if batches and records + len(entry.batch) > records_max:
                    break
                batch, rest = entry.batch.parted(records_max)
                if not batches:
                    follows = entry.follows
                batches.append(batch)
                records += len(batch)
                if rest is not None:
                    entry.batch, entry.follows = rest, batch.next_offset
                    break
            self._entries.popleft()
            if entry.done is not None:
                done.append(entry.done)
        self.waiting -= records
        if self.waiting <= self._records_max // 2:
            self._gate.open(self.tp)
            self._room.set()
        urgent, self._urgent = self._urgent, False
        return Taken(UnreadChunk(self.tp, follows, batches) if batches else None, done, urgent)

    def _drop_before(self, position: int, entry: _Entry) -> None:
        batch = entry.batch
        if batch.first < position:
            start = min(position, batch.next_offset)
            self.waiting -= start - batch.first
            entry.batch, entry.follows = batch.since(start), start

    @staticmethod
    def _follows(before: RecordBatch, entry: _Entry) -> bool:
        return before.next_offset == (entry.batch.first if entry.follows is None else entry.follows)

    def clear(self) -> None:
        """Let go of everything; it will be read again."""
        self._entries.clear()
        self.waiting = 0
        self._urgent = False
        self._room.set()

    # reading again

    async def read_again(self, offset: int) -> None:
        """Let go of everything, and have what is there from `offset` on brought again."""
        self._stale_until = time.monotonic() + _STALE_SECONDS
        self.clear()
        await self._gate.go_on_from(self.tp, offset)
        self._gate.open(self.tp)

    def stale(self) -> bool:
        """Whether what comes may still be from before it was asked to read again."""
        return self._stale_until is not None and time.monotonic() < self._stale_until

    def caught_up(self) -> None:
        """What was asked for has come."""
        self._stale_until = None

    # waiting

    def wake(self) -> None:
        """End all waiting for news."""
        self._news.set()

    async def room(self) -> None:
        """Wait until there is not too much in it."""
        await self._room.wait()

    async def wait(self, others: Iterable[asyncio.Future[Any]] = ()) -> None:
        """Wait until something comes in, or one of `others` is done, or `wake`."""
        if self._entries:
            return
        self._news.clear()
        waiter = asyncio.ensure_future(self._news.wait())
        try:
            await asyncio.wait([waiter, *others], return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiter.cancel()

    async def linger(
        self,
        next_taking: Callable[[], float],
        enough: int,
        closed: Callable[[], bool],
        hurry: Callable[[bytes], Hurry] | None = None,
        alone_until: float = 0.0,
    ) -> None:
        """Wait for company until the next moment of the loop's clock at which chunks are taken.

        A record that is urgent ends it, and so does `closed`. While there are only records that have no hurry, it lasts
        until `alone_until`.
        """
        loop = asyncio.get_running_loop()
        looked_at = 0
        until: float | None = next_taking() if hurry is None else None
        while self.waiting < enough and not closed():
            new = list(islice(self._entries, looked_at, None))
            looked_at += len(new)
            if hurry is not None and new:
                most = _most(new, hurry)
                if most is Hurry.URGENT:
                    self._urgent = True
                    return
                if most is Hurry.SOME and until is None:
                    until = next_taking()
            left = (alone_until if until is None else until) - loop.time()
            if left <= 0:
                return
            self._news.clear()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)


def _most(entries: Sequence[_Entry], hurry: Callable[[bytes], Hurry]) -> Hurry:
    """The greatest hurry among their records, that can still be gone through."""
    for entry in entries:
        entry.batch = entry.batch.lasting()
    values = (record.value for entry in entries for record in entry.batch)
    return max((hurry(value) for value in values if value), default=Hurry.NONE)
