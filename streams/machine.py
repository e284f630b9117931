"""The seam between carrying and deciding: what the worker, the replay and the backtest all run.

A `Machine` is the pure part of a worker for one partition: no clock, no random numbers, no look-ups. The worker
feeds it chunks, writes down what it was fed (`Batch.encode`: a redo log of inputs, not of changed state), and can
therefore rebuild it bit for bit: a snapshot, then the batches that came after, through the same `apply`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol, TypeVar, runtime_checkable

import msgspec

from detectors.readings import Pulse, SeriesGauge
from producers.signals import Signal
from streams.records import Annotation, Arrivals, CalendarEvent, Incident, Rejected, Vantage, encode

#: Records that are gone through together: with twice as many, they fall out of the processor's caches between.
PIECE: Final = 1000
#: Of a record that is refused, so much is kept.
KEPT_BYTES_MAX: Final = 4096
#: What a machine sends to: the topics' roles, of which settings give the names.
MESSAGE_ROLES: Final = ("alerts", "health", "rejected", "windows")


#: A record's headers, as Kafka has them.
Headers = Sequence[tuple[str, bytes | None]]


class Pieces(Protocol):
    """A chunk that is gone through once, piece by piece: its records may be made only then."""

    def pieces(self) -> Iterator[Chunk]:
        """The records, in order; none may be kept for longer than need be."""
        ...


@dataclass(slots=True)
class Chunk:
    """Consecutive records of one partition, as the broker gave them.

    `timestamps_ms` is the broker's own append time of each record, or None where the topic keeps the producer's. `keys`
    is None if no keys are known (records of a file). `headers` is None if none of the records has any.
    """

    topic: str
    partition: int
    offsets: Sequence[int]
    values: Sequence[bytes | None]
    timestamps_ms: Sequence[int] | None = None
    keys: Sequence[bytes | None] | None = None
    headers: Sequence[Headers] | None = None

    def pieces(self) -> Iterator[Chunk]:
        """Yield the chunk's pieces, in order."""
        for start in range(0, len(self.values), PIECE):
            part = slice(start, start + PIECE)
            stamps = None if self.timestamps_ms is None else self.timestamps_ms[part]
            keys = None if self.keys is None else self.keys[part]
            headers = None if self.headers is None else self.headers[part]
            yield Chunk(
                self.topic, self.partition, self.offsets[part], self.values[part], stamps, keys, headers
            )


@dataclass(slots=True)
class Message:
    """One record to be sent."""

    topic: str  # the topic's role: "alerts", "health", "rejected"; settings give its name
    key: bytes
    value: bytes


def rejection(chunk: Chunk, place: int, reason: str, detail: str) -> Message:
    """What is told of a chunk's record that is refused: the same bytes under the same key, however often."""
    offset, value = chunk.offsets[place], chunk.values[place] or b""
    record = Rejected(
        reason=reason,
        detail=detail,
        topic=chunk.topic,
        partition=chunk.partition,
        offset=offset,
        size=len(value),
        value=value[:KEPT_BYTES_MAX],
    )
    return Message("rejected", f"{chunk.topic}-{chunk.partition}-{offset}".encode(), encode(record))


@dataclass(slots=True)
class Outbox:
    """What one batch brought about.

    `before` may be sent before the checkpoint (rejects: told again, they are the same bytes under the same key);
    `after` only once the checkpoint is acknowledged.
    """

    before: list[Message] = field(default_factory=list)
    after: list[Message] = field(default_factory=list)
    # Those in `after`, as records.
    incidents: list[Incident] = field(default_factory=list)
    applied: int = 0
    late: int = 0
    duplicate: int = 0
    rejected: int = 0


class Batch(Protocol):
    """A decoded chunk: the whole input of one `apply`, and nothing else."""

    @property
    def clean(self) -> bool:
        """Whether it is sure that nothing of it is refused: `Outbox.before` will be empty."""
        ...

    def encode(self) -> bytes:
        """Write it for the redo log."""
        ...


class WindowError(Exception):
    """Closing a window raised: no record is to blame, but what is kept of some country."""


@contextmanager
def closing_windows() -> Iterator[None]:
    """Raise every exception from within as a `WindowError`."""
    try:
        yield
    except Exception as error:
        raise WindowError(repr(error)) from error


B = TypeVar("B", bound=Batch)


