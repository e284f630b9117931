"""What it costs to write results: the clients that a producer might use, side by side."""

from __future__ import annotations

import asyncio
import statistics
import sys
from pathlib import Path
from uuid import uuid4

from benchmarks.engine.throughput import OTHERS, Figure, make_topics, run_script

COUNT = 100_000
WAYS = (
    ("kafka-python, `send`", "kafka-python", Path(sys.executable)),
    ("aiokafka, `send`", "aiokafka", Path(sys.executable)),
    ("aiokafka, `send_batch`", "send_batch", Path(sys.executable)),
    ("confluent-kafka, `produce`", "confluent", OTHERS),
)


def run(bootstrap: str, *, rounds: int) -> list[Figure]:
    """Each of them, `rounds` times in turn."""
    topic = f"bench-sinks-{uuid4().hex[:6]}"
    asyncio.run(make_topics(bootstrap, {topic: 4}))
    runs: dict[str, list[dict[str, float]]] = {name: [] for name, _, _ in WAYS}
    for _ in range(rounds):
        for name, way, python in WAYS:
            runs[name].append(run_script(python, "sink.py", bootstrap, topic, str(COUNT), way))
    return [
        Figure(
            name,
            "",
            statistics.median(r["n"] / r["cpu"] for r in found),
            statistics.median(r["n"] / r["wall"] for r in found),
            int(max(r["peak_bytes"] for r in found)),
            found,
        )
        for name, found in runs.items()
    ]
