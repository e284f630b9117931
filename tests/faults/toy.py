"""A small machine for the engine's tests: order matters, every record matters, and its state is plain numbers.

A record is `cell,id,x`: a negative x is late, an id that the cell had among its last ones is a duplicate, anything
else is refused. Every tenth result of a cell makes a snapshot of an incident. At a result of the cell `poison` the step
raises; while it keeps the cell `wreck`, closing a window (a result of the cell `close`) does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from detectors.readings import SeriesGauge
from streams.machine import Message, Outbox, Pieces, WindowError
from streams.records import Incident

EVERY = 10
REMEMBERED = 8


class Row(msgspec.Struct, array_like=True):
    offset: int
    cell: str | None
    id: str = ""
    x: float = 0.0


class ToyBatch(msgspec.Struct, array_like=True):
    topic: str
    partition: int
    next: int
    rows: list[Row]

    @property
    def clean(self) -> bool:
        return all(row.cell is not None for row in self.rows)

    def encode(self) -> bytes:
        return msgspec.msgpack.encode(self)


class Cell(msgspec.Struct, array_like=True):
    n: int = 0
    mean: float = 0.0
    square: float = 0.0
    ids: list[str] = []


class Stored(msgspec.Struct, array_like=True):
    version: int
    next: int
    clock_ms: int
    totals: dict[str, int]
    cells: dict[str, Cell]


@dataclass
class Said:
    id: str
    seq: int


@dataclass
class ToyMachine:
    next_offset: int = 0
    clock_ms: int = 0
    totals: dict[str, int] = field(
        default_factory=lambda: {"applied": 0, "late": 0, "duplicate": 0, "rejected": 0, "ticks": 0}
    )
    cells: dict[str, Cell] = field(default_factory=dict)

    def read(self, chunk: Pieces) -> ToyBatch:
        rows = []
        for piece in chunk.pieces():
            rows += [_row(offset, value) for offset, value in zip(piece.offsets, piece.values, strict=True)]
        if not rows:
            return ToyBatch("", 0, self.next_offset, [])
        return ToyBatch(piece.topic, piece.partition, rows[-1].offset + 1, rows)

    def apply(self, batch: ToyBatch) -> Outbox:
        outbox = Outbox()
        ticks = 0
        for row in batch.rows:
            if row.cell is None:
                outbox.rejected += 1
                key = f"{batch.topic}-{batch.partition}-{row.offset}".encode()
                outbox.before.append(Message("rejected", key, b"refused " + key))
            elif row.cell == "":
                ticks += 1
                self.clock_ms = max(self.clock_ms, int(row.x))
            elif row.x < 0:
                outbox.late += 1
            else:
                self._judge(row, outbox)
        self.next_offset = batch.next
        for name in ("applied", "late", "duplicate", "rejected"):
            self.totals[name] += getattr(outbox, name)
        self.totals["ticks"] += ticks
        return outbox

    def _judge(self, row: Row, outbox: Outbox) -> None:
        assert row.cell is not None
        if row.cell == "poison":
            raise ZeroDivisionError("poison")
        if row.cell == "close" and "wreck" in self.cells:
            raise WindowError("a window of the wreck")
        cell = self.cells.setdefault(row.cell, Cell(ids=[]))
        if row.id in cell.ids:
            outbox.duplicate += 1
            return
        cell.ids = [*cell.ids, row.id][-REMEMBERED:]
        cell.n += 1
        delta = row.x - cell.mean
        cell.mean += 0.05 * delta
        cell.square = 0.95 * (cell.square + 0.05 * delta * delta)
        outbox.applied += 1
        if cell.n % EVERY == 0:
            seq = cell.n // EVERY
            incident = hashlib.blake2b(row.cell.encode(), digest_size=6).hexdigest()
            value = msgspec.json.encode(
                {"id": incident, "seq": seq, "mean": cell.mean, "square": cell.square}
            )
            outbox.after.append(Message("alerts", incident.encode(), value))

    def decode_batch(self, data: bytes) -> ToyBatch:
        return msgspec.msgpack.decode(data, type=ToyBatch)

    def snapshot(self) -> bytes:
        cells = {name: self.cells[name] for name in sorted(self.cells)}
        return msgspec.msgpack.encode(Stored(1, self.next_offset, self.clock_ms, self.totals, cells))

    def restore(self, data: bytes) -> None:
        try:
            stored = msgspec.msgpack.decode(data, type=Stored)
        except msgspec.DecodeError as error:
            raise ValueError(str(error)) from error
        if stored.version != 1:
            raise ValueError(f"version {stored.version}")
        self.next_offset, self.clock_ms = stored.next, stored.clock_ms
        self.totals, self.cells = stored.totals, stored.cells

    # what may be begun anew

    def countries(self) -> Sequence[str]:
        return list(self.cells)

    def forget(self, countries: Collection[str]) -> Outbox:
        for name in countries:
            self.cells.pop(name, None)
        return Outbox()

    # what the metrics pull

    @property
    def watermark_ms(self) -> int | None:
        return self.clock_ms or None

    def gauges(self) -> Sequence[SeriesGauge]:
        return [SeriesGauge("toy", "PK", 1, 0.5, 0.9, 1.5)] if self.cells else []

    def incidents(self) -> Sequence[Incident]:
        return []

    def networks_live(self) -> Mapping[str, int]:
        return {"PK": len(self.cells)}


def _row(offset: int, value: bytes | None) -> Row:
    try:
        text = (value or b"").decode()
        if text.startswith("{"):
            tick = msgspec.json.decode(text, type=dict[str, str])
            assert tick["schema"] == "netdusk.tick/1"
            return Row(offset, "", "", 1.0)
        cell, name, x = text.split(",")
        if not cell:
            return Row(offset, None)
        return Row(offset, cell, name, float(x))
    except (ValueError, AssertionError, KeyError):
        return Row(offset, None)
