"""The engine on real Kafka, against an oracle: the same machine over the same log, without a broker in between.

After each of these the state is the oracle's bit for bit, every incident snapshot is on the topic, a repeated one is
the same bytes, and what became of the records adds up to what was written.
"""

from __future__ import annotations

import asyncio

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.client import TopicReader
from tests.faults.fleet import Fleet, applied, exact, status

pytestmark = pytest.mark.integration


async def test_a_checkpoint_that_the_broker_refuses(fleet: Fleet) -> None:
    """Too large for its topic: smaller chunks are tried until one fits."""
    fleet.topic_configs["checkpoints"] = {"max.message.bytes": "6000"}
    fleet.kafka["compression"] = "none"
    fleet.worker["snapshot_bytes"] = 100_000_000
    await fleet.make_topics()
    await fleet.write(6_000, cells=20)
    running = fleet.start()
    await exact(fleet)
    assert "MessageSizeTooLarge" in running.log.read_text()


async def test_missing_topics_are_named_and_waited_for(fleet: Fleet) -> None:
    await fleet.make_topics(("probes", "alerts", "rejected"))
    running = fleet.start()
    await fleet.write(500, cells=20)
    await fleet.wait_for_log(running, "checkpoints has 0 partitions, and needs 2")
    assert status(running.port, "/readyz")[0] == 503
    await fleet.make_topics(("checkpoints",))
    await exact(fleet)


async def test_a_damaged_checkpoint_stops_its_partition_alone_and_loudly(fleet: Fleet) -> None:
    await fleet.make_topics()
    await fleet.write(500)
    running = fleet.start()
    await fleet.wait_until_done()
    running.terminate()
    producer = AIOKafkaProducer(bootstrap_servers=fleet.bootstrap)
    async with producer:
        await producer.send_and_wait(fleet.settings.topics.checkpoints, b"rubbish", partition=0)
    await fleet.write(500, seed=1)
    running = fleet.start()
    await fleet.wait_for_log(running, "partition stopped")
    await fleet.wait_for_log(running, "partition restored")
    code, text = status(running.port, "/readyz")
    while "restoring" in text:  # the other partition is about to run
        await asyncio.sleep(0.05)
        code, text = status(running.port, "/readyz")
    assert code == 503
    assert f"{fleet.name}.probes-0 is stopped: checkpoint at offset" in text
    assert status(running.port, "/metrics")[0] == 200
    assert 'netdusk_partitions{state="stopped"} 1.0' in status(running.port, "/metrics")[1]


@pytest.mark.parametrize("on_gap", ["continue", "stop"])
async def test_a_retention_gap(fleet: Fleet, on_gap: str) -> None:
    """Results deleted before they were read: reported, counted, and survived as the setting says."""
    fleet.worker["on_gap"] = on_gap
    await fleet.make_topics()
    await fleet.write(1_000)
    running = fleet.start()
    await fleet.wait_until_done()
    running.terminate()
    await fleet.write(1_000, seed=1)
    reader = TopicReader(fleet.settings.kafka)
    probes = fleet.settings.topics.probes
    ends = {p: end for p, (_, end) in (await reader.bounds(probes, [0, 1])).items()}
    await reader.delete_before(probes, 0, ends[0] - 100)
    running = fleet.start()
    if on_gap == "stop":
        await fleet.wait_for_log(running, "worker.on_gap = continue goes on without them")
        return
    await fleet.write(100, seed=2)
    await fleet.wait_until_done()
    await fleet.wait_for_log(running, "retention gap")
    text = status(running.port, "/metrics")[1]
    found = next(
        line for line in text.splitlines() if line.startswith("netdusk_retention_gap_records_total ")
    )
    assert 300 < float(found.split()[1]) < 500


async def test_commits_are_what_faust_should_commit(fleet: Fleet) -> None:
    """The group's offsets end where the partitions end: lag can be read off them."""
    await fleet.make_topics()
    await fleet.write(3_000)
    fleet.start()
    await fleet.wait_until_done()
    probes = fleet.settings.topics.probes
    ends = {
        p: end for p, (_, end) in (await TopicReader(fleet.settings.kafka).bounds(probes, [0, 1])).items()
    }
    admin = AIOKafkaAdminClient(bootstrap_servers=fleet.bootstrap)
    await admin.start()
    try:
        for _ in range(100):
            offsets = await admin.list_consumer_group_offsets(fleet.settings.kafka.group)
            if {tp.partition: meta.offset for tp, meta in offsets.items()} == ends:
                break
            await asyncio.sleep(0.1)
        assert {tp.partition: meta.offset for tp, meta in offsets.items()} == ends
    finally:
        await admin.close()


async def test_record_by_record_where_the_chunk_transport_cannot_run(fleet: Fleet) -> None:
    """The way round for another version of Faust: slower, and as exact, kills included."""
    await fleet.make_topics()
    feed = asyncio.create_task(fleet.write(4_000, rate=400))
    for _ in range(3):
        running = fleet.start(TOY_PLAIN="1")
        await fleet.wait_for_log(running, "partition restored")
        await asyncio.sleep(0.5)
        running.kill()
    running = fleet.start(TOY_PLAIN="1")
    await feed
    await exact(fleet)
    assert "reading record by record" in running.log.read_text()


async def test_a_backlog_of_a_million_in_bounded_memory(fleet: Fleet) -> None:
    fleet.partitions = 4
    fleet.worker["snapshot_bytes"] = 16_000_000
    await fleet.make_topics()
    await fleet.write_many(1_000_000)
    running = fleet.start()
    await fleet.wait_for_log(running, "partition restored")
    before = running.rss()
    peak = 0
    done = asyncio.create_task(fleet.wait_until_done(180))
    while not done.done():
        peak = max(peak, running.rss())
        await asyncio.sleep(0.1)
    await done
    assert peak - before < 250 * 1024 * 1024
    await exact(fleet)


async def test_transactions_leave_no_holes_and_what_was_aborted_does_not_count(fleet: Fleet) -> None:
    """A transaction's marker takes an offset that holds no record; an open one holds back what follows, and is told."""
    await fleet.make_topics()
    running = fleet.start()
    probes = fleet.settings.topics.probes
    producer = AIOKafkaProducer(bootstrap_servers=fleet.bootstrap, transactional_id=fleet.name)
    async with producer:
        for i in range(30):
            await producer.begin_transaction()
            for j in range(20):
                await producer.send(probes, b"c%d,%d.%d,0.5" % (j, i, j), partition=j % 2)
            await (producer.abort_transaction() if i % 3 == 0 else producer.commit_transaction())
        assert await applied(running, 400) == 400
        await producer.begin_transaction()
        await producer.send_and_wait(probes, b"c0,open,0.5", partition=0)
        async with AIOKafkaProducer(bootstrap_servers=fleet.bootstrap) as other:
            await other.send_and_wait(probes, b"c0,behind,0.5", partition=0)
        await fleet.wait_for_log(running, "an open transaction holds records back")
        await producer.abort_transaction()
        assert await applied(running, 401) == 401
    assert "records are missing in between" not in running.log.read_text()
