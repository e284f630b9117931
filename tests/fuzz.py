"""Random records for as long as one likes: `python -m tests.fuzz --seconds 600`.

The compiled reader against the reader without it, record by record; record batches as they lie against those that
aiokafka makes records of; and the step against random logs: it raises on nothing, cuts change nothing, and what it
keeps is bounded. A failure prints the seed that repeats it (`--seed`). `make fuzz` runs it with what is compiled under
AddressSanitizer and UndefinedBehaviorSanitizer.
"""

from __future__ import annotations

import argparse
import importlib.util
import random
import sys
import time
from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import structlog

#: Bytes of a snapshot that no log of these tests may outgrow: their names are few, or over the bounds.
SNAPSHOT_MAX = 4_000_000
BATCH = 40


def load(name: str, path: Path) -> None:
    """Have that compiled module instead of the installed one. Before anything imports it."""
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


def random_records(draw: random.Random, size: int) -> list[bytes | None]:
    """Records near a moment: good, changed a little, hostile, or none."""
    from tests.streams.step import hostile

    values: list[bytes | None] = []
    for number in range(size):
        moment = hostile.START + timedelta(seconds=draw.choice([0, 0, 1, 30, 3600, 86_400]) + number)
        record = hostile.good(draw, number, moment) | draw.choice(EXTRAS)
        kind = draw.random()
        if kind < 0.3:
            values.append(hostile.written(record))
        elif kind < 0.5:
            values.append(hostile.foreign(draw, record))
        elif kind < 0.6:
            values.append(hostile.mangled(draw, hostile.foreign(draw, record)))
        elif kind < 0.85:
            values.append(hostile.mutant(draw, record))
        elif kind < 0.97:
            values.append(hostile.hostile(draw, draw.randrange(1000), moment))
        else:
            values.append(
                draw.choice([None, b"null", b'{"schema":"netdusk.tick/1","time":"2025-06-02T00:00:05Z"}'])
            )
    return values


EXTRAS: Sequence[dict[str, object]] = (
    {},
    {},
    {"target": "https://x.example/"},
    {"region": "PK-PB", "every_seconds": 60, "status": 200},
    {"ok": False, "failure": "connection_reset", "stage": "tcp", "count": 9, "good": 4},
    {"ok": True, "failure": None, "stage": None, "count": 9},
    {"source": "ooni", "method": "web_connectivity", "every_seconds": 0.5},
    {"simulated": True, "control_ok": None, "timings_ms": None},
    {"country": "TV", "region": None, "bytes": None, "asn": 4_294_967_295},
    {"vantage": "lahôre-\U0001f600", "target": "https://пример.example/" + "я" * 199},
    {"target": "й" * 150 + "\u202e" * 51, "source": "zdroj\u010d", "method": "m\u200b"},
)


def fuzz_reader(seed: int) -> None:
    """Both readers give the same columns, the same refusals and the same new monitors. Raises AssertionError."""
    from producers.records import decode
    from streams.step.rows import OF_RESULTS, RowReader

    draw = random.Random(seed)
    values = random_records(draw, BATCH)
    keys = None if draw.random() < 0.5 else [draw.choice([b"PK", b"PK", b"TV", None]) for _ in values]
    known = [decode(value) for value in values if draw.random() < 0.7]
    blocks = []
    for scan in (True, False):
        reader = RowReader(scan=scan)
        reader.learn(reader.block(known).new_monitors)
        reader.begin()
        blocks.append(reader.read(values, keys))
    compiled, plain = blocks
    for name in OF_RESULTS:
        assert getattr(compiled, name).tobytes() == getattr(plain, name).tobytes(), (seed, name)
    assert list(compiled.ids) == list(plain.ids), seed
    assert compiled.others == plain.others, seed
    assert compiled.new_monitors == plain.new_monitors, seed


