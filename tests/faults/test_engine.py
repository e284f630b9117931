"""The engine on real Kafka, against an oracle: the same machine over the same log, without a broker in between.

After each of these the state is the oracle's bit for bit, every incident snapshot is on the topic, a repeated one is
the same bytes, and what became of the records adds up to what was written.
"""

from __future__ import annotations

import asyncio
import random
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient

from streams.kafka.client import TopicReader
from tests.faults.brokers import OwnBroker, free_port
from tests.faults.fleet import Fleet, Running
from tests.faults.proxy import Proxy
from tests.faults.worker_process import STEPS

pytestmark = pytest.mark.integration

#: A group that notices a death within 1.5 s (the default is 6 s): the tests wait for it many times.
FAST = {"session_timeout_seconds": 1.5, "heartbeat_seconds": 0.4}


@pytest.fixture
async def fleet(bootstrap: str, tmp_path: Path) -> AsyncIterator[Fleet]:
    """Two partitions, quick failover, a snapshot every 100 kB of log."""
    fleet = Fleet(bootstrap, tmp_path, worker={"snapshot_bytes": 100_000}, kafka=dict(FAST))
    yield fleet
    fleet.close()


async def exact(fleet: Fleet, timeout: float = 120.0) -> None:
    """Wait for the end, then compare everything."""
    await fleet.wait_until_done(timeout)
    verdict = await fleet.judge()
    assert verdict.wrong == []
    assert verdict.records == fleet.written
    assert verdict.alerts > 0


async def test_twenty_kills(fleet: Fleet) -> None:
    """SIGKILL, each time some moments after a partition was restored; 20,000 cells a partition."""
    dice = random.Random(1)
    await fleet.make_topics()
    await fleet.write(80_000, cells=40_000, seed=1)
    feed = asyncio.create_task(fleet.write(12_000, cells=40_000, seed=2, rate=250))
    for _ in range(20):
        running = fleet.start()
        await fleet.wait_for_log(running, "partition restored")
        await asyncio.sleep(dice.uniform(0.05, 0.8))
        running.kill()
    fleet.start()
    await feed
    await exact(fleet)


@pytest.mark.parametrize("step", STEPS)
async def test_a_crash_at_each_step_of_a_chunks_way(fleet: Fleet, step: str) -> None:
    fleet.worker["snapshot_bytes"] = 4_000
    await fleet.make_topics()
    feed = asyncio.create_task(fleet.write(2_000, rate=400, junk=0.1))
    chance = "0.2"
    if step == "restoring":  # a worker restores once in its life, and the first one has nothing to restore
        chance = "1"
        running = fleet.start(TOY_PART_BYTES="1500")
        await fleet.wait_for_log(running, "partition restored")
        await asyncio.sleep(1)
        running.kill()
    for crash in range(3):
        running = fleet.start(TOY_CRASH=f"{step}:{chance}", TOY_PART_BYTES="1500")
        await fleet.wait_for_log(running, "serving")
        for _ in range(1200):
            if running.process.poll() is not None:
                break
            await asyncio.sleep(0.05)
            if feed.done():
                feed = asyncio.create_task(fleet.write(1_000, rate=400, junk=0.1, seed=crash + 1))
        assert running.process.poll() == 9, f"never reached {step}:\n{running.log.read_text()[-3000:]}"
    fleet.start(TOY_PART_BYTES="1500")
    await feed
    await exact(fleet)


async def test_sigterm_and_rolling_restart(fleet: Fleet) -> None:
    """Two workers, each replaced twice while results come in; each ends within ten seconds."""
    await fleet.make_topics()
    first, second = fleet.start(), fleet.start()
    await fleet.wait_for_log(first, "partition restored")
    feed = asyncio.create_task(fleet.write(4_000, rate=400))
    for _ in range(2):
        await fleet.wait_for_log(second, "partition restored")
        assert await asyncio.to_thread(first.terminate) < 10
        first = fleet.start()
        await fleet.wait_for_log(first, "partition restored")
        assert await asyncio.to_thread(second.terminate) < 10
        second = fleet.start()
    await feed
    await exact(fleet)
    verdict = await fleet.judge()
    assert verdict.duplicates == 0  # handed over in order: nothing had to be sent again


