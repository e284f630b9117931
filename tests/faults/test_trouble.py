"""The step raises: one record or one country pays, the partition goes on, and a restart changes nothing of that."""

from __future__ import annotations

import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from aiokafka import AIOKafkaProducer

from streams.kafka.client import TopicReader
from streams.records import Rejected
from tests.faults.fleet import Fleet, Running
from tests.faults.oracle import contents, kept
from tests.faults.toy import ToyMachine

pytestmark = pytest.mark.integration


@pytest.fixture
async def fleet(bootstrap: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(bootstrap, tmp_path, partitions=1, worker={"snapshot_bytes": 100_000_000})
    await fleet.make_topics()
    yield fleet
    fleet.close()


async def write(fleet: Fleet, *values: bytes) -> int:
    """Write records in their order; returns the first one's offset."""
    async with AIOKafkaProducer(bootstrap_servers=fleet.bootstrap) as producer:
        sent = [await producer.send(fleet.settings.topics.probes, value, partition=0) for value in values]
        return int((await sent[0]).offset)


def good(count: int, cell: bytes = b"c") -> list[bytes]:
    return [b"%s%d,%d,1.5" % (cell, i % 7, i) for i in range(count)]


async def state(fleet: Fleet) -> ToyMachine:
    topic = fleet.settings.topics.checkpoints
    machine, _, _ = await kept(TopicReader(fleet.settings.kafka), topic, 0, ToyMachine)
    assert isinstance(machine, ToyMachine)
    return machine


def figure(running: Running, series: str) -> float:
    with urllib.request.urlopen(f"http://127.0.0.1:{running.port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return float(next(line for line in lines if line.startswith(f"{series} ")).split()[-1])


@pytest.mark.parametrize(
    "before", [40, 3000], ids=["written while it is applied", "written after it is applied"]
)
async def test_a_record_at_which_the_step_raises_is_set_aside(fleet: Fleet, before: int) -> None:
    await write(fleet, *good(before))
    offset = await write(fleet, b"poison,1,1.0", *good(500, b"d"))
    running = fleet.start()
    await fleet.wait_for_log(running, "a record is set aside")
    await fleet.wait_until_done()
    rejected = await contents(TopicReader(fleet.settings.kafka), fleet.settings.topics.rejected)
    records = [msgspec.json.decode(value or b"", type=Rejected) for _, value in rejected]
    assert {(record.reason, record.offset, record.value) for record in records} == {
        ("step_failed", offset, b"poison,1,1.0")
    }
    assert figure(running, 'netdusk_step_failures_total{remedy="set_aside"}') == 1
    assert figure(running, 'netdusk_records_total{result="rejected"}') == 1
    first = await state(fleet)
    assert first.totals["applied"] + first.totals["duplicate"] == before + 500
    running.kill()
    again = fleet.start()
    await fleet.wait_for_log(again, "partition restored")
    await write(fleet, *good(10, b"e"))
    await fleet.wait_until_done()
    assert (await state(fleet)).totals["applied"] == first.totals["applied"] + 10
    assert "the step raised" not in again.log.read_text()


async def test_where_closing_a_window_raises_one_country_is_begun_anew(fleet: Fleet) -> None:
    await write(fleet, *good(300), b"wreck,1,1.0", *good(100, b"d"))
    running = fleet.start()
    await fleet.wait_until_done()
    await write(fleet, b"close,1,1.0", *good(50, b"e"))
    await fleet.wait_for_log(running, "state is begun anew")
    await fleet.wait_until_done()
    assert "countries=['wreck']" in running.log.read_text()
    assert figure(running, 'netdusk_step_failures_total{remedy="begin_country_anew"}') == 1
    kept_now = await state(fleet)
    assert "wreck" not in kept_now.cells
    assert kept_now.cells["c0"].n > 10
    assert {"close", "d0", "e0"} <= set(kept_now.cells)
    running.kill()
    again = fleet.start()
    await fleet.wait_for_log(again, "partition restored")
    await write(fleet, b"close,2,1.0")
    await fleet.wait_until_done()
    assert "the step raised" not in again.log.read_text()
