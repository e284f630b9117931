"""The live benchmark: its rows share nothing on the broker."""

from __future__ import annotations

from pathlib import Path

from benchmarks.engine.live import LiveWorker
from streams.kafka.topics import wanted
from streams.settings import load


def test_no_two_rows_share_a_topic(tmp_path: Path) -> None:
    one, other = (
        {
            topic.name
            for topic in wanted(load(LiveWorker("localhost:9092", tmp_path, partitions).config).topics)
        }
        for partitions in (8, 240)
    )
    assert len(one) == len(other) == len(wanted(load(None).topics))
    assert not one & other