class Machine(Protocol[B]):
    """The deciding part of one partition."""

    def read(self, chunk: Pieces) -> B:
        """Decode a chunk. Refused rows are in the batch with their reasons. Never raises on input.

        A chunk without pieces gives a batch that changes nothing.
        """
        ...

    def apply(self, batch: B) -> Outbox:
        """Take a batch in; the same batches in the same order give the same outboxes and the same state.

        Raises `WindowError` where closing a window raised; anything else that it raises is a record's fault.
        """
        ...

    def decode_batch(self, data: bytes) -> B:
        """Read what `Batch.encode` wrote."""
        ...

    def snapshot(self) -> bytes:
        """The whole state, versioned, no pickle. Two machines with equal snapshots are equal."""
        ...

    def restore(self, data: bytes) -> None:
        """Become what `snapshot` wrote. Raises ValueError on an unknown version or a damaged text."""
        ...


# what a machine may offer besides


class ProbeCount(NamedTuple):
    """A way for results to end, as it is counted: `outcome` is `ok` or `stage.failure`."""

    platform: str
    country: str
    outcome: str
    simulated: bool = False


@runtime_checkable
class Observable(Protocol):
    """What the metrics ask of a machine, between two of its steps."""

    @property
    def watermark_ms(self) -> int | None:
        """Event time up to which everything is decided, ms since 1970; None before the first clock reading."""
        ...

    def gauges(self) -> Sequence[SeriesGauge]:
        """Every live series."""
        ...

    def incidents(self) -> Sequence[Incident]:
        """The incidents that are open."""
        ...


@runtime_checkable
class Pulsing(Protocol):
    """A machine that also says who reports, real and simulated apart."""

    def pulses(self) -> Sequence[Pulse]:
        """Every country from which results have come."""
        ...


@runtime_checkable
class Counting(Protocol):
    """A machine that also counts how results ended."""

    def take_probes(self) -> Mapping[ProbeCount, int]:
        """Results applied since the last call."""
        ...


class PartitionCount(msgspec.Struct, frozen=True, tag_field="schema", tag="partition_count"):
    """How many partitions a topic has from this offset on. `partition` is the machine's own."""

    partitions: int
    from_offset: int
    partition: int = -1


class Salt(msgspec.Struct, frozen=True, tag_field="schema", tag="salt"):
    """Bytes by chance, so that a machine, which has none of its own, can make numbers that nobody can trace back."""

    value: bytes


#: What a machine is told beside its partition's own records.
Note = CalendarEvent | Annotation | PartitionCount | Arrivals | Signal | Vantage | Salt


@runtime_checkable
class TakesNotes(Protocol):
    """A machine that takes notes."""

    def note(self, note: Note) -> None:
        """Take one in with the next chunk, so that the redo log has it in its place.

        The same one again changes nothing; one that the machine has no use for may be let go.
        """
        ...


@runtime_checkable
class JudgesPlaces(Protocol):
    """A machine that refuses records by how many partitions their topic has."""

    def misplaces(self, batch: Any) -> bool:
        """Whether a batch that was read, and not applied, has such records."""
        ...

    def give_back(self, batch: Any) -> None:
        """Have the notes of such a batch again: it is not applied, and its chunk is read once more."""
        ...


@runtime_checkable
class KnowsRegister(Protocol):
    """A machine that is told which vantages the register has, so that it learns who was removed meanwhile."""

    def registered(self, names: Collection[str]) -> None:
        """Take these for all that the register has, with the next chunk; of another one the vote is gone."""
        ...


@runtime_checkable
class Forgetting(Protocol):
    """A machine that can begin anew with a part of what it keeps."""

    def countries(self) -> Sequence[str]:
        """The countries of which it keeps state."""
        ...

    def forget(self, countries: Collection[str]) -> Outbox:
        """Drop all state of these countries, as if they had never been seen. Return what is to be told of it.

        Pure: the same state gives the same state and the same outbox.
        """
        ...


@runtime_checkable
class Adopting(Protocol):
    """A machine whose incidents can be made to agree with what was told of them."""

    def adopt(self, published: Sequence[Incident]) -> None:
        """Take the last record of each incident that was ever told, open or over; those of others are passed over.

        For a machine that is restored with other settings, or by another release, than wrote its redo log: to be called
        once, after the last batch of the log. What it does is in no batch, so that a snapshot has to follow before the
        next one; and of the last batch's outbox no alert is sent again, for what is untold is told in the next window.
        """
        ...


@runtime_checkable
class Expecting(Protocol):
    """A machine that goes on with incidents which were told, where all that was kept of them is lost."""

    def expect(self, published: Sequence[Incident], *, whole: bool) -> None:
        """Take the last record of each incident that was ever told, open or over; those of others are passed over.

        `whole` says that the source begins with the first record that it ever had. For a machine without a checkpoint:
        to be called once, before the first batch. Those that are open go on when the clock comes to them. What it does
        is in no batch, so that a snapshot has to follow before the first one.
        """
        ...
