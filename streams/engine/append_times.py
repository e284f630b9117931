"""The broker's append times, where a live source has lost them: its topic was set to the producer's (`CreateTime`).

Live, they are the clock. Without them the clock stands still, and after half a minute every result is too far ahead of
it. So the partition is held until the topic is set back, which is seen in the log itself: its last record has the
broker's time again. What was appended in between then counts at the producer's own time, but never before what came
before it, and never after that record: no producer can push the clock. Knows no machine but its watermark.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from streams.engine.batches import LOG_APPEND_TIME, KafkaRecord, RecordBatch, UnreadChunk
from streams.engine.surroundings import Surroundings
from streams.engine.unpacking import Unreadable

log = structlog.get_logger()

_LOOK_SECONDS: Final = 3.0
# The last ones of them may be none to us: a transaction's markers.
_LAST_RECORDS: Final = 8


class AppendTimes:
    """Gives the records of one partition the broker's times.

    Parameters
    ----------
    clock_ms
        Returns a moment that the partition's clock has passed, or None before its first reading.
    progress
        Called while it is held: it waits for a person, and is not stuck.

    Attributes
    ----------
    held
        Why the partition is held, or None if it is not.
    """

    def __init__(
        self,
        around: Surroundings,
        clock_ms: Callable[[], int | None],
        progress: Callable[[], None],
    ) -> None:
        self.held: str | None = None
        self._around = around
        self._clock_ms = clock_ms
        self._progress = progress
        self._last_ms: int | None = None
        #: Up to this offset nothing is younger than the second.
        self._bound = (-1, 0)

    async def of(self, chunk: UnreadChunk) -> UnreadChunk:
        """Return the chunk with the broker's times, once that can be done."""
        batches = chunk.batches
        if self._around.settings.worker.clock == "live" and not all(batch.stamped for batch in batches):
            clock = self._last_ms if self._last_ms is not None else self._clock_ms()
            if clock is None:
                return chunk  # nothing was judged yet: what comes so moves no clock
            if chunk.next_offset > self._bound[0]:
                await self._hold(chunk)
            batches = self._stamped(batches, clock)
        self._last_ms = max(batch.time_ms for batch in batches)
        return replace(chunk, batches=batches)

    async def _hold(self, chunk: UnreadChunk) -> None:
        topic = chunk.tp.topic
        while (bound := await self._last_stamp(chunk)) is None:
            if self.held is None:
                self.held = (
                    f"topic {topic} keeps the producer's time now; held until it keeps the broker's again: "
                    f"`kafka-configs.sh --alter --entity-type topics --entity-name {topic} "
                    "--add-config message.timestamp.type=LogAppendTime`"
                )
                log.error("a partition is held", partition=f"{topic}-{chunk.tp.partition}", why=self.held)
            self._progress()
            await asyncio.sleep(_LOOK_SECONDS)
        if self.held is not None:
            log.warning(
                "a partition goes on: its topic is set back", partition=f"{topic}-{chunk.tp.partition}"
            )
        self.held, self._bound = None, bound

    async def _last_stamp(self, chunk: UnreadChunk) -> tuple[int, int] | None:
        """Return offset and time of the last record, or None if that time is not the broker's."""
        topic, partition = chunk.tp
        reader = self._around.reader
        start, end = (await reader.bounds(topic, [partition]))[partition]
        last = None
        async for record in reader.records(topic, partition, max(start, end - _LAST_RECORDS), end):
            last = record
        if last is None or last.timestamp_type != LOG_APPEND_TIME or last.offset < chunk.next_offset:
            return None
        return last.offset, last.timestamp

    def _stamped(self, batches: list[RecordBatch], clock: int) -> list[RecordBatch]:
        made = []
        for batch in batches:
            if batch.stamped:
                clock = max(clock, batch.time_ms)
                made.append(batch)
                continue
            records = []
            causes: list[Unreadable] = []
            for record in batch.each(causes):
                clock = max(clock, min(record.timestamp, self._bound[1]))
                stamped = (clock, LOG_APPEND_TIME, record.key, record.headers)
                records.append(KafkaRecord(record.offset, record.value, *stamped))
            cause = causes[0] if causes else None
            made.append(
                replace(batch, records=records, stamped=True, time_ms=clock, packed=None, cause=cause)
            )
        return made
