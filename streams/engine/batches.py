"""Records on their way from the broker to the step: batches as the broker sent them, and a chunk of them.

Records are made when they are gone through, by whoever does that, and let go of before the next ones are made: objects
that were made by another core, or long ago, have to be got back into the caches.

It refuses to know Faust, and what a record holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby, islice, repeat
from struct import Struct
from typing import Any, Final, NamedTuple

import structlog
from aiokafka.errors import KafkaError, UnsupportedCodecError
from faust.types import TP

from streams.engine.unpacking import UnpackError, Unreadable, body_of, readable
from streams.machine import PIECE, Chunk

try:
    from streams.packed import PackedRecords
except ImportError:  # there was no C compiler when it was installed
    PackedRecords = None  # type: ignore[assignment,misc]

log = structlog.get_logger()

#: Broker append time, as Kafka's record batches have it.
LOG_APPEND_TIME: Final = 1
#: A piece ends early where its batches unpack to more: a thousand of one record each may be gigabytes.
_PIECE_BYTES: Final = 32 * 1024 * 1024
# Of what stands before a batch's records: what their offsets are counted from, the last one so counted, what their
# times are counted from, and how many they are.
_HEAD: Final = Struct(">q15xiq22xi")


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
    broker sent it, where that is known and nobody has made its records. `cause` says why what followed the records
    could not be read.
    """

    records: Iterable[Any]
    first: int
    next_offset: int
    stamped: bool
    time_ms: int
    packed: memoryview | None = None
    cause: Unreadable | None = None

    def __len__(self) -> int:
        """How many records it has at most: some may have been compacted away."""
        return self.next_offset - self.first

    def __iter__(self) -> Iterator[Any]:
        """The records that count, up to what can't be read."""
        return self.each([])

    @property
    def lies(self) -> bool:
        """Whether its records can be read where they lie, as often as that is wanted."""
        return self.packed is not None and PackedRecords is not None

    def each(self, causes: list[Unreadable]) -> Iterator[Any]:
        """The records that count; where a batch can't be read on, the cause is added to `causes`.

        Reading it again would come to the same: its check sum is right, so whoever wrote it wrote it so. Offsets that
        do not ascend don't count: brokers look at none but the last of a batch, and whoever writes may choose them.
        """
        if not self.lies:
            yield from self._made_by_aiokafka(causes)
            return
        lying = PackedRecords()
        cause = self.find(lying)
        kind = LOG_APPEND_TIME if self.stamped else 0
        while len(lying):
            values, keys, headers = lying.take(PIECE)
            rows = zip(
                values.offsets(),
                values,
                values.stamps(),
                repeat(kind),
                keys,
                headers or repeat(()),
                strict=False,
            )
            yield from map(KafkaRecord._make, rows)
        if cause is not None:
            causes.append(cause)

    def _made_by_aiokafka(self, causes: list[Unreadable]) -> Iterator[Any]:
        follows = self.first
        try:
            records, cause = self.records, self.cause
            if self.packed is not None and (body := body_of(self.packed)) is not None:
                many, cause = readable(body, _HEAD.unpack_from(self.packed)[3])
                records = islice(records, many)
            for record in records:
                if follows <= record.offset < self.next_offset:
                    follows = record.offset + 1
                    yield record
        except (UnpackError, UnsupportedCodecError):
            cause = Unreadable.PACKING
        except UnicodeDecodeError:
            cause = Unreadable.HEADER_NAME
        except (OverflowError, KafkaError):
            cause = Unreadable.DAMAGED
        if cause is not None:
            causes.append(cause)

    def find(self, lying: PackedRecords) -> Unreadable | None:
        """Add the records that count to those of `lying`; returns why not all of them, None if all."""
        packed = self.packed
        assert packed is not None
        try:
            body = body_of(packed)
        except UnpackError:
            return Unreadable.PACKING
        assert body is not None, "the records of other versions are made as they come"
        base, last, first_ms, count = _HEAD.unpack_from(packed)
        time = self.time_ms if self.stamped else first_ms
        cause = lying.add(body, count, base, self.first, self.next_offset, time, self.stamped)
        # Of a batch that was parted the last part tells it.
        return None if cause is None or self.next_offset <= base + last else Unreadable(cause)

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

    def lasting(self) -> RecordBatch:
        """Return a batch that can be gone through again and again.

        What lies packed stays so: kept unpacked, the batches that wait could take gigabytes.
        """
        if self.lies:
            return self
        causes: list[Unreadable] = []
        records = list(self.each(causes))
        return replace(self, records=records, packed=None, cause=causes[0] if causes else None)

    def parted(self, records_max: int) -> tuple[RecordBatch, RecordBatch | None]:
        """Return the first `records_max` records and the others, or None if there are no others."""
        if len(self) <= records_max:
            return self, None
        whole = self.lasting()
        if whole.lies:
            lying = PackedRecords()
            whole.find(lying)
            if len(lying) <= records_max:
                return whole, None
            lying.take(records_max)
            cut = lying.take(1)[0].offsets()[0]
            return replace(whole, next_offset=cut), replace(whole, first=cut)
        records = list(whole)
        if len(records) <= records_max:
            return whole, None
        head, rest = records[:records_max], records[records_max:]
        cut = rest[0].offset
        return (
            replace(whole, records=head, next_offset=cut, time_ms=head[-1].timestamp, cause=None),
            replace(whole, records=rest, first=cut),
        )


