"""Workers that are killed, frozen and replaced on real Kafka: exact, whatever they were at.

What `exact` means is said in `test_engine`.
"""

from __future__ import annotations

import asyncio
import random

import pytest

from tests.faults.fleet import Fleet, exact
from tests.faults.worker_process import STEPS

pytestmark = pytest.mark.integration


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