async def test_a_frozen_worker_that_wakes_up_does_no_harm(fleet: Fleet) -> None:
    """SIGSTOP for longer than the session, while another worker takes over; SIGCONT; three times."""
    await fleet.make_topics()
    feed = asyncio.create_task(fleet.write(9_000, rate=500))
    one = fleet.start()
    await fleet.wait_for_log(one, "partition restored")
    two = fleet.start()
    for frozen, other in ((one, two), (two, one), (one, two)):
        await asyncio.sleep(1)
        frozen.freeze()
        seen = other.log.read_text().count("partition restored")
        for _ in range(200):
            if other.log.read_text().count("partition restored") > seen:
                break
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        frozen.thaw()
    await feed
    await exact(fleet)


async def test_failover_within_twenty_seconds(fleet: Fleet) -> None:
    """With the session timeout as it is by default."""
    fleet.kafka.clear()
    await fleet.make_topics()
    one = fleet.start()
    await fleet.wait_for_log(one, "partition restored")
    two = fleet.start()
    await fleet.wait_for_log(two, "partition restored")
    await fleet.write(2_000)
    await fleet.wait_until_done()
    one.kill()
    await fleet.write(2_000, seed=1)
    assert await fleet.wait_until_done(20) < 20
    await exact(fleet)


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


async def applied(running: Running, due: int) -> int:
    """How many results were applied, once it is as many as are due, or nobody wants to wait any longer."""
    count = 0
    for _ in range(200):
        text = status(running.port, "/metrics")[1] if b"serving" in running.log.read_bytes() else ""
        lines = [line for line in text.splitlines() if 'netdusk_records_total{result="applied"}' in line]
        count = round(float(lines[0].split()[-1])) if lines else 0
        if count >= due:
            await asyncio.sleep(0.5)
            break
        await asyncio.sleep(0.1)
    return count


# brokers of a test's own


@pytest.fixture
async def own(tmp_path: Path) -> AsyncIterator[OwnBroker]:
    """A single node, with a listener that announces a proxy's port."""
    broker = OwnBroker(tmp_path)
    broker.format()
    broker.start()
    await broker.wait()
    yield broker
    broker.close()


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnBroker]:
    """A node that nobody kills: only the way to it is bad."""
    broker = OwnBroker(tmp_path_factory.mktemp("behind"), proxied=free_port())
    broker.format()
    broker.start()
    asyncio.run(broker.wait())
    yield broker
    broker.close()


@pytest.fixture
async def proxied(behind: OwnBroker, tmp_path: Path) -> AsyncIterator[tuple[Fleet, Proxy]]:
    """Workers that reach the broker through a proxy; the test itself does not."""
    own = behind
    proxy = Proxy(own.proxy_target, port=own.proxied or 0)
    await proxy.start()
    fleet = Fleet(
        own.bootstrap,
        tmp_path,
        worker_bootstrap=f"127.0.0.1:{proxy.port}",
        worker={"snapshot_bytes": 100_000},
        kafka=dict(FAST),
    )
    await fleet.make_topics()
    yield fleet, proxy
    fleet.close()
    await proxy.close()


async def test_the_broker_is_killed_five_times(own: OwnBroker, tmp_path: Path) -> None:
    """A single broker with SIGKILL: what it had acknowledged is on its disk, and the worker goes on by itself."""
    fleet = Fleet(own.bootstrap, tmp_path, worker={"snapshot_bytes": 100_000}, kafka=dict(FAST))
    await fleet.make_topics()
    running = fleet.start()
    try:
        for i in range(5):
            await fleet.write(400, seed=i)
            await asyncio.sleep(0.3)
            own.kill()
            await asyncio.sleep(0.5)
            own.start()
            await own.wait()
        await fleet.write(400, seed=9)
        await exact(fleet)
        assert running.process.poll() is None
    finally:
        fleet.close()


async def test_no_broker_at_the_start_is_said_at_once_and_waited_for(own: OwnBroker, tmp_path: Path) -> None:
    fleet = Fleet(own.bootstrap, tmp_path, kafka=dict(FAST))
    await fleet.make_topics()
    await fleet.write(500, cells=20)
    own.kill()
    running = fleet.start()
    try:
        await fleet.wait_for_log(running, "no broker answers; trying again", timeout=5)
        assert status(running.port, "/readyz")[0] == 503
        own.start()
        await own.wait()
        await exact(fleet)
    finally:
        fleet.close()