@dataclass(slots=True)
class UnreadChunk:
    """Batches of one partition that follow each other: a chunk whose records are made while it is gone through.

    `follows` is the offset after what was handed over before, or where the consumer was told to go on; offsets from
    there to the first one here do not exist in the log. None if that is not known. `causes` says, once it is gone
    through, why batches could not be read, or not be read on.
    """

    tp: TP
    follows: int | None
    batches: list[RecordBatch]
    causes: list[Unreadable] = field(default_factory=list)

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
        for (stamped, lies), batches in groupby(self.batches, key=_kind):
            if lies:
                yield from self._packed_pieces(batches, records, stamped=stamped)
            else:
                yield from self._made_pieces(batches, records, stamped=stamped)

    def _packed_pieces(
        self, batches: Iterable[RecordBatch], records: int, *, stamped: bool
    ) -> Iterator[Chunk]:
        """Of batches as the broker sent them: no Python objects are made of their records."""
        lying = PackedRecords()
        for batch in batches:
            if (cause := batch.find(lying)) is not None:
                self._leave_out(batch, cause)
            while len(lying) >= records or (len(lying) and lying.body_bytes >= _PIECE_BYTES):
                yield self._packed_piece(lying, records, stamped=stamped)
        if len(lying):
            yield self._packed_piece(lying, records, stamped=stamped)

    def _leave_out(self, batch: RecordBatch, cause: Unreadable) -> None:
        self.causes.append(cause)
        log.critical(
            "records are left out: their batch can't be read on",
            partition=f"{self.tp.topic}-{self.tp.partition}",
            first=batch.first,
            last=batch.next_offset - 1,
            cause=str(cause),
        )

    def _packed_piece(self, lying: PackedRecords, records: int, *, stamped: bool) -> Chunk:
        values, keys, headers = lying.take(records)
        stamps = values.stamps() if stamped else None
        return Chunk(self.tp.topic, self.tp.partition, values.offsets(), values, stamps, keys, headers)

    def _made_pieces(self, batches: Iterable[RecordBatch], records: int, *, stamped: bool) -> Iterator[Chunk]:
        every = self._every(batches)
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

    def _every(self, batches: Iterable[RecordBatch]) -> Iterator[Any]:
        for batch in batches:
            causes: list[Unreadable] = []
            yield from batch.each(causes)
            for cause in causes:
                self._leave_out(batch, cause)


def _kind(batch: RecordBatch) -> tuple[bool, bool]:
    return batch.stamped, batch.lies
