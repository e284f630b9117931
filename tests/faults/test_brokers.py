"""Brokers that are killed or frozen, and a bad way to them: the worker stays exact, and says what is the matter.

What `exact` means is said in `test_engine`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.brokers import OwnBroker, free_port
from tests.faults.fleet import FAST, Fleet, exact, status
from tests.faults.proxy import Proxy

pytestmark = pytest.mark.integration


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
