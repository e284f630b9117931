"""The log-fenced checkpoint: state, offset and outbox of a partition, in records that can't tear.

A checkpoint is a *redo log of inputs*: the decoded batch of a chunk, and where the source goes on after it. The step
is pure, so that a snapshot and the batches after it give state and outboxes again, bit for bit (ADR 0002).

Four kinds of record stand in partition i of the checkpoint topic, for source partition i:

- `Fence`: a new owner. Its offset is the *epoch* of all that this owner writes.
- `Delta`: one chunk.
- `SnapshotPart`: a piece of a snapshot, between deltas.
- `Void`: the deltas from a source offset on count no more, and what state is begun anew there (ADR 0011).

`Restorer` reads them and is pure; `CheckpointLog` is the Kafka side. Neither knows what a batch holds.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import lz4.frame
import msgspec

from detectors.state import VERSIONS

VERSION: Final = VERSIONS["checkpoint"]
# Below the broker's default of 1 MiB a record, with room for its frame.
PART_BYTES: Final = 900 * 1024
_MAGIC: Final = b"NDK"
_HEADER: Final = len(_MAGIC) + 1 + 4


class CheckpointError(Exception):
    """The checkpoints of a partition can't be relied upon: a person has to look."""


class DamagedError(CheckpointError):
    """A record that is none, is of an unknown version, contradicts the one before, or is missing."""


class LostError(CheckpointError):
    """Records were deleted before a snapshot covered them."""


class SupersededError(Exception):
    """Another owner has fenced this partition since. All readers ignore what was written here."""


class Fence(msgspec.Struct, array_like=True, tag=0, frozen=True):
    """From here on, only `owner` counts."""

    owner: str
    settings: str


class Delta(msgspec.Struct, array_like=True, tag=1, frozen=True):
    """One chunk: source offsets [start, next) are in the state, by way of `batch`
    (as `pack` wrote it).

    `skipped` counts offsets of that range which the source had lost to its retention.
    """

    owner: str
    epoch: int
    seq: int
    start: int
    next: int
    settings: str
    batch: bytes
    skipped: int = 0


class SnapshotPart(msgspec.Struct, array_like=True, tag=2, frozen=True):
    """Piece `index` of `count` of the snapshot taken when the source stood at `next`; lz4, `crc` of the whole.

    `source` is the id of the source's topic: `next` is an offset of that one alone. Empty where it is not known.
    """

    owner: str
    epoch: int
    seq: int
    index: int
    count: int
    next: int
    settings: str
    crc: int
    data: bytes
    source: str = ""


class Void(msgspec.Struct, array_like=True, tag=3, frozen=True):
    """Deltas from source offset `next` on are annulled: the step can't apply them.

    `forget` names the countries whose state is begun anew there; with `anew`, all of it is. `moved_to` is where the
    source goes on after it was made anew, with offsets of its own: nothing is annulled then. `source` is its id.
    """

    owner: str
    epoch: int
    seq: int
    next: int
    settings: str
    reason: str
    forget: list[str] = []
    anew: bool = False
    moved_to: int | None = None
    source: str = ""


CheckpointRecord = Fence | Delta | SnapshotPart | Void

_encode = msgspec.msgpack.Encoder().encode
_decode: Callable[[bytes], CheckpointRecord] = msgspec.msgpack.Decoder(CheckpointRecord).decode


def encode(record: CheckpointRecord) -> bytes:
    """Write a record: magic, version, CRC-32 of the rest, MessagePack."""
    body = _encode(record)
    return _MAGIC + bytes([VERSION]) + zlib.crc32(body).to_bytes(4, "big") + body


def decode(value: bytes | None) -> CheckpointRecord:
    """Read a record. Raises `DamagedError` for any bytes that `encode` of this version did not write."""
    if value is None or len(value) < _HEADER or value[:3] != _MAGIC:
        raise DamagedError("no checkpoint record")
    if value[3] != VERSION:
        raise DamagedError(
            f"checkpoint version {value[3]} was written by a later release; this one reads version {VERSION}"
        )
    body = value[_HEADER:]
    if zlib.crc32(body) != int.from_bytes(value[4:_HEADER], "big"):
        raise DamagedError("its CRC does not fit")
    try:
        return _decode(body)
    except msgspec.DecodeError as error:
        raise DamagedError(str(error)) from error


