"""Ways to send: `sink.py BOOTSTRAP TOPIC COUNT kafka-python|aiokafka|send_batch|confluent`.

Records of 250 bytes, lz4, acks=all; done is when the last one is acknowledged.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator

from meter import Meter

bootstrap, topic, number, way = sys.argv[1:5]
count = int(number)
PARTITIONS = 4
TEXT = (
    b'{"schema":"netdusk.probe/1","id":"01HMK3%010d","time":"2024-03-04T00:00:08.805Z","platform":"x",'
    b'"country":"PK","asn":17557,"vantage":"pk-lhe-03","ok":true,"control_ok":true,'
    b'"timings_ms":{"ttfb":71.5,"total":171.5},"bytes":51200,"simulated":true}'
)
meter = Meter(count + 1)
meter.add(1)  # the clock starts here


def values() -> Iterator[tuple[int, bytes]]:
    for i in range(count):
        yield i % PARTITIONS, TEXT % i


def kafka_python() -> None:
    from kafka import KafkaProducer  # noqa: PLC0415  each way has its own client, in its own environment

    producer = KafkaProducer(bootstrap_servers=bootstrap, compression_type="lz4", acks="all", linger_ms=20)
    for partition, value in values():
        producer.send(topic, value, partition=partition)
    producer.flush()


async def aiokafka(batches: bool) -> None:
    from aiokafka import AIOKafkaProducer  # noqa: PLC0415

    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap,
        compression_type="lz4",
        acks="all",
        linger_ms=20,
        max_batch_size=256 * 1024 if batches else 64 * 1024,
    ) as producer:
        sent = []
        if not batches:
            for partition, value in values():
                sent.append(await producer.send(topic, value, partition=partition))
            await asyncio.gather(*sent)
            return
        open_batches = [producer.create_batch() for _ in range(PARTITIONS)]
        for partition, value in values():
            if open_batches[partition].append(key=None, value=value, timestamp=None) is None:
                sent.append(await producer.send_batch(open_batches[partition], topic, partition=partition))
                open_batches[partition] = producer.create_batch()
                open_batches[partition].append(key=None, value=value, timestamp=None)
        for partition, batch in enumerate(open_batches):
            sent.append(await producer.send_batch(batch, topic, partition=partition))
        await asyncio.gather(*sent)


def confluent() -> None:
    from confluent_kafka import Producer  # noqa: PLC0415

    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "acks": "all",
            "linger.ms": 20,
            "queue.buffering.max.messages": 1_000_000,
        }
    )
    for i, (partition, value) in enumerate(values()):
        producer.produce(topic, value, partition=partition)
        if i % 1000 == 0:
            producer.poll(0)
    producer.flush()


if way == "kafka-python":
    kafka_python()
elif way == "confluent":
    confluent()
else:
    asyncio.run(aiokafka(way == "send_batch"))
meter.add(count)
