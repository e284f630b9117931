"""From the record that decides to the incident that it brings about, as a reader of the topic sees it.

1,000 results a second reach a whole worker (`netdusk worker`, a checkpoint a chunk). Event time runs sixty times as
fast as the clock, so that a window closes every second: what a detector has to wait for by its nature (the window and
the lateness) is left out, as the time is taken from the tick that closes the window.
"""

from __future__ import annotations

import asyncio
import bisect
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import numpy as np
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer

from benchmarks.engine.load import CALM_WINDOWS, LATENESS_SECONDS, Shape, log
from benchmarks.engine.throughput import ROOT, Topic, make_topics, worker_config
from streams.settings import load

RATE = 1000
SHAPE = Shape(records=0, cells=1000, vantages=1, outage_every=60, networks_least=5)
WARM_WINDOWS = CALM_WINDOWS  # as fast as they go, before the clock starts


@dataclass(frozen=True)
class Latency:
    """Milliseconds from the tick's sending to the incident's arrival."""

    samples: int
    p50: float
    p99: float
    most: float


def run(
    bootstrap: str,
    folder: Path,
    *,
    seconds: int = 150,
    beside: Callable[[Path], AbstractContextManager[object]] = nullcontext,
) -> Latency:
    """Measure for so many seconds. `beside` is given the worker's settings, and open meanwhile."""
    shape = replace(SHAPE, records=(WARM_WINDOWS + seconds) * SHAPE.a_window)
    name = f"bench-latency-{uuid4().hex[:6]}"
    asyncio.run(make_topics(bootstrap, {name: shape.partitions}))
    config = worker_config(bootstrap, Topic(name, shape, 0), folder)
    command = [str(Path(sys.executable).parent / "netdusk"), "worker", "--config", str(config)]
    with (folder / "latency-worker.log").open("wb") as out:
        worker = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=subprocess.STDOUT)
        try:
            with beside(config):
                return asyncio.run(_measure(bootstrap, name, shape, load(config).topics.alerts))
        finally:
            worker.terminate()
            worker.wait(20)


async def _measure(bootstrap: str, topic: str, shape: Shape, alerts: str) -> Latency:
    ticks: dict[int, list[tuple[datetime, float]]] = defaultdict(
        list
    )  # of each partition: its time, when sent
    arrived: list[tuple[dict[str, str], float]] = []
    consumer = AIOKafkaConsumer(
        alerts, bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=100
    )
    await consumer.start()

    async def listen() -> None:
        while True:
            record = await consumer.getone()
            arrived.append((orjson.loads(record.value), time.monotonic()))

    listening = asyncio.create_task(listen())
    try:
        begin = await _feed(bootstrap, topic, shape, ticks)
        await asyncio.sleep(3)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)
        await consumer.stop()
    partition_of = {country: i % shape.partitions for i, country in enumerate(shape.countries)}
    delays = []
    for incident, at in arrived:
        if not incident["country"]:
            continue  # the view over countries reads another topic first
        sent = ticks[partition_of[incident["country"]]]
        due = datetime.fromisoformat(incident["updated"]) + timedelta(seconds=LATENESS_SECONDS)
        i = bisect.bisect_left([moment for moment, _ in sent], due)
        if i < len(sent) and sent[i][1] >= begin:
            delays.append((at - sent[i][1]) * 1000)
    if len(delays) < 20:
        raise RuntimeError(f"only {len(delays)} incidents to measure: the load opens too few")
    return Latency(
        len(delays), float(np.percentile(delays, 50)), float(np.percentile(delays, 99)), max(delays)
    )


async def _feed(
    bootstrap: str, topic: str, shape: Shape, ticks: dict[int, list[tuple[datetime, float]]]
) -> float:
    """Send; gives when the paced part began."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all", compression_type="lz4")
    await producer.start()
    warm = WARM_WINDOWS * shape.a_window
    sent = 0
    begin = 0.0
    try:
        for partition, key, value in log(shape):
            if partition is None:
                moment = datetime.fromisoformat(orjson.loads(value)["time"])
                for to in range(shape.partitions):
                    await producer.send(topic, value, partition=to)
                    ticks[to].append((moment, time.monotonic()))
                continue
            sent += 1
            if sent == warm:
                await producer.flush()
                await asyncio.sleep(10)  # the worker catches up
                begin = time.monotonic()
            await producer.send(topic, value, key=key, partition=partition)
            if sent > warm and sent % 10 == 0:
                ahead = begin + (sent - warm) / RATE - time.monotonic()
                if ahead > 0:
                    await asyncio.sleep(ahead)
    finally:
        await producer.stop()
    return begin