def split(snapshot: bytes, part_bytes: int = PART_BYTES) -> tuple[int, list[bytes]]:
    """Compress a snapshot and cut it. Return the CRC of the whole, and the pieces (at least one)."""
    packed = pack(snapshot)
    return zlib.crc32(packed), [packed[i : i + part_bytes] for i in range(0, len(packed), part_bytes)]


def pack(batch: bytes) -> bytes:
    """Compress a batch (lz4): three times smaller, at a tenth of what the producer's own compression would take."""
    packed: bytes = lz4.frame.compress(batch)  # type: ignore[attr-defined]  # lz4 has no __all__
    return packed


def unpack(packed: bytes) -> bytes:
    """Read what `pack` wrote. Raises `DamagedError`."""
    try:
        batch: bytes = lz4.frame.decompress(packed)  # type: ignore[attr-defined]
    except RuntimeError as error:
        raise DamagedError(f"a batch can't be decompressed: {error}") from error
    return batch


@dataclass(slots=True)
class Restored:
    """What a partition's log says: `snapshot` None and no steps for one that was never written.

    `steps` came after the snapshot: chunks, and places where state is begun anew. `marks` say which settings and
    versions the snapshot and the steps were decided under. `source` is the id of the topic of which `next` is an
    offset, empty where it is not known.
    """

    next: int | None = None
    snapshot: bytes | None = None
    steps: list[Delta | Void] = field(default_factory=list)
    # Records of owners that had been fenced off.
    ignored: int = 0
    duplicates: int = 0
    marks: frozenset[str] = frozenset()
    source: str = ""

    @property
    def deltas(self) -> list[Delta]:
        """The chunks among the steps."""
        return [step for step in self.steps if isinstance(step, Delta)]

    def annul(self, start: int) -> bool:
        """Leave out the chunks from source offset `start` on. Returns whether there were any."""
        kept = [step for step in self.steps if not (isinstance(step, Delta) and step.start >= start)]
        annulled = len(kept) < len(self.steps)
        if annulled:
            self.steps, self.next = kept, start
        return annulled


@dataclass(slots=True)
class _Pending:
    """A snapshot whose pieces are still coming; `steps` of those that are known came before it."""

    first: SnapshotPart
    steps: int
    pieces: list[bytes] = field(default_factory=list)


