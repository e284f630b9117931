"""Records on their way from the broker to the step: batches as the broker sent them, and a chunk of them.

Records are made when they are gone through, by whoever does that, and let go of before the next ones are made: objects
that were made by another core, or long ago, have to be got back into the caches.

It refuses to know Faust, and what a record holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, groupby, islice
from typing import Any, Final, NamedTuple

import structlog
from aiokafka.errors import KafkaError
from faust.types import TP

from streams.engine.unpacking import HEADER_BYTES, UnpackError, body_of
from streams.machine import PIECE, Chunk

try:
    from streams.packed import PackedRecords
except ImportError:  # there was no C compiler when it was installed
    PackedRecords = None  # type: ignore[assignment,misc]

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

    They have offsets from `first` to before `next_offset`; what `records` has of others does not count. `stamped`
    says that their timestamps are the broker's. `time_ms` is that of the youngest. `packed` is the whole batch as the
    broker sent it, where that is known and nobody has made its records.
    """

    records: Iterable[Any]
    first: int
    next_offset: int
    stamped: bool
    time_ms: int
    packed: memoryview | None = None

    def __len__(self) -> int:
        """How many records it has at most: some may have been compacted away."""
        return self.next_offset - self.first

    def __iter__(self) -> Iterator[Any]:
        """The records that count; none from where a batch can't be read on, which is told in the log.

        Reading it again would come to the same: its check sum is right, so whoever wrote it wrote it so. Offsets that
        do not ascend don't count: brokers look at none but the last of a batch, and whoever writes may choose them.
        """
        follows = self.first
        try:
            for record in self.records:
                if follows <= record.offset < self.next_offset:
                    follows = record.offset + 1
                    yield record
        except (UnpackError, UnicodeDecodeError, OverflowError, KafkaError) as error:
            log.critical(
                "records are left out: their batch can't be read on",
                first=self.first,
                last=self.next_offset - 1,
                read_to=follows,
                error=str(error),
            )

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
        return replace(self, records=list(self), packed=None)

    def parted(self, records_max: int) -> tuple[RecordBatch, RecordBatch | None]:
        """Return the first `records_max` records and the others, or None if there are no others."""
        if len(self) <= records_max:
            return self, None
        records = list(self)
        if len(records) <= records_max:
            return replace(self, records=records, packed=None), None
        head, rest = records[:records_max], records[records_max:]
        cut = rest[0].offset
        return (
            replace(self, records=head, next_offset=cut, time_ms=head[-1].timestamp, packed=None),
            replace(self, records=rest, first=cut, packed=None),
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
        for (stamped, packed), batches in groupby(self.batches, key=_kind):
            if packed:
                yield from self._packed_pieces(batches, records, stamped=stamped)
            else:
                yield from self._made_pieces(batches, records, stamped=stamped)

    def _packed_pieces(
        self, batches: Iterable[RecordBatch], records: int, *, stamped: bool
    ) -> Iterator[Chunk]:
        """Of batches as the broker sent them: no Python objects are made of their records."""
        packed_records = PackedRecords()
        for batch in batches:
            added = _added(packed_records, batch)
            # Of a batch that could not be added the records are made, after those that came before.
            while len(packed_records) >= records or (len(packed_records) and not added):
                yield self._packed_piece(packed_records, records, stamped=stamped)
            if not added:
                yield from self._made_pieces([batch], records, stamped=stamped)
        if len(packed_records):
            yield self._packed_piece(packed_records, records, stamped=stamped)

    def _packed_piece(self, packed_records: PackedRecords, records: int, *, stamped: bool) -> Chunk:
        values, keys, headers = packed_records.take(records)
        stamps = values.stamps() if stamped else None
        return Chunk(self.tp.topic, self.tp.partition, values.offsets(), values, stamps, keys, headers)

    def _made_pieces(self, batches: Iterable[RecordBatch], records: int, *, stamped: bool) -> Iterator[Chunk]:
        every = chain.from_iterable(batches)
        while some := list(islice(every, records)):
            first, last = some[0].offset, some[-1].offset
            offsets: Sequence[int] = range(first, last + 1)
            if len(offsets) != len(some):
                offsets = [record.offset for record in some]
            stamps = [record.timestamp for record in some] if stamped else None
            values = [record.value for record in some]
            keys = [record.key for record in some]
            headers = [record.headers for record in some] if any(record.headers for record in some) else None
            del some  # their memory is what the next ones are made in
            yield Chunk(self.tp.topic, self.tp.partition, offsets, values, stamps, keys, headers)
            del values, keys, headers


def _kind(batch: RecordBatch) -> tuple[bool, bool]:
    return batch.stamped, batch.packed is not None and PackedRecords is not None


def _added(packed_records: PackedRecords, batch: RecordBatch) -> bool:
    """Add the records of a batch to those that were found; False where that is left to aiokafka."""
    packed = batch.packed
    assert packed is not None
    try:
        body = body_of(packed)
    except UnpackError:
        return False  # told where its records are made
    if body is None:
        return False
    base = int.from_bytes(packed[:8], "big", signed=True)
    count = int.from_bytes(packed[HEADER_BYTES - 4 : HEADER_BYTES], "big")
    return packed_records.add(body, count, base, batch.first, batch.next_offset, batch.time_ms)
