"""The way to a real Kafka: compressed, keyed, in order; and a broker that is killed and comes back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Literal
from uuid import uuid4

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, TopicPartition
from kafka.admin import NewTopic

from producers.probe.kafka_sender import KafkaSender
from producers.probe.sink import Dropped, SendError, Sink
from producers.probe.spool import Spool
from producers.records import ProbeResult, VantagePresence, VantageStatus, decode
from streams.kafka.options import producer_options
from streams.settings import KafkaSettings
from tests.faults.brokers import OwnBroker
from tests.producers.probe import servers
from tests.producers.probe.servers import answer, serving
from tests.producers.probe.test_command import ended, probe

pytestmark = pytest.mark.integration

WAIT_SECONDS = 120.0  # far more than needed: only a broken sink takes so long
CODECS = {"lz4": 3, "zstd": 4, "gzip": 1, "none": 0}  # Kafka's record batch, attributes, lowest three bits


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """A broker that may be killed: not the one that the other tests share."""
    broker = OwnBroker(tmp_path_factory.mktemp("kafka"))
    broker.format()
    broker.start()
    asyncio.run(broker.wait())
    try:
        yield broker
    finally:
        broker.close()


def make_topic(bootstrap: str, partitions: int = 4) -> str:
    name = f"probes-{uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(name, partitions, 1)])
    finally:
        admin.close()
    return name


def make_sink(bootstrap: str, topic: str, spool: Path, compression: str = "lz4") -> Sink:
    kafka = KafkaSettings(bootstrap=bootstrap, compression=compression)  # type: ignore[arg-type]  # pydantic checks it
    connect = partial(KafkaSender, producer_options(kafka), topic, b"PK", ack_seconds=4.0)
    sink = Sink(connect, Spool(spool), backoff_seconds=(0.2,))
    sink.start()
    return sink


def read(bootstrap: str, topic: str) -> dict[int, list[tuple[bytes, bytes]]]:
    """Keys and values of all records, by partition, in their order."""
    consumer = KafkaConsumer(
        bootstrap_servers=bootstrap, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        places = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        ends = consumer.end_offsets(places)
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        found: dict[int, list[tuple[bytes, bytes]]] = {place.partition: [] for place in places}
        while any(consumer.position(place) < ends[place] for place in places):
            for place, records in consumer.poll(timeout_ms=500).items():
                found[place.partition] += [(record.key, record.value) for record in records]
        return found
    finally:
        consumer.close()


def numbered(start: int, end: int) -> list[bytes]:
    return [b'{"number":%06d,"padding":"%s"}' % (number, b"netdusk " * 20) for number in range(start, end)]


@pytest.mark.parametrize("compression", ["lz4", "zstd", "gzip", "none"])
def test_results_arrive_compressed_in_one_partition_in_order(
    own: OwnBroker, tmp_path: Path, compression: Literal["lz4", "zstd", "gzip", "none"]
) -> None:
    topic = make_topic(own.bootstrap)
    sink = make_sink(own.bootstrap, topic, tmp_path / "spool", compression)
    for value in numbered(0, 3000):
        assert sink.put(value)
    sink.close()
    found = read(own.bootstrap, topic)
    (partition,) = [number for number, records in found.items() if records]
    assert found[partition] == [(b"PK", value) for value in numbered(0, 3000)]
    assert sink.figures.sent == 3000
    log = b"".join(path.read_bytes() for path in sorted(own.folder.glob(f"node0/{topic}-{partition}/*.log")))
    assert log[22] & 0b111 == CODECS[compression]
    if compression != "none":
        assert len(log) < 3000 * len(numbered(0, 1)[0]) / 2


async def test_a_killed_broker_loses_nothing(own: OwnBroker, tmp_path: Path) -> None:
    """SIGKILL in the middle of sending, twice; results are measured all the while."""
    topic = await asyncio.to_thread(make_topic, own.bootstrap)
    sink = make_sink(own.bootstrap, topic, tmp_path / "spool")
    number = 0

    def measure(records: int) -> None:
        nonlocal number
        for value in numbered(number, number + records):
            assert sink.put(value)
        number += records

    async def until(what: Callable[[], bool]) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not what():
            assert time.monotonic() < end, f"{sink.figures}, {sink.spool_records} in the spool"
            await asyncio.sleep(0.05)

    def away() -> bool:
        return not sink.figures.broker_answers and sink.spool_records > 0

    def caught_up() -> bool:
        return sink.figures.broker_answers and sink.spool_records == 0 and sink.waiting == 0

    for _ in range(2):
        before = sink.figures.sent
        measure(2000)
        await until(lambda before=before: sink.figures.sent > before)  # type: ignore[misc]  # bound at once
        measure(5000)
        own.kill()
        measure(500)
        await until(away)
        measure(500)
        own.start()
        await own.wait()
        await until(caught_up)
    await asyncio.to_thread(sink.close)
    found = [
        value
        for records in (await asyncio.to_thread(read, own.bootstrap, topic)).values()
        for _, value in records
    ]
    assert list(dict.fromkeys(found)) == numbered(0, number), "all there, and none turned round"
    assert sum(sink.figures.dropped.values()) == 0


async def test_the_command_writes_what_it_measures(bootstrap: str, tmp_path: Path) -> None:
    topic = await asyncio.to_thread(make_topic, bootstrap)
    config = tmp_path / "netdusk.toml"
    config.write_text(f'[topics]\nprobes = "{topic}"\n[probe]\ncountry = "PK"\nasn = 17557\n')
    async with serving(servers.says(answer())) as good, serving(servers.resets) as bad:
        targets = tmp_path / "targets.toml"
        targets.write_text(
            f'[[target]]\nplatform = "youtube"\nurl = "http://127.0.0.1:{good}/"\nprivate = true\n'
            f'[[target]]\nplatform = "x"\nurl = "https://127.0.0.1:{bad}/"\nprivate = true\n'
        )
        code, _, err = await ended(
            await probe(
                *(
                    "--allow-private",
                    "--config",
                    str(config),
                    "--bootstrap",
                    bootstrap,
                    "--targets",
                    str(targets),
                ),
                *("--spool", str(tmp_path / "spool"), "--interval", "1", "--count", "6"),
            )
        )
    assert code == 0, err
    records = [
        (key, decode(value))
        for records in (await asyncio.to_thread(read, bootstrap, topic)).values()
        for key, value in records
    ]
    assert {key for key, _ in records} == {b"PK"}
    statuses = [record.status for _, record in records if isinstance(record, VantageStatus)]
    assert statuses == [VantagePresence.UP, VantagePresence.LEAVING]
    results = [record for _, record in records if isinstance(record, ProbeResult)]
    assert len(results) == 6
    for record in results:
        assert record.every_seconds == 1.0
        assert (record.country, record.asn, record.vantage) == ("PK", 17557, "pk-17557")
        assert record.ok == (record.platform == "youtube")
        assert record.ok or (record.stage, record.failure) == ("tls", "connection_reset")


def test_a_missing_topic_is_said_with_its_remedy(bootstrap: str) -> None:
    options = producer_options(KafkaSettings(bootstrap=bootstrap))
    with pytest.raises(SendError, match=r"topic 'nowhere': .*; `netdusk topics` makes it"):
        KafkaSender(options, "nowhere", b"PK")


def test_a_record_too_large_for_the_broker_is_set_aside(bootstrap: str, tmp_path: Path) -> None:
    """One beyond the client's bound and one beyond the topic's, among good ones."""
    name = f"probes-{uuid4().hex[:8]}"
    admin = KafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        admin.create_topics([NewTopic(name, 2, 1, topic_configs={"max.message.bytes": "20000"})])
    finally:
        admin.close()
    good = [b'{"n":%d}' % number for number in range(50)]
    large = [b"x" * 30_000, b"y" * 1_100_000]
    sink = make_sink(bootstrap, name, tmp_path, compression="none")
    for value in [*good[:25], *large, *good[25:]]:
        assert sink.put(value)
    sink.close()
    assert sink.figures.sent == len(good)
    assert sink.figures.dropped[Dropped.TOO_LARGE] == 2
    assert sorted((tmp_path / "set-aside.jsonl").read_bytes().split()) == sorted(large)
    values = [value for records in read(bootstrap, name).values() for _, value in records]
    assert sorted(values) == sorted(good)
