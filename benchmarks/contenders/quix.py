"""Quix Streams, counting by key in its state: `quix.py BOOTSTRAP TOPIC COUNT`."""

from __future__ import annotations

import sys
import tempfile
import uuid

from meter import Meter
from quixstreams import Application, State

bootstrap, topic_name, count = sys.argv[1:4]
app = Application(
    broker_address=bootstrap,
    consumer_group=uuid.uuid4().hex,
    auto_offset_reset="earliest",
    state_dir=tempfile.mkdtemp(prefix="bench-quix-"),
    loglevel="ERROR",
)
meter = Meter(int(count))


def step(value: bytes, state: State) -> bytes:
    state.set("n", state.get("n", 0) + 1)
    meter.add(1)
    return value


stream = app.dataframe(app.topic(topic_name, value_deserializer="bytes", key_deserializer="str"))
stream.apply(step, stateful=True)
app.run()