def fuzz_batches(seed: int) -> None:
    """Batches as they lie and as aiokafka makes them give the same records and rows. Raises AssertionError."""
    from streams.engine.batches import UnreadChunk
    from streams.packed import PackedValues
    from streams.step.rows import OF_RESULTS, RowReader
    from tests.streams.engine.raw_batches import (
        CODECS,
        PLACE,
        batch,
        hostile,
        record,
        rows,
        rows_by_aiokafka,
        unread,
    )

    draw = random.Random(seed)
    data = b"".join(hostile(draw))
    position, most = draw.randrange(12), draw.randint(1, 9)
    assert rows(unread(data, position), most) == rows_by_aiokafka(data, position, most), seed
    values = random_records(draw, BATCH)
    parts = [
        record(place, value, headers=draw.choice([b"\0", b"\0", b"\2\2}\2}"]))
        for place, value in enumerate(values)
    ]
    whole = batch(0, b"".join(parts), len(values), codec=draw.choice(list(CODECS)))
    (piece,) = UnreadChunk(PLACE, 0, unread(whole)).pieces()
    assert isinstance(piece.values, PackedValues)
    assert list(piece.values) == values, seed
    packed, plain = RowReader().read(piece.values), RowReader(scan=False).read(values)
    for name in OF_RESULTS:
        assert getattr(packed, name).tobytes() == getattr(plain, name).tobytes(), (seed, name)
    assert packed.others == plain.others, seed


def fuzz_step(seed: int) -> None:
    """A log gives one state, however it is cut, and that is no larger than it may be. Raises AssertionError."""
    from streams.machine import Chunk
    from streams.settings import LimitSettings, Settings, WorkerSettings
    from streams.step.country import CountryMachine
    from tests.streams.step.hostile import START

    draw = random.Random(seed)
    limits = LimitSettings(platforms=5, networks=5, regions=5, vantages=9, series=12, targets=5, monitors=30)
    settings = Settings(worker=WorkerSettings(clock=draw.choice(["live", "replay"])), limits=limits)
    values = random_records(draw, draw.randrange(1, 200))
    clock = int(START.timestamp() * 1000)
    stamps = []
    for _ in values:
        clock += draw.choice([0, 0, 1, 900, 5_000, 61_000])
        stamps.append(clock - draw.choice([0, 0, 0, 10_000]))
    states = []
    for _ in range(2):
        machine = CountryMachine(settings)
        refused = 0
        cuts = sorted(draw.randrange(len(values) + 1) for _ in range(draw.randrange(6)))
        for first, last in pairwise([0, *cuts, len(values)]):
            if first == last:
                continue
            part = slice(first, last)
            rows = machine.read(Chunk("t", 0, range(first, last), values[part], stamps[part]))
            rows = rows if draw.random() < 0.5 else machine.decode_batch(rows.encode())
            outbox = machine.apply(rows)
            refused += outbox.rejected + outbox.late
        states.append((machine.snapshot(), refused))
    assert states[0] == states[1], seed
    assert len(states[0][0]) < SNAPSHOT_MAX, seed


def main() -> None:
    """Run until the time is over."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--seed", type=int, default=None, help="repeat one seed")
    parser.add_argument("--built", type=Path, default=None, help="a folder with compiled modules to be tried")
    asked = parser.parse_args()
    if asked.built is not None:
        for name in ("streams.packed", "streams.step.scanner"):  # the second needs the first
            (path,) = asked.built.glob(name.replace(".", "/") + ".*.so")
            load(name, path)
    from streams.engine.unpacking import bound
    from streams.step.rows import compiled

    if not compiled():
        raise SystemExit("there is no compiled reader to be tried; `make setup` builds it")
    bound()
    structlog.configure(
        logger_factory=structlog.ReturnLoggerFactory()
    )  # batches that are left out are told, and many are
    if asked.seed is not None:
        fuzz_reader(asked.seed)
        fuzz_batches(asked.seed)
        fuzz_step(asked.seed)
        return
    seed = first = random.SystemRandom().randrange(2**32)
    end = time.monotonic() + asked.seconds
    while time.monotonic() < end:
        for _ in range(20):
            seed += 1
            fuzz_reader(seed)
            fuzz_batches(seed)
        fuzz_step(seed)
    batches, logs = seed - first, (seed - first) // 20
    print(f"{batches:,} batches of {BATCH} records, {logs:,} logs, from seed {first}: nothing found")


if __name__ == "__main__":
    main()
