"""Runs everything on a Kafka of its own, prints the tables, and writes docs/benchmarks.md.

Usage: python -m benchmarks.engine [--rounds 3] [--only PART] [--load "how busy the machine was"]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.engine import latency, memory, report, sinks, throughput
from benchmarks.engine.load import Shape
from tests.faults.brokers import OwnBroker


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description="Measure the engine beside others; see the module's text.")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", help="only contenders whose name has this in it; nothing is written")
    parser.add_argument("--load", help="a sentence for the page on how busy the machine was")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="netdusk-bench-") as name:
        folder = Path(name)
        broker = OwnBroker(folder, heap="1g")
        broker.format()
        broker.start()
        try:
            asyncio.run(broker.wait())
            measure(broker.bootstrap, folder, chosen)
        finally:
            broker.close()


def measure(bootstrap: str, folder: Path, chosen: argparse.Namespace) -> None:
    """All parts, one after the other: they would disturb each other."""
    before = os.getloadavg()[1]
    topics = {
        cells: asyncio.run(throughput.write(bootstrap, Shape(records, cells)))
        for cells, records in throughput.RECORDS.items()
    }
    figures = throughput.run(bootstrap, topics, folder, rounds=chosen.rounds, only=chosen.only)
    if chosen.only:
        return
    delays = latency.run(bootstrap, folder)
    sent = sinks.run(bootstrap, rounds=chosen.rounds)
    measured = report.Measured(
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        chosen.load or f"Load average of the machine before: {before:.1f}.",
        chosen.rounds,
        figures,
        sent,
        memory.run(),
        delays,
    )
    report.write(measured)
    print(report.markdown(measured))


if __name__ == "__main__":
    main()
