"""The whole worker: decode, validate, detect, checkpoint, send. `netdusk_worker.py CONFIG COUNT [WARM]`.

The clock starts after WARM records: by then every series has been seen once. A record is done when it is in the
checkpoint log and what it brought about is acknowledged: where its partition stands.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from meter import Meter

from streams.app import worker_of
from streams.engine.process import run
from streams.engine.worker import Worker
from streams.settings import load


async def measure(worker: Worker, meter: Meter) -> None:
    """Look now and then how far the partitions of the probes topic are."""
    topic = worker.settings.topics.probes
    warm = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    while True:
        await asyncio.sleep(0.02)
        partitions = list(worker.partitions.items())
        done = sum(partition.next or 0 for tp, partition in partitions if tp.topic == topic)
        if done > max(meter.seen, warm):
            meter.add(done - meter.seen)


worker = worker_of(load(Path(sys.argv[1])))
jobs = worker.jobs
worker.jobs = lambda: [*jobs(), measure(worker, Meter(int(sys.argv[2])))]  # type: ignore[method-assign]
run(worker)
