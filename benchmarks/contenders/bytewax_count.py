"""Bytewax, counting by key in its state: `bytewax_count.py BOOTSTRAP TOPIC COUNT`."""

from __future__ import annotations

import sys
from typing import Any

import bytewax.operators as op
from bytewax.connectors.kafka import KafkaSource
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.testing import cluster_main
from meter import Meter

bootstrap, topic_name, count = sys.argv[1:4]
meter = Meter(int(count))


class _Sink(StatelessSinkPartition[Any]):
    def write_batch(self, items: list[Any]) -> None:
        meter.add(len(items))


class Counted(DynamicSink[Any]):
    def build(self, step_id: str, worker_index: int, worker_count: int) -> _Sink:
        return _Sink()


flow = Dataflow("bench")
records = op.input("in", flow, KafkaSource([bootstrap], [topic_name], batch_size=1000))
keyed = op.key_on("key", records, lambda record: record.key.decode())
counted = op.stateful_map("count", keyed, lambda state, _: ((state or 0) + 1, None))
op.output("out", counted, Counted())
cluster_main(flow, [], 0)
