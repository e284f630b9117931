"""Revocations and new keys while partitions go to and fro between two workers: what was refused once stays refused.
And entries that come while the topic is widened: whoever has one is heard in the partition to which their country went.

Real Kafka, policy `signed`. Every vantage signs a bundle a second for as long as it lasts, revoked ones too. Workers
are killed and started meanwhile, so that each change of the register meets a restore.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections import defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions

from producers.bundles import KEY_HEADER, Signer, bundle, new_key
from producers.partitions import partition_of
from producers.records import ProbeResult, Reason
from producers.records import encode as encode_probe
from streams.kafka.client import TopicReader
from streams.records import Rejected, Vantage, VantageState, Window, decode, encode
from tests.effort import times
from tests.faults.fleet import Fleet, Running
from tests.faults.test_country_engine import FAST, WORKER

pytestmark = pytest.mark.integration

PARTITIONS = 3
WIDENED = 7
#: One of each partition, and one more.
COUNTRIES = ("PK", "IN", "UG", "IR")
ACTS = times(4)
OF_TRUST = {
    Reason.UNKNOWN_KEY,
    Reason.REVOKED_KEY,
    Reason.BAD_SIGNATURE,
    Reason.REPLAYED,
    Reason.WRONG_SPEAKER,
}


@dataclass
class Vantages:
    """Those who sign, each in one place with the key that it was given first."""

    register: AIOKafkaProducer
    topic: str
    dice: random.Random
    signers: dict[str, Signer] = field(default_factory=dict)
    entries: dict[str, Vantage] = field(default_factory=dict)
    #: Keys that are not good any more.
    ended: set[str] = field(default_factory=set)
    #: Of the topic, as those who measure know it.
    partitions: int = PARTITIONS

    async def enrol(self, name: str, *, state: VantageState = VantageState.ACTIVE) -> None:
        """Enrol one with a fresh key, which takes the place of the one before, or revoke it."""
        country, asn = COUNTRIES[int(name[1:]) % len(COUNTRIES)], 100 + int(name[1:])
        before = self.entries.get(name)
        signer = Signer(new_key()[0])
        if before is not None:
            self.ended.add(self.signers[name].key_id)
        key = signer.public_key if state is VantageState.ACTIVE or before is None else before.public_key
        entry = Vantage(
            vantage=name, country=country, asn=asn, public_key=key, state=state, since=datetime.now(UTC)
        )
        await self.register.send_and_wait(self.topic, encode(entry), name.encode())
        self.entries[name] = entry
        if before is None:
            self.signers[name] = signer


async def measure(vantages: Vantages, producer: AIOKafkaProducer, topic: str) -> None:
    """Have all of them sign a bundle a second, for ever."""
    number = 0
    while True:
        for name, signer in list(vantages.signers.items()):
            entry, now = vantages.entries[name], datetime.now(UTC)
            number += 1
            result = ProbeResult(
                id=f"{number}",
                time=now,
                platform="x",
                country=entry.country,
                asn=entry.asn,
                vantage=name,
                ok=True,
            )
            value = bundle(name, [encode_probe(result)])
            await producer.send(
                topic,
                value,
                entry.country.encode(),
                partition=partition_of(entry.country.encode(), vantages.partitions),
                headers=signer.headers(value),
            )
        await asyncio.sleep(1)


@pytest.fixture
async def fleet(bootstrap: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    fleet = Fleet(
        bootstrap,
        tmp_path,
        partitions=PARTITIONS,
        command=WORKER,
        worker={"tick_seconds": 1.0},
        kafka=dict(FAST),
        sections={"trust": {"policy": "signed", "name_small_networks": True}},
    )
    fleet.sections["topics"] = {"vantages": f"{fleet.name}.vantages"}
    yield fleet
    fleet.close()


async def test_what_was_refused_once_stays_refused_however_partitions_move(fleet: Fleet) -> None:
    dice = random.Random(7)
    await fleet.make_topics(("probes", "checkpoints", "alerts", "rejected", "windows"))
    await fleet.make_topics(("health", "calendar", "world_checkpoints", "vantages"), partitions=1)
    producer = AIOKafkaProducer(bootstrap_servers=fleet.bootstrap, acks="all")
    await producer.start()
    vantages = Vantages(producer, fleet.settings.topics.vantages, dice)
    topic = fleet.settings.topics.probes
    try:
        for number in range(12):
            await vantages.enrol(f"v{number}")
        workers = [fleet.start(), fleet.start()]
        await fleet.wait_for_log(workers[0], "partition restored")
        measuring = asyncio.create_task(measure(vantages, producer, topic))
        await asyncio.sleep(5)
        names = dice.sample(sorted(vantages.signers), ACTS)
        for act, name in enumerate(names):
            key = vantages.signers[name].key_id
            await vantages.enrol(name, state=VantageState.REVOKED if act % 2 == 0 else VantageState.ACTIVE)
            # As soon as one worker knows, it goes: the other one may not know yet.
            partition = partition_of(vantages.entries[name].country.encode(), PARTITIONS)
            await refused_once(fleet, key, partition)
            number = owner_of(workers, f"{topic}-{partition}")
            await asyncio.to_thread(workers[number].terminate)
            await asyncio.sleep(dice.uniform(4.0, 6.0))
            workers[number] = fleet.start()
            await fleet.wait_for_log(workers[number], "serving")
            await asyncio.sleep(dice.uniform(3.0, 6.0))
        await asyncio.sleep(15)
        measuring.cancel()
        await fleet.wait_until_done()
    finally:
        await producer.stop()
    await asyncio.sleep(2)
    wrong = await look(fleet, vantages)
    assert wrong == []


async def test_a_topic_is_widened_amid_enrolments_and_revocations(fleet: Fleet) -> None:
    dice = random.Random(8)
    await fleet.make_topics(("probes", "checkpoints", "alerts", "rejected", "windows"))
    await fleet.make_topics(("health", "calendar", "world_checkpoints", "vantages"), partitions=1)
    topics = fleet.settings.topics
    producer = AIOKafkaProducer(bootstrap_servers=fleet.bootstrap, acks="all")
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.bootstrap)
    await producer.start()
    await admin.start()
    vantages = Vantages(producer, topics.vantages, dice)
    try:
        for number in range(12):
            await vantages.enrol(f"v{number}")
        worker = fleet.start()
        await fleet.wait_for_log(worker, "partition restored")
        measuring = asyncio.create_task(measure(vantages, producer, topics.probes))
        await asyncio.sleep(5)
        for number in range(12, 24):
            await vantages.enrol(f"v{number}")
            if number % 4 == 0:
                await vantages.enrol(f"v{number - 12}", state=VantageState.REVOKED)
            if number == 16:
                for topic in (topics.checkpoints, topics.rejected, topics.windows, topics.probes):
                    await admin.create_partitions({topic: NewPartitions(total_count=WIDENED)})
                fleet.partitions = WIDENED
            if number == 19:
                await producer.client.force_metadata_update()
                vantages.partitions = WIDENED
            await asyncio.sleep(dice.uniform(0.5, 2.0))
        await fleet.wait_for_log(worker, f"partition={topics.probes}-{WIDENED - 1}", timeout=90)
        due = {(entry.country, entry.asn) for entry in vantages.entries.values()}
        due -= {
            (one.country, one.asn) for one in vantages.entries.values() if one.state is VantageState.REVOKED
        }
        # A window is told half a minute after its end.
        heard: set[tuple[str, int]] = set()
        for _ in range(150):
            heard = await heard_lately(fleet)
            if heard == due:
                break
            await asyncio.sleep(1)
        assert heard == due
        measuring.cancel()
        await fleet.wait_until_done()
    finally:
        await admin.close()
        await producer.stop()
    await asyncio.sleep(2)
    # Whoever is enrolled while a worker runs is not known for a few seconds.
    assert [one for one in await look(fleet, vantages) if not one.endswith(Reason.UNKNOWN_KEY)] == []


async def heard_lately(fleet: Fleet) -> set[tuple[str, int]]:
    """Which networks have results in the newest window of each country."""
    reader, topic = TopicReader(fleet.settings.kafka), fleet.settings.topics.windows
    newest: dict[str, Window] = {}
    for partition, (start, end) in (await reader.bounds(topic, list(range(WIDENED)))).items():
        async for _, value in reader.read(topic, partition, start, end):
            window = decode(value or b"")
            assert isinstance(window, Window)
            if window.country not in newest or newest[window.country].start <= window.start:
                newest[window.country] = window
    return {(one.country, asn) for one in newest.values() for asn, n in zip(one.asn, one.n, strict=True) if n}


def owner_of(workers: list[Running], partition: str) -> int:
    """Who of them restored a partition last."""
    restored = [
        re.findall(
            rf"(\S+ \S+) .*partition restored .*partition={re.escape(partition)}\b", one.log.read_text()
        )
        for one in workers
    ]
    return max(range(len(workers)), key=lambda number: max(restored[number], default=""))


async def refused_once(fleet: Fleet, key: str, partition: int) -> None:
    """Wait until the owner of a partition has refused something for being of this key."""
    reader, topic = TopicReader(fleet.settings.kafka), fleet.settings.topics.rejected
    for _ in range(150):
        bounds = await reader.bounds(topic, list(range(PARTITIONS)))
        for place, (start, end) in bounds.items():
            async for _, value in reader.read(topic, place, max(start, end - 50), end):
                record = decode(value or b"")
                if isinstance(record, Rejected) and key in record.detail and record.partition == partition:
                    return
        await asyncio.sleep(0.1)
    raise AssertionError(f"{key} was never refused")


async def look(fleet: Fleet, vantages: Vantages) -> list[str]:
    """What was taken of a key that had been refused before, and what was refused of the others."""
    reader, topics = TopicReader(fleet.settings.kafka), fleet.settings.topics
    refused: dict[tuple[int, int], str] = {}
    for partition in range(vantages.partitions):
        start, end = (await reader.bounds(topics.rejected, [partition]))[partition]
        async for _, value in reader.read(topics.rejected, partition, start, end):
            record = decode(value or b"")
            assert isinstance(record, Rejected)
            refused[record.partition, record.offset] = record.reason
    by_key: dict[str, list[tuple[tuple[int, int], str | None]]] = defaultdict(list)
    for partition in range(vantages.partitions):
        start, end = (await reader.bounds(topics.probes, [partition]))[partition]
        async for one in reader.records(topics.probes, partition, start, end):
            key = dict(one.headers).get(KEY_HEADER)
            if key is not None:
                by_key[key.decode()].append((one.offset, refused.get((partition, one.offset))))
    wrong: list[str] = []
    for key, fates in by_key.items():
        reasons = [
            reason if reason in OF_TRUST else None for _, reason in sorted(fates, key=lambda fate: fate[0])
        ]
        if key not in vantages.ended:
            wrong += [f"{key} is good, and was refused: {reason}" for reason in reasons if reason]
            continue
        first = next((i for i, reason in enumerate(reasons) if reason == Reason.REVOKED_KEY), None)
        if first is None:
            wrong.append(f"{key} was never refused, of {len(reasons)} records")
        else:
            taken = sum(reason is None for reason in reasons[first:])
            wrong += [f"{key}: {taken} were taken of {len(reasons) - first} after it was refused"] * (
                taken > 0
            )
    assert set(by_key) >= vantages.ended
    return wrong