async def test_while_the_broker_is_away_readiness_says_so_and_the_log_in_a_line_a_minute(
    own: OwnBroker, tmp_path: Path
) -> None:
    fleet = Fleet(own.bootstrap, tmp_path, kafka=dict(FAST))
    await fleet.make_topics()
    await fleet.write(500, cells=20)
    running = fleet.start()
    try:
        await fleet.wait_until_done()
        before = len(running.log.read_text().splitlines())
        own.kill()
        await asyncio.sleep(40)
        code, text = status(running.port, "/readyz")
        assert code == 503
        assert "has not answered for" in text
        lines = running.log.read_text().splitlines()[before:]
        assert any("the broker does not answer as it should" in line for line in lines)
        assert len(lines) <= 10, "\n".join(lines)
        own.start()
        await own.wait()
        await fleet.write(500, cells=20, seed=1)
        await exact(fleet)
        assert "\x1b[?25" not in running.log.read_text()
    finally:
        fleet.close()


async def test_a_frozen_broker_blocks_the_producer_and_costs_no_memory(
    own: OwnBroker, tmp_path: Path
) -> None:
    fleet = Fleet(own.bootstrap, tmp_path, kafka=dict(FAST), partitions=4)
    await fleet.make_topics()
    await fleet.write_many(300_000)
    running = fleet.start()
    try:
        await fleet.wait_for_log(running, "partition restored")
        own.freeze()
        before = running.rss()
        for _ in range(20):
            assert running.rss() - before < 150 * 1024 * 1024
            await asyncio.sleep(0.5)
        own.thaw()
        await exact(fleet)
    finally:
        fleet.close()


FAULTS = ("latency", "cut", "reset", "slow close", "lost acknowledgements")


@pytest.mark.parametrize("fault", FAULTS)
async def test_faults_of_the_network(proxied: tuple[Fleet, Proxy], fault: str) -> None:
    fleet, proxy = proxied
    running = fleet.start()
    await fleet.wait_for_log(running, "partition restored")
    feed = asyncio.create_task(fleet.write(2_800, rate=400))
    for _ in range(2):
        await asyncio.sleep(0.7)
        if fault == "latency":
            proxy.latency_seconds = 0.3
            await asyncio.sleep(2)
            proxy.latency_seconds = 0.0
        elif fault == "cut":
            proxy.cut = True
            await asyncio.sleep(2)
            proxy.cut = False
            proxy.reset()
        elif fault == "reset":
            proxy.reset()
        elif fault == "slow close":
            proxy.cut = True
            await asyncio.sleep(1)
            proxy.reset()
            proxy.cut = False
        else:
            proxy.lose_answers = True
            await asyncio.sleep(2)
            proxy.lose_answers = False
            proxy.reset()
    await feed
    await exact(fleet)
    assert running.process.poll() is None


async def test_an_answer_that_is_lost_for_ever_costs_seconds(proxied: tuple[Fleet, Proxy]) -> None:
    """No reset tells the worker that it waits in vain; and SIGTERM ends it in order while it does."""
    fleet, proxy = proxied
    running = fleet.start()
    await fleet.wait_for_log(running, "partition restored")
    feed = asyncio.create_task(fleet.write(1_600, rate=400))
    await asyncio.sleep(1)
    proxy.lose_answers = True
    await asyncio.sleep(1.5)
    proxy.lose_answers = False
    await feed
    assert await fleet.wait_until_done(30) < 30
    await exact(fleet)
    proxy.lose_answers = True
    await asyncio.sleep(1)
    assert await asyncio.to_thread(running.terminate) < 10
    assert running.process.returncode == 0


async def test_three_brokers_with_one_killed(tmp_path: Path) -> None:
    brokers = OwnBroker(tmp_path, nodes=3)
    brokers.format()
    for node in range(3):
        brokers.start(node)
    fleet: Fleet | None = None
    try:
        await brokers.wait()
        fleet = Fleet(
            brokers.bootstrap, tmp_path, replication=3, partitions=3, worker={"snapshot_bytes": 100_000}
        )
        await fleet.make_topics()
        running = fleet.start()
        await fleet.wait_for_log(running, "partition restored")
        feed = asyncio.create_task(fleet.write(4_000, rate=400))
        await asyncio.sleep(2)
        brokers.kill(1)
        await asyncio.sleep(5)
        brokers.start(1)
        await feed
        await exact(fleet)
        assert running.process.poll() is None
    finally:
        if fleet is not None:
            fleet.close()
        brokers.close()


def status(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
