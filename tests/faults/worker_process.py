"""A worker around the toy machine, as a process of its own, to be killed. Settings come from NETDUSK_CONFIG.

Usage: python -m tests.faults.worker_process
"""

from __future__ import annotations

import dataclasses
import os
import random

import structlog

from streams.engine.process import run
from streams.engine.surroundings import Pipeline
from streams.engine.worker import Worker
from streams.settings import load
from tests.faults.toy import ToyMachine

#: The steps of a chunk's way at which TOY_CRASH may end the process: `step:probability`.
STEPS = (
    "before_rejects",
    "after_rejects",
    "delta_in_flight",
    "delta_written",
    "mid_after",
    "after_sent",
    "snapshot_part",
    "restoring",
)


def arm(wanted: str) -> None:
    """End the process with os._exit (no cleanup, as SIGKILL) at a step of the chunk's way, now and then."""
    from streams.engine import checkpoint, ownership, sender

    step, chance = wanted.split(":")
    assert step in STEPS, step
    dice = random.Random(os.getpid())

    def boom(at: str) -> None:
        if at == step and dice.random() < float(chance):
            os._exit(9)

    real_send = sender.Sender.send
    real_delta = checkpoint.CheckpointLog.append_delta
    real_part = checkpoint.CheckpointLog.append_part
    real_replay = ownership.RestoredPartition._replay

    async def send(self, messages):  # type: ignore[no-untyped-def]
        before = bool(messages) and messages[0].topic == "rejected"
        if before:
            boom("before_rejects")
            await real_send(self, messages)
            boom("after_rejects")
            return
        if len(messages) > 1:
            await real_send(self, messages[:1])
            boom("mid_after")
            await real_send(self, messages[1:])
        else:
            await real_send(self, messages)
        boom("after_sent")

    async def append_delta(self, start, next_offset, batch, *, skipped=0):  # type: ignore[no-untyped-def]
        if step == "delta_in_flight" and dice.random() < float(chance):
            record = checkpoint.Delta(
                self.owner, self.epoch, self._seq, start, next_offset, self.settings, batch, skipped
            )
            await self._producer.send(self.topic, checkpoint.encode(record), partition=self.partition)
            import asyncio

            await asyncio.sleep(dice.random() * 0.01)
            os._exit(9)
        written = await real_delta(self, start, next_offset, batch, skipped=skipped)
        boom("delta_written")
        return written

    async def append_part(self, index, pieces, crc, next_offset):  # type: ignore[no-untyped-def]
        offset = await real_part(self, index, pieces, crc, next_offset)
        boom("snapshot_part")
        return offset

    async def replay(self, machine, deltas):  # type: ignore[no-untyped-def]
        outbox = await real_replay(self, machine, deltas)
        boom("restoring")
        return outbox

    sender.Sender.send = send  # type: ignore[method-assign]
    ownership.RestoredPartition._replay = replay  # type: ignore[method-assign]
    checkpoint.CheckpointLog.append_delta = append_delta  # type: ignore[method-assign]
    checkpoint.CheckpointLog.append_part = append_part  # type: ignore[method-assign]


def main() -> None:
    structlog.configure(
        processors=[structlog.processors.TimeStamper("iso"), structlog.dev.ConsoleRenderer(colors=False)]
    )
    if "TOY_PART_BYTES" in os.environ:
        from streams.engine import checkpoint, snapshots

        size = int(os.environ["TOY_PART_BYTES"])
        snapshots.split = lambda snapshot: checkpoint.split(snapshot, size)  # type: ignore[assignment]
    if "TOY_CRASH" in os.environ:
        arm(os.environ["TOY_CRASH"])
    settings = load()
    pipeline = Pipeline(settings.topics.probes, settings.topics.checkpoints, ToyMachine)
    if settings.worker.clock == "replay":
        pipeline = dataclasses.replace(pipeline, ticks=False)
    worker = Worker(settings, [pipeline], chunks=False if "TOY_PLAIN" in os.environ else None)
    run(worker, loglevel=os.environ.get("TOY_LOG", "WARNING"))


if __name__ == "__main__":
    main()
