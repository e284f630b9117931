"""The whole worker: decode, validate, detect, checkpoint, send. `netdusk_worker.py CONFIG COUNT [WARM]`.

The clock starts after WARM records: by then every series has been seen once. A record is done when it is in the
checkpoint log and what it brought about is acknowledged: where its partition stands.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

from meter import Meter

from streams.engine.worker import Worker, run
from streams.settings import load


class Measured(Worker):
    """Looks now and then how far the partitions of the probes topic are."""

    async def watch(self) -> None:
        """Measure beside what else is watched."""
        await asyncio.gather(super().watch(), self.measure(Meter(int(sys.argv[2]))))

    async def measure(self, meter: Meter) -> None:
        topic = self.settings.topics.probes
        warm = int(sys.argv[3]) if len(sys.argv) > 3 else 0
        while True:
            await asyncio.sleep(0.02)
            at = sum(held.next or 0 for tp, held in list(self.partitions.items()) if tp.topic == topic)
            if at > max(meter.seen, warm):
                meter.add(at - meter.seen)


run(Measured(load(Path(sys.argv[1]))))
