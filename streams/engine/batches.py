"""Records on their way from the broker to the step: batches as the broker sent them, and a chunk of them.

Records are made when they are gone through, by whoever does that, and let go of before the next ones are made: objects
that were made by another core, or long ago, have to be got back into the caches.

It refuses to know Faust, and what a record holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from operator import attrgetter
from typing import Any, Final, NamedTuple

import structlog
from faust.types import TP

from streams.engine.unpacking import UnpackError
from streams.machine import PIECE, Chunk

log = structlog.get_logger()

#: Broker append time, as Kafka's record batches have it.
LOG_APPEND_TIME: Final = 1


class KafkaRecord(NamedTuple):
    """What is asked of a record: aiokafka's have more."""

    offset: int
    value: bytes | None
    # Milliseconds since 1970.
    timestamp: int
    timestamp_type: int
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()


@dataclass(slots=True, frozen=True)
class RecordBatch:
    """Records that were written together; they may be made only while they are gone through, so: once.

    They have offsets from `first` to before `next_offset`; what `records` has of smaller ones does not count. `stamped`
    says that their timestamps are the broker's. `time_ms` is that of the youngest.
    """

    records: Iterable[Any]
    first: int
    next_offset: int
    stamped: bool
    time_ms: int

    def __len__(self) -> int:
        """How many records it has at most: some may have been compacted away."""
        return self.next_offset - self.first

    def __iter__(self) -> Iterator[Any]:
        """The records that count; none of a batch that can't be unpacked, which is told in the log."""
        records: Any = self.records
        if isinstance(records, list):
            begins = records[0].offset if records else self.next_offset
        else:
            begins = records.base_offset
        try:
            every: Iterator[Any] = iter(records)
        except UnpackError as error:
            log.critical(
                "a batch is left out: it can't be unpacked",
                first=self.first,
                last=self.next_offset - 1,
                error=str(error),
            )
            return iter(())
        if begins >= self.first:
            return every
        return (record for record in every if record.offset >= self.first)

    @classmethod
    def of(cls, records: Sequence[Any], next_offset: int | None = None) -> RecordBatch:
        """Records that are made already, one at least and all with one kind of timestamp."""
        last = records[-1]
        follows = last.offset + 1 if next_offset is None else next_offset
        stamped = last.timestamp_type == LOG_APPEND_TIME
        return cls(records, records[0].offset, follows, stamped, last.timestamp)

    def since(self, offset: int) -> RecordBatch:
        """Return a batch without the records before `offset`."""
        return replace(self, first=max(offset, self.first))

    def made(self) -> RecordBatch:
        """Return a batch whose records are all made."""
        return replace(self, records=list(self))

    def parted(self, records_max: int) -> tuple[RecordBatch, RecordBatch | None]:
        """Return the first `records_max` records and the others, or None if there are no others."""
        if len(self) <= records_max:
            return self, None
        records = list(self)
        if len(records) <= records_max:
            return replace(self, records=records), None
        head, rest = records[:records_max], records[records_max:]
        cut = rest[0].offset
        return (
            replace(self, records=head, next_offset=cut, time_ms=head[-1].timestamp),
            replace(self, records=rest, first=cut),
        )


@dataclass(slots=True)
class UnreadChunk:
    """Batches of one partition that follow each other: a chunk whose records are made while it is gone through.

    `follows` is the offset after what was handed over before, or where the consumer was told to go on; offsets from
    there to the first one here do not exist in the log. None if that is not known.
    """

    tp: TP
    follows: int | None
    batches: list[RecordBatch]

    def __len__(self) -> int:
        """How many records it has at most."""
        return sum(map(len, self.batches))

    @property
    def first(self) -> int:
        """The offset from which on all records up to the end are here."""
        return self.batches[0].first

    @property
    def next_offset(self) -> int:
        """Where the partition goes on after this."""
        return self.batches[-1].next_offset

    def pieces(self, records: int = PIECE) -> Iterator[Chunk]:
        """Yield the records in pieces of at most `records`, each with one kind of timestamp. Works once."""
        for stamped, batches in groupby(self.batches, key=attrgetter("stamped")):
            every = chain.from_iterable(batches)
            while some := list(islice(every, records)):
                first, last = some[0].offset, some[-1].offset
                offsets: Sequence[int] = range(first, last + 1)
                if len(offsets) != len(some):
                    offsets = [record.offset for record in some]
                stamps = [record.timestamp for record in some] if stamped else None
                values = [record.value for record in some]
                keys = [record.key for record in some]
                headers = (
                    [record.headers for record in some] if any(record.headers for record in some) else None
                )
                del some  # their memory is what the next ones are made in
                yield Chunk(self.tp.topic, self.tp.partition, offsets, values, stamps, keys, headers)
                del values, keys, headers
