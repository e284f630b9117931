"""On real Kafka: an incident that is open goes on with another release, other settings, or without checkpoints."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.client import TopicReader
from streams.machine import Chunk
from streams.records import Incident, Status, decode
from streams.settings import load
from streams.step.country import CountryMachine
from tests.contracts.golden import gist
from tests.faults.evening import Item, evening, write
from tests.faults.fleet import Fleet
from tests.faults.test_country_engine import FAST, OWN, WORKER

pytestmark = pytest.mark.integration

LATER = (sys.executable, "-m", "tests.faults.later_worker", *WORKER[1:])
STEP = 50


@cache
def log() -> tuple[list[Item], int]:
    """A calm evening in one partition, and how much of it there is shortly after the first incident was opened."""
    items = evening(1, calm=True)
    machine = CountryMachine(load(worker={"clock": "replay"}, trust={"policy": "open"}))
    for place in range(0, len(items), STEP):
        if told_by(machine, items[place : place + STEP], place):
            return items, place + 8 * STEP
    raise AssertionError("nothing happens")


def told_by(machine: CountryMachine, items: list[Item], first: int = 0) -> list[Incident]:
    values = [value for _, _, value in items]
    return machine.apply(machine.read(Chunk("p", 0, range(first, first + len(values)), values))).incidents


@pytest.fixture
async def fleet(bootstrap: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    made = Fleet(
        bootstrap, tmp_path, partitions=1, command=WORKER, worker={"clock": "replay"}, kafka=dict(FAST)
    )
    await made.make_topics(("probes", *OWN))
    yield made
    made.close()


async def told(fleet: Fleet) -> list[Incident]:
    """All that stands on the alerts topic, in its order."""
    reader, topic = TopicReader(fleet.settings.kafka), fleet.settings.topics.alerts
    start, end = (await reader.bounds(topic, [0]))[0]
    records = [decode(value) async for _, value in reader.read(topic, 0, start, end) if value is not None]
    return [record for record in records if isinstance(record, Incident)]


async def until_open(fleet: Fleet) -> list[Incident]:
    """Run the worker until an incident is open and everything written is decided."""
    items, half = log()
    fleet.start()
    fleet.written += await write(fleet.bootstrap, fleet.settings.topics.probes, items[:half], 1)
    await fleet.wait_until_done()
    deadline = time.monotonic() + 30
    while not (records := await told(fleet)):
        assert time.monotonic() < deadline, "nothing was told"
        await asyncio.sleep(0.1)
    assert records[-1].status is not Status.RESOLVED
    return records


async def the_rest(fleet: Fleet, command: tuple[str, ...], **environment: str) -> list[Incident]:
    """Let another worker take over, and decide the rest of the evening."""
    items, half = log()
    other = replace(fleet, command=command)
    other.start(**environment)
    fleet.written += await write(fleet.bootstrap, fleet.settings.topics.probes, items[half:], 1)
    await fleet.wait_until_done()
    await asyncio.sleep(0.5)  # what the last chunk brings is sent once it is written down
    return await told(fleet)


def whole(records: list[Incident]) -> dict[str, list[Incident]]:
    """By incident, each numbered from 1 without a gap, opened once."""
    by_id: dict[str, list[Incident]] = defaultdict(list)
    for record in records:
        by_id[record.id].append(record)
    for name, mine in by_id.items():
        assert [record.seq for record in mine] == list(range(1, len(mine) + 1)), name
        assert [record.status for record in mine].count(Status.OPEN) == 1, name
    return by_id


@pytest.mark.parametrize("end", ["stopped", "killed"])
async def test_a_later_release_goes_on_with_the_incident(fleet: Fleet, end: str) -> None:
    before = await until_open(fleet)
    (worker,) = fleet.workers
    if end == "killed":
        worker.kill()
    else:
        await asyncio.to_thread(worker.terminate)
    records = await the_rest(fleet, LATER)
    assert records[: len(before)] == before
    assert whole(records)[before[0].id][-1].status is Status.RESOLVED
    items, _ = log()
    undisturbed = told_by(CountryMachine(load(worker={"clock": "replay"}, trust={"policy": "open"})), items)
    assert gist(records) == gist(undisturbed)
    assert records[-1].detector.version.startswith("later than ")


@pytest.mark.parametrize(
    "settings",
    [
        {"NETDUSK_DETECTION__ALARM_COUNTRY": "24.0", "NETDUSK_DETECTION__ALARM_NETWORK": "60.0"},
        {"NETDUSK_DETECTION__ALARM_COUNTRY": "5.0", "NETDUSK_INCIDENTS__HOLD_WINDOWS": "0"},
        {"NETDUSK_DETECTION__ALARM_COUNTRY": "1e9", "NETDUSK_DETECTION__ALARM_NETWORK": "1e9"},
    ],
    ids=["slower", "hastier", "deaf"],
)
async def test_changed_settings_go_on_with_the_incident(fleet: Fleet, settings: dict[str, str]) -> None:
    before = await until_open(fleet)
    fleet.workers[0].kill()
    records = await the_rest(fleet, WORKER, **settings)
    assert records[: len(before)] == before
    by_id = whole(records)
    for name in {record.id for record in before}:
        statuses = [record.status for record in by_id[name]]
        assert statuses.count(Status.RESOLVED) == 1
        assert statuses[-1] is Status.RESOLVED
    first = before[0]
    same = [mine[0] for mine in by_id.values() if mine[0].country == first.country]
    assert [one.id for one in same if set(one.platforms) & set(first.platforms)] == [first.id]


async def delete_topic(fleet: Fleet, role: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.bootstrap)
    await admin.start()
    name = f"{fleet.name}.{role}"
    await admin.delete_topics([name])
    while name in await admin.list_topics():
        await asyncio.sleep(0.1)
    await admin.close()


@pytest.mark.parametrize("left", ["from the middle", "nothing"])
async def test_without_checkpoints_and_with_a_source_that_was_cut_it_ends(fleet: Fleet, left: str) -> None:
    """What led to it is gone from both topics: it ends when results are good again, and a kill loses it not."""
    before = await until_open(fleet)
    fleet.workers[0].kill()
    _, half = log()
    await delete_topic(fleet, "checkpoints")
    await fleet.make_topics(("checkpoints",))
    probes = fleet.settings.topics.probes
    _, end = (await TopicReader(fleet.settings.kafka).bounds(probes, [0]))[0]
    await TopicReader(fleet.settings.kafka).delete_before(
        probes, 0, end if left == "nothing" else half - 2 * STEP
    )
    second = fleet.start()
    await fleet.wait_for_log(second, "incidents that were told as open go on")
    await fleet.wait_for_log(second, "partition restored")
    second.kill()
    records = await the_rest(fleet, WORKER)
    assert records[: len(before)] == before
    mine = [record for record in records if record.id == before[0].id]
    assert [record.seq for record in mine] == list(range(1, len(mine) + 1))
    statuses = [record.status for record in mine]
    assert statuses.count(Status.OPEN) == 1
    assert statuses.count(Status.RESOLVED) == 1
    assert statuses[-1] is Status.RESOLVED
