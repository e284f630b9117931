"""The real machine's input: the scenario of Pakistan's evening, and countries where nothing happens beside it.

The same evening strikes two countries of six, half an hour apart; too few to be worldwide. On the way to the topic
everything goes wrong that may.

Made anew from a seed; in the order in which a topic would have it, ticks between, `simulated` all through.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError
from msgspec.structs import replace

from producers.failures import Failure, Stage
from producers.partitions import partition_of
from producers.records import ProbeResult, Tick, encode
from producers.simulated.scenario import pakistan
from streams.records import Incident, Kind
from streams.settings import TimeSettings
from streams.step.ticks import with_ticks
from tests.streams.step import hostile
from tests.streams.step.hostile import KINDS

STRUCK = ("PK", "NP")
CALM = ("KE", "LK", "FR", "IN")  # with the struck ones they fill three partitions, two in each
DELAY_SECONDS = 20.0  # below the lateness: order within it changes nothing
JUNK: tuple[bytes, ...] = (
    b"{",
    b"\xff\xfe\x00",
    b"[]",
    b'{"schema":"netdusk.probe/9"}',
    b'{"schema":"netdusk.probe/1","id":"a","time":"2024-01-20T12:00:00Z","platform":"x","country":"ZZ","asn":1,'
    b'"vantage":"v","ok":true}',
    b'{"schema":"netdusk.probe/1","id":"a","time":"1970-01-01T00:00:00Z","platform":"x","country":"PK","asn":1,'
    b'"vantage":"v","ok":true}',
    b'{"schema":"netdusk.probe/1","id":"a","time":"2100-01-01T00:00:00Z","platform":"x","country":"PK","asn":1,'
    b'"vantage":"v","ok":true}',
    b'{"schema":"netdusk.probe/1","id":"a","time":"2024-01-20T12:00:00Z","platform":"x","country":"PK","asn":NaN,'
    b'"vantage":"v","ok":true}',
    b'{"schema":"netdusk.probe/1","deep":' + b"[" * 40 + b"]" * 40 + b"}",
    b'{"schema":"netdusk.probe/1","pad":"' + b"x" * 70_000 + b'"}',
)

Item = tuple[int | None, bytes, bytes]
#: The first result of the first evening, and what follows: one evening a day.
FIRST = datetime(2024, 1, 20, 11, 40, tzinfo=UTC)
DEAF_AFTER = timedelta(minutes=70)
BLOCKED = ("KE", "x")
#: Of four evenings: a block in this country, of this platform, begins on the second, and ends before the fourth.
BLOCK_AFTER, BLOCK_UNTIL, BLOCK_EVERY = (
    timedelta(days=1, hours=3),
    timedelta(days=2, hours=14),
    timedelta(days=4),
)
#: When all of a country's results of an evening have come, and when those of the next one begin.
NIGHT = (timedelta(hours=7, minutes=10), timedelta(days=1))
#: When the scenario's own evening strikes, and when it is over.
STRIKES = (timedelta(hours=2), timedelta(hours=6, minutes=50))
#: By so much an onset may be off.
OFF = timedelta(minutes=12)


def in_block(country: str, platform: str, moment: datetime) -> bool:
    """Whether a platform is blocked there then, in evenings with `blocks`."""
    return (country, platform) == BLOCKED and BLOCK_AFTER <= (moment - FIRST) % BLOCK_EVERY < BLOCK_UNTIL


def evening(
    partitions: int,
    *,
    seed: int = 0,
    pace: float = 0.25,
    calm: bool = False,
    number: int = 0,
    deaf_minutes: int = 0,
    blocks: bool = False,
) -> list[Item]:
    """Partition (None: a tick, for all of them), key and value of each record.

    `number` counts evenings, one a day: they can follow each other on one topic.

    `calm` leaves out what goes wrong: the same incidents must come of both. For `deaf_minutes`, nothing comes of any
    country. With `blocks`, one calm country has a block of a day and a half from the second evening of four on.
    """
    dice = random.Random(seed)
    results: list[ProbeResult] = []
    for i, country in enumerate(STRUCK + CALM):
        shift = timedelta(days=number, minutes=30 * i if country in STRUCK else 0)
        found = pakistan(
            seed + i, evenings=["2024-01-20"], history_hours=2.0, after_hours=0.5, probes_per_minute=pace
        )
        for result in found:
            moved = replace(
                result,
                id=f"{country}{number}{result.id}",
                country=country,
                region=None,
                time=result.time + shift,
            )
            if country in CALM:
                moved = replace(moved, ok=True, stage=None, failure=None)
            if blocks and in_block(country, moved.platform, moved.time):
                moved = replace(
                    moved, ok=False, stage=Stage.TLS, failure=Failure.CONNECTION_RESET, control_ok=True
                )
            results.append(moved)
    begin = FIRST + timedelta(days=number)
    deaf = (begin + DEAF_AFTER, begin + DEAF_AFTER + timedelta(minutes=deaf_minutes))
    results = [result for result in results if not deaf[0] <= result.time < deaf[1]]
    moments = {
        result.id: result.time + timedelta(seconds=dice.random() * DELAY_SECONDS) for result in results
    }
    results.sort(key=lambda result: result.time if calm else moments[result.id])
    items: list[Item] = []
    later: list[tuple[int, Item]] = []
    for record in with_ticks(iter(results), TimeSettings()):
        if isinstance(record, Tick):
            items.append((None, b"", encode(record)))
            continue
        key = record.country.encode()
        place = partition_of(key, partitions)
        items.append((place, key, encode(record)))
        if calm:
            continue
        roll = dice.random()
        if roll < 0.01:
            items.append((place, key, encode(record)))  # a producer's retry
        elif roll < 0.02:
            late = replace(record, id=f"late{record.id}")
            later.append((len(items) + 3000, (place, key, encode(late))))  # minutes later
        elif roll < 0.03:
            future = replace(record, id=f"future{record.id}", time=record.time + timedelta(hours=2))
            items.append((place, key, encode(future)))
        elif roll < 0.04:
            items.append((place, key, dice.choice(JUNK)))
        elif roll < 0.05:
            kind = KINDS[dice.choice(sorted(KINDS))]
            items.append((place, key, kind(dice, hostile.good(dice, len(items), record.time))))
        while later and later[0][0] <= len(items):
            items.append(later.pop(0)[1])
    return items


def may_be_told(incident: Incident) -> bool:
    """Whether there is such a loss in evenings with `blocks`: that country, then."""
    country = incident.country or ""
    shift = timedelta(minutes=30 * STRUCK.index(country)) if country in STRUCK else timedelta()
    within = incident.onset - FIRST - shift
    of_day = within % timedelta(days=1)
    if incident.kind is Kind.CONNECTIVITY:
        return NIGHT[0] <= of_day < NIGHT[1]  # nobody's results come then, and time goes on
    if set(incident.platforms) == {BLOCKED[1]} and country == BLOCKED[0]:
        return in_block(*BLOCKED, incident.onset + OFF)
    return country in STRUCK and STRIKES[0] - OFF <= of_day < STRIKES[1]


async def write(bootstrap: str, topic: str, items: list[Item], partitions: int) -> int:
    """Put it onto the topic, each record once however often it has to be sent; gives the number of records."""
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        enable_idempotence=True,
        linger_ms=5,
        max_batch_size=256 * 1024,
    )
    written = 0
    while True:
        try:
            await producer.start()
            break
        except KafkaError:
            await asyncio.sleep(0.2)
    try:
        pending = []
        for partition, key, value in items:
            for to in _places(partition, partitions):
                pending.append(await producer.send(topic, value, key=key or None, partition=to))
                written += 1
            if len(pending) > 5000:
                for sent in pending:
                    await sent
                pending.clear()
        for sent in pending:
            await sent
    finally:
        await producer.stop()
    return written


def _places(partition: int | None, partitions: int) -> Iterator[int]:
    yield from range(partitions) if partition is None else (partition,)