class Restorer:
    """Reads a partition's records in their order, and says what state they amount to.

    Knows nothing but their offsets and values; `log_start` is the first offset that the broker still has.
    """

    def __init__(self, log_start: int = 0) -> None:
        self._log_start = log_start
        self._epoch = -1
        self._owner: str | None = None
        self._seq: int | None = 0
        self._pending: _Pending | None = None
        self._base: SnapshotPart | None = None
        self._snapshot = b""
        self._steps: list[Delta | Void] = []
        self._next: int | None = None
        self._source = ""
        self._ignored = 0
        self._duplicates = 0

    def feed(self, offset: int, value: bytes | None) -> None:
        """Take the next record in. Raises `DamagedError`, naming the offset."""
        try:
            self._feed(offset, decode(value))
        except DamagedError as error:
            raise DamagedError(f"checkpoint at offset {offset}: {error}") from error

    def finish(self) -> Restored:
        """What all of it amounts to. Raises `LostError` where records that are needed have been deleted."""
        base = self._base
        if base is None:
            if self._steps or self._log_start > 0:
                raise LostError(
                    f"the checkpoints from offset {self._log_start} on hold no whole snapshot: "
                    "what came before was deleted (retention of the checkpoint topic must be unlimited)"
                )
            return Restored(ignored=self._ignored, duplicates=self._duplicates)
        try:
            snapshot = unpack(self._snapshot)
        except DamagedError as error:
            raise DamagedError(f"snapshot at source offset {base.next}: {error}") from error
        return Restored(
            next=self._next,
            snapshot=snapshot,
            steps=self._steps,
            ignored=self._ignored,
            duplicates=self._duplicates,
            marks=frozenset([base.settings, *(step.settings for step in self._steps)]),
            source=self._source,
        )

    def _feed(self, offset: int, record: CheckpointRecord) -> None:
        if isinstance(record, Fence):
            self._epoch, self._owner, self._seq = offset, record.owner, 0
            self._pending = None  # the rest of it will never come
            return
        if record.epoch > self._epoch:
            self._enter_unseen(record)
        if record.epoch < self._epoch or record.owner != self._owner:
            self._ignored += 1
            return
        if self._seq is not None:
            if record.seq < self._seq:
                self._duplicates += 1
                return
            if record.seq > self._seq:
                raise DamagedError(f"{record.seq - self._seq} records of its owner are missing before it")
        self._seq = record.seq + 1
        if isinstance(record, Delta):
            self._take_delta(record)
        elif isinstance(record, Void):
            self._take_void(record)
        else:
            self._take_part(record)

    def _enter_unseen(self, record: Delta | SnapshotPart | Void) -> None:
        """An owner whose fence was deleted: whatever was read so far came after that fence, from a fenced one."""
        if record.epoch >= self._log_start:
            raise DamagedError(f"its fence, offset {record.epoch}, is not in the log")
        self._ignored += len(self._steps)
        self._epoch, self._owner, self._seq = record.epoch, record.owner, None
        self._pending, self._base, self._steps, self._next = None, None, [], None

    def _take_delta(self, record: Delta) -> None:
        if self._next is not None and record.start != self._next:
            raise DamagedError(
                f"it goes on from source offset {record.start}; the one before ended at {self._next}"
            )
        self._steps.append(record)
        self._next = record.next

    def _take_void(self, record: Void) -> None:
        self._pending = None  # its owner drops all memory after this, or writes a whole snapshot
        if record.moved_to is not None:
            self._next, self._source = record.moved_to, record.source
            return
        base = self._base
        if base is not None and record.next < base.next:
            raise DamagedError(f"it annuls source offset {record.next}; a snapshot holds up to {base.next}")
        if self._next is not None and record.next > self._next:
            raise DamagedError(f"it annuls from source offset {record.next}; the log ends at {self._next}")
        kept = [step for step in self._steps if not (isinstance(step, Delta) and step.start >= record.next)]
        if any(isinstance(step, Delta) and step.next > record.next for step in kept):
            raise DamagedError(f"it annuls from source offset {record.next}, in the middle of a chunk")
        self._ignored += len(self._steps) - len(kept)
        self._steps = [*kept, record] if record.forget or record.anew else kept
        self._next = record.next

    def _take_part(self, record: SnapshotPart) -> None:
        if record.index == 0:
            if self._next is not None and record.next != self._next:
                raise DamagedError(
                    f"a snapshot of source offset {record.next}, where the log stood at {self._next}"
                )
            self._next = record.next
            self._pending = _Pending(record, len(self._steps))
        pending = self._pending
        if pending is None:
            return  # its beginning was deleted, so a newer snapshot follows
        if (record.index, record.count, record.next) != (
            len(pending.pieces),
            pending.first.count,
            pending.first.next,
        ):
            raise DamagedError(f"piece {record.index} of a snapshot, after {len(pending.pieces)} pieces")
        pending.pieces.append(record.data)
        if len(pending.pieces) < record.count:
            return
        packed = b"".join(pending.pieces)
        if zlib.crc32(packed) != record.crc:
            raise DamagedError(f"the CRC of the snapshot of source offset {record.next} does not fit")
        self._base, self._snapshot, self._pending = pending.first, packed, None
        self._source = pending.first.source
        del self._steps[: pending.steps]


# The Kafka side


ReadRange = Callable[[int, int], AsyncIterator[tuple[int, bytes | None]]]


