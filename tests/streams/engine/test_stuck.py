"""A partition is stuck that has work at hand and does none; one that had nothing to do is not."""

from __future__ import annotations

from faust.types import TP

from streams.app import worker_of
from streams.engine.batches import KafkaRecord, RecordBatch, UnreadChunk
from streams.engine.partition import Partition, PartitionState
from streams.settings import Settings


def test_what_comes_after_a_long_silence_is_no_work_left_undone() -> None:
    """The broker was away, or the process was stopped for minutes: `/healthz` failed at the first records after it."""
    worker = worker_of(Settings())
    topic = worker.settings.topics.probes
    partition = Partition(worker.pipelines[topic], TP(topic, 0), worker._around)
    partition.phase = PartitionState.RUNNING
    partition._moved_at -= 200.0
    assert partition.stuck(120.0) is None
    for offset in (0, 1):
        record = KafkaRecord(offset, b"{}", 0, 0)
        partition.offer(UnreadChunk(partition.tp, offset, [RecordBatch.of([record])]))
        # The second one finds the first still there: it is none the younger for that.
        assert (partition.stuck(120.0) is None) == (offset == 0)
        partition._moved_at -= 200.0
    assert f"{partition.name} is running without progress" in (partition.stuck(120.0) or "")
