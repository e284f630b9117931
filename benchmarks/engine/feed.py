"""Results at a steady pace, as many vantages write them: a process of its own, beside the worker that is measured.

Each monitor (a vantage at a platform) tells once a minute. First every monitor tells once, as fast as it goes, and
`warm` is printed; from then on the pace is kept, in small batches every twentieth of a second: that is how results of
many producers reach a broker. It ends when its standard input does. A fall takes one platform of every third country
away, every ten windows.

Usage: python -m benchmarks.engine.feed BOOTSTRAP TOPIC PARTITIONS CELLS RATE [WINDOW_SECONDS CALM_WINDOWS]
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import BatchBuilder

from benchmarks.engine.load import OUTAGE_WINDOWS, stamp
from producers.countries import COUNTRIES
from producers.partitions import partition_of

VANTAGES = 10
_SLICE_SECONDS = 0.05
_BATCH_BYTES = 256 * 1024


@dataclass(frozen=True)
class Monitors:
    """Who tells: `cells` platforms in networks of countries, each seen from ten vantages."""

    cells: int
    partitions: int

    def all(self) -> list[tuple[int, bytes, bytes, bool]]:
        """Partition, key, the fixed members of a result, and whether it is of a platform that falls."""
        platforms = 5 if self.cells <= 100_000 else 50
        countries = sorted(COUNTRIES)[: min(240, max(1, self.cells // (platforms * 5)))]
        networks = -(-self.cells // (platforms * len(countries)))
        monitors = []
        for place, country in enumerate(countries):
            key = country.encode()
            partition = partition_of(country, self.partitions)
            for network in range(networks):
                for platform in range(platforms):
                    for vantage in range(VANTAGES):
                        fixed = (
                            b'"platform":"p%02d","country":"%s","asn":%d,"vantage":"%s-%d-%d","simulated":true,'
                            b'"control_ok":true,'
                            % (platform, key, 1000 + network, key.lower(), network, vantage)
                        )
                        monitors.append((partition, key, fixed, platform == 0 and place % 3 == 0))
        random.Random(1).shuffle(monitors)
        return monitors[: self.cells * VANTAGES]


def result(number: int, fixed: bytes, now: bytes, roll: float, *, fallen: bool) -> bytes:
    """One ProbeResult of some 250 bytes."""
    if roll < (0.95 if fallen else 0.03):
        how = b'"ok":false,"stage":"tls","failure":"connection_reset"'
    else:
        how = b'"ok":true,"timings_ms":{"ttfb":%d.5,"total":%d.5},"bytes":51200' % (
            40 + roll * 60,
            140 + roll * 60,
        )
    return b'{"schema":"netdusk.probe/1","id":"01HMK3%010d","time":"%s",%s%s}' % (number, now, fixed, how)


class Feed:
    """Writes results into the topic. A partition has one batch on its way; what comes meanwhile goes with the next.

    Attributes
    ----------
    sent
        Results so far.
    """

    def __init__(self, producer: AIOKafkaProducer, topic: str) -> None:
        self.sent = 0
        self._producer = producer
        self._topic = topic
        self._batches: dict[int, BatchBuilder] = {}
        self._on_their_way: dict[int, asyncio.Future[object]] = {}
        self._dice = random.Random(2)

    async def put(
        self, monitor: tuple[int, bytes, bytes, bool], now: bytes, *, falling: bool = False
    ) -> None:
        """One result, into its partition's batch; where that is full, once it is sent."""
        partition, key, fixed, falls = monitor
        value = result(self.sent, fixed, now, self._dice.random(), fallen=falling and falls)
        batch = self._batches.get(partition)
        if batch is None or batch.append(key=key, value=value, timestamp=None) is None:
            if batch is not None:
                await self._send(partition)
            batch = self._batches[partition] = self._producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
        self.sent += 1

    async def flush(self) -> None:
        """Send the batches of partitions that have none on its way."""
        for partition in list(self._batches):
            before = self._on_their_way.get(partition)
            if before is None or before.done():
                await self._send(partition)

    async def settle(self) -> None:
        """Send everything, and wait until all of it is acknowledged."""
        for partition in list(self._batches):
            await self._send(partition)
        await asyncio.gather(*self._on_their_way.values())

    async def _send(self, partition: int) -> None:
        before = self._on_their_way.pop(partition, None)
        if before is not None:
            await before
        batch = self._batches.pop(partition)
        future = await self._producer.send_batch(batch, self._topic, partition=partition)
        self._on_their_way[partition] = asyncio.ensure_future(future)


async def main(arguments: list[str]) -> None:
    """Feed, and print what was sent."""
    bootstrap, topic = arguments[:2]
    partitions, cells, rate = (int(text) for text in arguments[2:5])
    window, calm = (int(text) for text in arguments[5:7]) if len(arguments) > 5 else (60, 1_000_000)
    monitors = Monitors(cells, partitions).all()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", compression_type="lz4", max_batch_size=_BATCH_BYTES
    )
    await producer.start()
    feed = Feed(producer, topic)
    try:
        for monitor in monitors:
            await feed.put(monitor, stamp(datetime.now(UTC)))
        await feed.settle()
        print(json.dumps({"warm": feed.sent}), flush=True)
        await _paced(feed, monitors, rate, window, calm)
        await feed.settle()
    finally:
        await producer.stop()
    print(json.dumps({"sent": feed.sent}), flush=True)


async def _paced(
    feed: Feed, monitors: list[tuple[int, bytes, bytes, bool]], rate: int, window: int, calm: int
) -> None:
    ended = asyncio.create_task(asyncio.to_thread(sys.stdin.read))
    began, due = time.monotonic(), 0
    while not ended.done():
        passed = time.monotonic() - began
        now = stamp(datetime.now(UTC))
        windows = int(passed / window) - calm
        falling = windows >= 0 and windows % (2 * OUTAGE_WINDOWS) < OUTAGE_WINDOWS
        until = int(rate * (passed + _SLICE_SECONDS))
        for number in range(due, until):
            await feed.put(monitors[number % len(monitors)], now, falling=falling)
        due = until
        await feed.flush()
        await asyncio.sleep(max(0.0, began + due / rate - time.monotonic()))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
