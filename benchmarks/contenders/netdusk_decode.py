"""netdusk's way in and nothing after it: from chunks to columns. `netdusk_decode.py BOOTSTRAP TOPIC COUNT`."""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import uuid
from typing import Any

import faust
from meter import Meter

from streams.engine.transport import ChunkSchema, ChunkTransport
from streams.step.rows import RowReader

bootstrap, topic_name, count = sys.argv[1:4]
meter = Meter(int(count))
columns = RowReader()


class App(faust.App):
    def _new_transport(self) -> Any:
        return ChunkTransport(self.conf.broker_consumer, self)


app = App(
    uuid.uuid4().hex,
    broker=f"kafka://{bootstrap}",
    web_enabled=False,
    broker_max_poll_records=8000,  # as the worker has it
    consumer_auto_offset_reset="earliest",
    topic_disable_leader=True,
    topic_allow_declare=False,
    datadir=tempfile.mkdtemp(prefix="bench-netdusk-"),
)


@app.agent(app.topic(topic_name, schema=ChunkSchema(), value_serializer="raw"))
async def decode(stream: Any) -> None:
    async for chunk in stream:
        for piece in chunk.pieces():
            columns.read(piece.values)
        meter.add(len(chunk))
        await asyncio.sleep(0)


async def opened(app: Any, **_: Any) -> None:
    for tp in app.consumer.assignment():
        app.consumer.open_gate(tp)


app.on_rebalance_complete.connect(opened)
gc.freeze()
gc.set_threshold(100_000, 20, 20)  # as the worker has it
sys.argv = ["faust", "worker", "--without-web", "-l", "error"]
app.main()
