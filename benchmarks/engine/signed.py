"""What signatures cost a whole worker on Kafka: `python -m benchmarks.engine.signed [ROUNDS]`.

The same results in bundles of 500 and of 50, unsigned under `registered` and signed under `signed`, in turns. Each
vantage has a key of its own. Results a CPU second of the worker, on a backlog.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from aiokafka import AIOKafkaProducer

from benchmarks.engine.load import STARTED, Shape, stamp, tick
from benchmarks.engine.throughput import Topic, make_topics, run_script, worker_config
from producers.bundles import Signer, bundle, new_key
from streams.kafka.client import TopicReader
from streams.records import Vantage, encode
from streams.settings import Settings, load
from tests.faults.brokers import OwnBroker

PARTITIONS = 4
COUNTRIES = ("PK", "IN", "BD", "LK", "NP", "IR", "UG", "KE")
NETWORKS = 10
PLATFORMS = 10
MINUTES = 20
#: In a minute a vantage asks each platform so often: 500 results.
TIMES = 50


@dataclass(frozen=True)
class Kind:
    """How results are written."""

    size: int
    signed: bool


KINDS = tuple(Kind(size, signed) for size in (500, 50) for signed in (False, True))


@dataclass(frozen=True)
class Teller:
    """A vantage with its key."""

    country: str
    asn: int
    signer: Signer

    @property
    def name(self) -> str:
        return f"{self.country.lower()}-{self.asn}"

    @property
    def entry(self) -> Vantage:
        return Vantage(
            vantage=self.name,
            country=self.country,
            asn=self.asn,
            public_key=self.signer.public_key,
            since=STARTED - timedelta(days=1),
        )

    def lines(self, minute: int) -> list[bytes]:
        """Its results of a minute."""
        made = []
        for time in range(TIMES):
            at = stamp(STARTED + timedelta(minutes=minute, seconds=time))
            made += [
                b'{"schema":"netdusk.probe/1","id":"01HMK3%04d%02d%02d","time":"%s","platform":"p%d","country":"%s",'
                b'"asn":%d,"vantage":"%s","target":"https://www.example.org/","control_ok":true,"ok":true,'
                b'"timings_ms":{"ttfb":41.5,"total":140.5},"bytes":51200}'
                % (minute, time, p, at, p, self.country.encode(), self.asn, self.name.encode())
                for p in range(PLATFORMS)
            ]
        return made


TELLERS = [
    Teller(country, 1000 + 100 * place + network, Signer(new_key()[0]))
    for place, country in enumerate(COUNTRIES)
    for network in range(NETWORKS)
]
RESULTS = len(TELLERS) * MINUTES * TIMES * PLATFORMS


def log(kind: Kind) -> Iterator[tuple[int, bytes, bytes, list[tuple[str, bytes]]]]:
    """Partition, key, value and headers, in the order of the log."""
    for minute in range(MINUTES):
        # No result of the minute is late by this clock, nor ahead of it.
        for partition in range(PARTITIONS):
            yield partition, b"tick", tick(STARTED + timedelta(minutes=minute, seconds=25)), []
        for teller in TELLERS:
            lines = teller.lines(minute)
            for first in range(0, len(lines), kind.size):
                value = bundle(teller.name, lines[first : first + kind.size])
                headers = teller.signer.headers(value) if kind.signed else []
                yield COUNTRIES.index(teller.country) % PARTITIONS, teller.country.encode(), value, headers
    for partition in range(PARTITIONS):
        yield partition, b"tick", tick(STARTED + timedelta(minutes=MINUTES + 2)), []


async def write(bootstrap: str, kind: Kind) -> Topic:
    """Make and fill a topic; the number is that of its records."""
    name = f"signed-{uuid4().hex[:6]}"
    await make_topics(bootstrap, {name: PARTITIONS})
    producer = AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        acks="all",
        compression_type="lz4",
        max_batch_size=512 * 1024,
        linger_ms=20,
    )
    await producer.start()
    records, sent = 0, []
    try:
        for partition, key, value, headers in log(kind):
            sent.append(await producer.send(name, value, key, partition=partition, headers=headers))
            records += 1
        await asyncio.gather(*sent)
    finally:
        await producer.stop()
    return Topic(name, Shape(RESULTS, 1, partitions=PARTITIONS), records)


async def enrol(bootstrap: str, topic: str) -> None:
    """Write the register."""
    await make_topics(bootstrap, {topic: 1})
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    await producer.start()
    try:
        for teller in TELLERS:
            await producer.send_and_wait(topic, encode(teller.entry), teller.name.encode())
    finally:
        await producer.stop()


def rate(bootstrap: str, topic: Topic, kind: Kind, register: str, folder: Path) -> float:
    """Results a CPU second of a worker that reads all of it."""
    config = worker_config(bootstrap, topic, folder)
    text = config.read_text().replace("[topics]\n", f'[topics]\nvantages = "{register}"\n')
    policy = "signed" if kind.signed else "registered"
    # Chunks alike, or the one would write more checkpoints.
    text += f'chunk_records = {max(64, 32_000 // kind.size)}\n[trust]\npolicy = "{policy}"\nresults_max = 1000000\n'
    config.write_text(text)
    python = Path(sys.executable)
    warm = topic.records // 10
    found = run_script(python, "netdusk_worker.py", str(config), str(topic.records), str(warm))
    told = load(config)
    assert isinstance(told, Settings)
    windows, refused = asyncio.run(written(told))
    if not windows or refused:
        raise RuntimeError(f"{windows} windows were told, and {refused} results refused")
    return found["n"] / topic.records * RESULTS / found["cpu"]


async def written(settings: Settings) -> list[int]:
    """How many windows a worker has told, and how many refused records."""
    reader = TopicReader(settings.kafka)
    topics = (settings.topics.windows, settings.topics.rejected)
    return [
        sum(end - start for start, end in (await reader.bounds(topic, list(range(PARTITIONS)))).values())
        for topic in topics
    ]


def measure(bootstrap: str, folder: Path, rounds: int) -> None:
    """Print each round, and the medians."""
    register = f"register-{uuid4().hex[:6]}"
    asyncio.run(enrol(bootstrap, register))
    topics = {kind: asyncio.run(write(bootstrap, kind)) for kind in KINDS}
    turns = []
    for number in range(rounds):
        turn = {kind: rate(bootstrap, topics[kind], kind, register, folder) for kind in KINDS}
        turns.append(turn)
        print(f"round {number + 1}:", *(f"{one:,.0f}" for one in turn.values()), flush=True)
    for size in (500, 50):
        unsigned, signed = Kind(size, signed=False), Kind(size, signed=True)
        ratios = sorted(turn[signed] / turn[unsigned] for turn in turns)
        print(
            f"{size} a bundle: {statistics.median(turn[unsigned] for turn in turns):,.0f} unsigned, "
            f"{statistics.median(turn[signed] for turn in turns):,.0f} signed, {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
        )


def main() -> None:
    """Measure on a Kafka of its own."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    with tempfile.TemporaryDirectory(prefix="netdusk-signed-") as name:
        broker = OwnBroker(Path(name), heap="512m")
        broker.format()
        broker.start()
        try:
            asyncio.run(broker.wait())
            measure(broker.bootstrap, Path(name), rounds)
        finally:
            broker.close()


if __name__ == "__main__":
    main()
