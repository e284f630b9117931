"""A worker that is to end: whether it waits for a broker, and what it says of what it waits for."""

from __future__ import annotations

import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP

from streams.app import worker_of
from streams.engine.ownership import MissingPartitionError
from streams.engine.partition import Partition
from streams.engine.process import leave_is_due
from streams.engine.worker import Worker
from streams.settings import Settings


@pytest.fixture
def worker() -> Worker:
    return worker_of(Settings())


def test_a_worker_without_partitions_and_broker_does_not_wait_for_it(worker: Worker) -> None:
    # Others wait until the group has heard of it.
    worker.closed = True
    assert [leave_is_due(worker, seconds) for seconds in (3.9, 4.0, 8.9, 9.0)] == [False, False, False, True]
    worker._around.presence.failed(KafkaConnectionError("nobody"))
    assert [leave_is_due(worker, seconds) for seconds in (3.9, 4.0)] == [False, True]
    # What is in hand may still be finished.
    worker.closed = False
    assert [leave_is_due(worker, seconds) for seconds in (4.0, 9.0)] == [False, True]
    worker.closed = True
    worker._around.presence.answered()
    assert not leave_is_due(worker, 4.0)


def test_readiness_says_why_a_partition_is_restored_again(worker: Worker) -> None:
    topic = worker.settings.topics.probes
    for number in (0, 1):
        place = TP(topic, number)
        partition = worker.partitions[place] = Partition(worker.pipelines[topic], place, worker._around)
        if number == 0:
            assert partition.why_restoring is None
        partition._note_failure(MissingPartitionError("topic checkpoints does not exist any more: make it"))
    worker.standing.assigned = True
    assert worker.standing.unready() == (
        f"restoring {topic}-0, {topic}-1\ntopic checkpoints does not exist any more: make it"
    )
