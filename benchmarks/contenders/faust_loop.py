"""Faust as its documentation writes it: `faust_loop.py BOOTSTRAP TOPIC COUNT PARTITIONS each|take|table`.

The values are raw bytes, so that `each` and `take` do nothing at all to a record; `table` counts by key.
"""

from __future__ import annotations

import sys
import tempfile
import uuid

import faust
from meter import Meter

bootstrap, topic_name, count, partitions, mode = sys.argv[1:6]
app = faust.App(
    uuid.uuid4().hex,
    broker=f"kafka://{bootstrap}",
    topic_partitions=int(partitions),
    web_enabled=False,
    consumer_auto_offset_reset="earliest",
    topic_disable_leader=True,
    datadir=tempfile.mkdtemp(prefix="bench-faust-"),
)
topic = app.topic(
    topic_name,
    key_type=bytes,
    key_serializer="raw",
    value_type=bytes,
    value_serializer="raw",
    partitions=int(partitions),
)
meter = Meter(int(count))

if mode == "each":

    @app.agent(topic)
    async def each(stream: faust.StreamT) -> None:
        async for _ in stream:
            meter.add(1)

elif mode == "take":

    @app.agent(topic)
    async def take(stream: faust.StreamT) -> None:
        async for values in stream.take(1000, within=1.0):
            meter.add(len(values))

else:
    counts = app.Table("counts", default=int, partitions=int(partitions))

    @app.agent(topic)
    async def table(stream: faust.StreamT) -> None:
        async for key, _ in stream.items():  # noqa: PERF102  a stream has no `keys`
            counts[key.decode()] += 1
            meter.add(1)


sys.argv = ["faust", "worker", "--without-web", "-l", "error"]
app.main()