class CheckpointLog:
    """One partition of the checkpoint topic, as its owner writes it.

    Every append is acknowledged by all replicas and stands right after the last one: where it does not, somebody
    else wrote in between, and if that was a fence, this owner is none any more (`SupersededError`).

    Parameters
    ----------
    producer
        acks=all, idempotent.
    read
        Records with offsets in [from, to).
    source
        The id of the topic whose records are written down; empty if it is not known.
    """

    def __init__(
        self,
        producer: Any,
        read: ReadRange,
        topic: str,
        partition: int,
        *,
        owner: str,
        settings: str,
        source: str = "",
    ) -> None:
        self.topic = topic
        self.partition = partition
        self.owner = owner
        self.settings = settings
        self.source = source
        self.epoch = -1
        self._producer = producer
        self._read = read
        self._seq = 0
        self._strangers = 0  # records of others after the fence, all of them fenced off
        self._order = asyncio.Lock()

    async def fence(self) -> int:
        """Become the owner. Return the fence's offset: `restore` reads everything before it."""
        future = await self._producer.send(
            self.topic, encode(Fence(self.owner, self.settings)), partition=self.partition
        )
        self.epoch = (await future).offset
        return self.epoch

    async def restore(self, log_start: int) -> Restored:
        """Read all that stands before the own fence."""
        restorer = Restorer(log_start)
        async for offset, value in self._read(log_start, self.epoch):
            restorer.feed(offset, value)
        return restorer.finish()

    async def append_delta(self, start: int, next_offset: int, batch: bytes, *, skipped: int = 0) -> int:
        """Write a chunk down; returns the bytes written, once all replicas have them."""
        return (
            await self._append(
                lambda seq: Delta(
                    self.owner, self.epoch, seq, start, next_offset, self.settings, batch, skipped
                )
            )
        )[1]

    async def append_part(self, index: int, pieces: Sequence[bytes], crc: int, next_offset: int) -> int:
        """Write a piece of a snapshot; returns its offset in the checkpoint topic."""
        return (
            await self._append(
                lambda seq: SnapshotPart(
                    self.owner,
                    self.epoch,
                    seq,
                    index,
                    len(pieces),
                    next_offset,
                    self.settings,
                    crc,
                    pieces[index],
                    self.source,
                )
            )
        )[0]

    async def append_void(
        self,
        next_offset: int,
        reason: str,
        *,
        forget: Sequence[str] = (),
        anew: bool = False,
        moved_to: int | None = None,
    ) -> None:
        """Annul the deltas from a source offset on; name what is begun anew there, or where the source goes on."""
        await self._append(
            lambda seq: Void(
                self.owner,
                self.epoch,
                seq,
                next_offset,
                self.settings,
                reason,
                list(forget),
                anew,
                moved_to,
                "" if moved_to is None else self.source,
            )
        )

    async def _append(self, make: Callable[[int], Delta | SnapshotPart | Void]) -> tuple[int, int]:
        async with self._order:
            seq = self._seq
            self._seq += 1
            value = encode(make(seq))
            future = await self._producer.send(self.topic, value, partition=self.partition)
        offset: int = (await future).offset
        expected = self.epoch + 1 + seq + self._strangers
        if offset != expected:
            await self._look_between(offset, seq)
        return offset, len(value)

    async def _look_between(self, offset: int, seq: int) -> None:
        """Read what other owners have written since this fence. Raises SupersededError at a fence of theirs.

        A frozen owner's record is harmless. Raises DamagedError if records are missing.
        """
        strangers = 0
        async for _, value in self._read(self.epoch + 1, offset):
            record = decode(value)
            if isinstance(record, Fence):
                raise SupersededError(f"{self.topic}-{self.partition}: {record.owner} has taken over")
            strangers += record.owner != self.owner
        if offset != self.epoch + 1 + seq + strangers:
            raise DamagedError(
                f"{self.topic}-{self.partition}: offset {offset} where {self.epoch + 1 + seq} was due"
            )
        self._strangers = strangers
