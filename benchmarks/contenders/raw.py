"""aiokafka alone, with nothing done to a record, or with orjson: `raw.py BOOTSTRAP TOPIC COUNT [orjson]`."""

from __future__ import annotations

import asyncio
import sys
import uuid

import orjson
from aiokafka import AIOKafkaConsumer
from meter import Meter


async def main(bootstrap: str, topic: str, count: int, parse: bool) -> None:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=bootstrap, group_id=uuid.uuid4().hex, auto_offset_reset="earliest"
    )
    await consumer.start()
    meter = Meter(count)
    while True:
        for records in (await consumer.getmany(timeout_ms=500, max_records=1000)).values():
            if parse:
                for record in records:
                    orjson.loads(record.value)
            meter.add(len(records))


asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]), "orjson" in sys.argv[4:]))
