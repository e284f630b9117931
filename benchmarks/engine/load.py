"""The topic that everybody reads: 250-byte ProbeResults, with the ticks between them, spread over partitions.

A made world and nothing more: countries of five platforms and twenty networks, three results in a hundred failing, and
every country losing one platform for ten minutes at a time of its own, so that incidents come out. It says
`simulated`.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from producers.countries import COUNTRIES

STARTED = datetime(2024, 3, 4, tzinfo=UTC)
WINDOW_SECONDS = 60
LATENESS_SECONDS = 30
PLATFORMS = ("x", "facebook", "instagram", "youtube", "whatsapp")
OUTAGE_WINDOWS = 10
CALM_WINDOWS = 20  # before the first outage
_BATCH_BYTES = 256 * 1024
_FAILURES = (b'"tls","failure":"connection_reset"', b'"dns","failure":"dns_nxdomain_error"')


@dataclass(frozen=True)
class Shape:
    """How the results are spread: `cells` series, each seen from `vantages` places once a minute.

    A cell is a platform in a network of a country: up to twenty networks a country, more where `cells` needs them.
    The results end with a tick that closes their last window.
    """

    records: int
    cells: int
    vantages: int = 10
    partitions: int = 4
    seed: int = 1
    outage_every: int = 1_000_000  # windows from one outage of a country to its next
    networks_least: int = 20

    @property
    def networks(self) -> int:
        """Networks in each country."""
        return max(self.networks_least, -(-self.cells // (len(PLATFORMS) * 240)))

    @property
    def countries(self) -> list[str]:
        """Countries, in a fixed order; country i is in partition i modulo `partitions`."""
        need = -(-self.cells // (len(PLATFORMS) * self.networks))
        return sorted(COUNTRIES)[:need]

    @property
    def a_window(self) -> int:
        """Results a window."""
        return self.cells * self.vantages


def stamp(at: datetime) -> bytes:
    """RFC 3339 with milliseconds."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.").encode() + b"%03dZ" % (at.microsecond // 1000)


def tick(at: datetime) -> bytes:
    """A clock reading."""
    return b'{"schema":"netdusk.tick/1","time":"%s"}' % stamp(at)


def log(shape: Shape) -> Iterator[tuple[int | None, bytes, bytes]]:
    """Partition (None: a tick, for every one), key and value, in the order of the log; `records` results."""
    dice = random.Random(shape.seed)
    cells = [
        (country, platform, 1000 + at * 100 + network)
        for at, country in enumerate(shape.countries)
        for platform in PLATFORMS
        for network in range(shape.networks)
    ][: shape.cells]
    place = {country: i for i, country in enumerate(shape.countries)}
    sent = window = 0
    quarter = max(1, shape.a_window // 4)  # a tick every fifteen seconds
    while sent < shape.records:
        start = STARTED + timedelta(seconds=WINDOW_SECONDS * window)
        order = 0
        for vantage in range(shape.vantages):
            for country, platform, asn in cells:
                if sent == shape.records:
                    yield None, b"", tick(start + timedelta(seconds=WINDOW_SECONDS + LATENESS_SECONDS))
                    return
                now = start + timedelta(seconds=WINDOW_SECONDS * order / shape.a_window)
                if order % quarter == 0:
                    yield None, b"", tick(now)
                    stamps = [stamp(now + timedelta(milliseconds=dice.randrange(15_000))) for _ in range(50)]
                order += 1
                at = place[country]
                since = window - CALM_WINDOWS - at % 40
                down = (
                    platform == PLATFORMS[at % 5]
                    and since >= 0
                    and since % shape.outage_every < OUTAGE_WINDOWS
                )
                roll = dice.random()
                if roll < (0.9 if down else 0.03):
                    how = b'false,"stage":' + (_FAILURES[0] if down else _FAILURES[sent & 1])
                else:
                    how = b'true,"timings_ms":{"ttfb":%d.5,"total":%d.5},"bytes":%d' % (
                        40 + roll * 60,
                        140 + roll * 60,
                        51_200,
                    )
                value = (
                    b'{"schema":"netdusk.probe/1","id":"01HMK3%010d","time":"%s","platform":"%s","country":"%s",'
                    b'"asn":%d,"vantage":"%s-%04d-%02d","simulated":true,"control_ok":true,"ok":%s}'
                    % (
                        sent,
                        stamps[sent % 50],
                        platform.encode(),
                        country.encode(),
                        asn,
                        country.lower().encode(),
                        asn,
                        vantage,
                        how,
                    )
                )
                yield at % shape.partitions, country.encode(), value
                sent += 1
        window += 1
    yield None, b"", tick(STARTED + timedelta(seconds=WINDOW_SECONDS * window + LATENESS_SECONDS))


async def fill(bootstrap: str, topic: str, shape: Shape, *, extra: dict[str, int] | None = None) -> int:
    """Make the topic (and others, by name and partitions) and write it; gives the number of records on it."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = {topic: shape.partitions, **(extra or {})}
        await admin.create_topics([NewTopic(name, count, 1) for name, count in topics.items()])
    finally:
        await admin.close()
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap, acks="all", compression_type="lz4", max_batch_size=_BATCH_BYTES
    )
    await producer.start()
    written = 0
    pending: list[asyncio.Future[object]] = []
    try:
        batches = {p: producer.create_batch() for p in range(shape.partitions)}

        async def put(partition: int, key: bytes, value: bytes) -> None:
            nonlocal written
            if batches[partition].append(key=key, value=value, timestamp=None) is None:
                pending.append(await producer.send_batch(batches[partition], topic, partition=partition))
                batches[partition] = producer.create_batch()
                batches[partition].append(key=key, value=value, timestamp=None)
            written += 1

        for partition, key, value in log(shape):
            for to in range(shape.partitions) if partition is None else (partition,):
                await put(to, key or b"tick", value)
        for partition, batch in batches.items():
            pending.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*pending)
    finally:
        await producer.stop()
    return written
