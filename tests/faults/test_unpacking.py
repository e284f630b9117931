"""A batch that takes too much room, on real Kafka: it is left out, alone in its fetch too, and the worker reads on."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer

from streams.engine.unpacking import UNPACKED_BYTES_MAX
from tests.faults.fleet import Fleet

pytestmark = pytest.mark.integration


@pytest.fixture
async def fleet(bootstrap: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(bootstrap, tmp_path, partitions=1)
    await fleet.make_topics()
    yield fleet
    fleet.close()


POISON = {
    "unpacks to too much": (bytes(UNPACKED_BYTES_MAX + 1), 0),
    "has too many headers": (b"c1,9,1.5", 500_000),
}


async def write(fleet: Fleet, value: bytes, headers: int = 0) -> None:
    async with AIOKafkaProducer(
        bootstrap_servers=fleet.bootstrap, compression_type="zstd", max_request_size=2 * UNPACKED_BYTES_MAX
    ) as producer:
        await producer.send_and_wait(
            fleet.settings.topics.probes, value, partition=0, headers=[("", b"")] * headers
        )


@pytest.mark.parametrize("value, headers", POISON.values(), ids=POISON)
async def test_a_batch_that_takes_too_much_is_left_out(fleet: Fleet, value: bytes, headers: int) -> None:
    await write(fleet, b"c1,1,1.5")
    running = fleet.start()
    await fleet.wait_until_done(60)
    await write(fleet, value, headers)
    await fleet.wait_for_log(running, "records are left out", 60)
    await fleet.wait_until_done(60)
    await write(fleet, b"c1,2,1.5")
    await fleet.wait_until_done(60)
    again = fleet.start()
    running.terminate()
    await write(fleet, b"c1,3,1.5")
    await fleet.wait_until_done(60)
    assert again.process.poll() is None
