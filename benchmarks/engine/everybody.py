"""netdusk beside Flink, Kafka Streams and a floor in Go, over one topic of a real Kafka: results a CPU second.

Each is a process of its own, which reads every result; they take turns. The clock starts after a third of the topic, so
that what is compiled while it runs (Java's machine code) is compiled by then; its compiler and garbage collector count.
What else each does and keeps stands in the table: ours does more, and the floor less.

Usage: python -m benchmarks.engine.everybody [--results 3000000] [--rounds 2] [--only Flink]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.engine.load import Shape
from benchmarks.engine.throughput import ROOT, WHOLE, Contender, Figure, rounds_of, write
from tests.faults.brokers import OwnBroker

_BUILT = ROOT / ".cache/bench"
_OPEN = [f"--add-opens=java.base/java.{name}=ALL-UNNAMED" for name in ("lang", "util", "time", "nio", "net")]
_ARGUMENTS = ("{bootstrap}", "{topic}", "{warm}", "{count}")
_WARM = 1 / 3


def _java(name: str) -> tuple[str, ...]:
    """A class of `benchmarks/contenders/jvm`, with a gigabyte of heap and room for its state in the run's folder."""
    classes = f"{_BUILT}/jvm/classes:{_BUILT}/jvm/dependency/*"
    folder = "-Djava.io.tmpdir={folder}"
    return ("java", "-Xmx1g", "-Xms1g", *_OPEN, folder, "-cp", classes, f"contenders.{name}", *_ARGUMENTS)


EVERYBODY: Sequence[Contender] = (
    Contender(
        "franz-go",
        "reads, and does nothing; keeps nothing",
        command=(f"{_BUILT}/floor/floor", *_ARGUMENTS, "read"),
        warm=_WARM,
    ),
    Contender(
        "franz-go + jsonparser",
        "reads, finds three members, counts by cell in a map; validates and keeps nothing",
        command=(f"{_BUILT}/floor/floor", *_ARGUMENTS, "parse"),
        warm=_WARM,
    ),
    Contender("aiokafka + orjson", "reads and parses; keeps nothing", "raw.py", ("orjson",)),
    Contender(
        "Flink 1.20",
        "reads, parses (Jackson), shuffles by cell, counts in heap state; checkpoint to a folder every 10 s",
        command=_java("FlinkCount"),
        warm=_WARM,
    ),
    Contender(
        "Kafka Streams 3.9",
        "reads, parses (Jackson), counts by cell in a memory store with its changelog; commits every 30 s",
        command=_java("StreamsCount"),
        warm=_WARM,
    ),
    Contender("netdusk, whole, 1,000 cells", f"{WHOLE}; a checkpoint a chunk", "worker", warm=_WARM),
)

PAGE = ROOT / "docs/benchmarks.md"
BEGIN, END = "<!-- everybody: written by `make bench-all` -->", "<!-- end of everybody -->"


def block(figures: Sequence[Figure], results: int, rounds: int, load: float) -> str:
    """What stands on the page."""
    ours = next((figure.cpu for figure in figures if figure.name.startswith("netdusk")), None)
    return "\n".join(
        [
            BEGIN,
            f"Measured {datetime.now(UTC):%Y-%m-%d %H:%M} UTC with `make bench-all`: {results:,} results, of which the "
            f"first third is warm-up, 2 virtual cores with the broker beside, median of {rounds}; load average before: "
            f"{load:.1f}.",
            "",
            "| who reads | what it does and keeps | results a CPU second | results a second | netdusk has of it | MB |",
            "|---|---|---:|---:|---:|---:|",
            *(
                f"| {f.name} | {f.does} | {f.cpu:,.0f} | {f.wall:,.0f} | "
                f"{'' if ours is None else f'{ours / f.cpu:.2f}'} | {f.peak_bytes / 2**20:,.0f} |"
                for f in figures
            ),
            END,
        ]
    )


def main() -> None:
    """Measure, print, and write the page where all were run."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=int, default=3_000_000)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--only", help="only contenders whose name has this in it; nothing is written")
    chosen = parser.parse_args()
    load = os.getloadavg()[1]
    who = [one for one in EVERYBODY if chosen.only is None or chosen.only in one.name]
    with tempfile.TemporaryDirectory(prefix="netdusk-bench-") as name:
        broker = OwnBroker(Path(name), heap="1g")
        broker.format()
        broker.start()
        try:
            asyncio.run(broker.wait())
            topics = {1_000: asyncio.run(write(broker.bootstrap, Shape(chosen.results, 1_000)))}
            figures = rounds_of(who, broker.bootstrap, topics, Path(name), rounds=chosen.rounds)
        finally:
            broker.close()
    made = block(figures, chosen.results, chosen.rounds, load)
    sys.stdout.write(f"{made}\n")
    if chosen.only is None:
        before, _, rest = PAGE.read_text().partition(BEGIN)
        PAGE.write_text(before + made + rest.partition(END)[2])


if __name__ == "__main__":
    main()
