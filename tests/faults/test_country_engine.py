"""The real worker, started as a user starts it, on real Kafka: what it says is what `netdusk backtest` says.

The log is the scenario's evening with poison, broken clocks, duplicates, late results and shuffled ones among it
(tests/faults/evening.py). Whatever is killed, however the chunks are cut and however many workers share the work: the
state is the oracle's bit for bit, and the incidents on the topic are the backtest's, byte for byte.
"""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

import pytest

from streams.kafka.alerts import parse
from streams.kafka.client import TopicReader
from streams.records import Incident, Kind, Status, encode
from streams.settings import Settings, TrustSettings
from streams.step.backtest import Backtest
from streams.step.country import CountryMachine
from tests.faults.evening import Item, evening, write
from tests.faults.fleet import Fleet
from tests.faults.oracle import contents

pytestmark = pytest.mark.integration

NETDUSK = str(Path(sys.executable).parent / "netdusk")
WORKER = (NETDUSK, "worker", "--config", "{config}")
PARTITIONS = 3
#: What a worker says that is given no policy.
OPEN = TrustSettings(policy="open")
FAST = {"session_timeout_seconds": 1.5, "heartbeat_seconds": 0.4}
OWN = ("alerts", "health", "calendar", "checkpoints", "world_checkpoints", "rejected", "windows")


def make_fleet(bootstrap: str, folder: Path, *, probes: str | None = None, **worker: object) -> Fleet:
    return Fleet(
        bootstrap,
        folder,
        partitions=PARTITIONS,
        command=WORKER,
        probes=probes,
        worker={"clock": "replay", "snapshot_bytes": 200_000, **worker},
        kafka=dict(FAST),
    )


@pytest.fixture(scope="module")
def items() -> list[Item]:
    return evening(PARTITIONS)


@pytest.fixture
async def fleets(bootstrap: str, tmp_path: Path) -> AsyncIterator[list[Fleet]]:
    fleets: list[Fleet] = []
    yield fleets
    for fleet in fleets:
        fleet.close()


async def backtested(fleet: Fleet, folder: Path) -> list[bytes]:
    """What `netdusk backtest` prints for each partition of the topic, dumped to a file as it stands there."""
    reader = TopicReader(fleet.settings.kafka)
    probes = fleet.settings.topics.probes
    said: list[bytes] = []
    for partition in range(PARTITIONS):
        start, end = (await reader.bounds(probes, [partition]))[partition]
        path = folder / f"{fleet.name}-{partition}.jsonl"
        with path.open("wb") as out:
            async for _, value in reader.read(probes, partition, start, end):
                out.write((value or b"") + b"\n")
        done = await asyncio.to_thread(
            subprocess.run,
            [NETDUSK, "backtest", str(path), "--trust", "open", "--json"],
            capture_output=True,
            check=False,
        )
        assert done.returncode in (0, 1), done.stderr.decode()
        said += done.stdout.splitlines()
    return said


async def on_topic(fleet: Fleet) -> list[bytes]:
    alerts = await contents(TopicReader(fleet.settings.kafka), fleet.settings.topics.alerts)
    return [value for _, value in alerts if value is not None]


async def test_killed_and_killed_again_it_says_what_the_backtest_says(
    bootstrap: str, tmp_path: Path, fleets: list[Fleet], items: list[Item]
) -> None:
    fleet = make_fleet(bootstrap, tmp_path)
    fleets.append(fleet)
    await fleet.make_topics(("probes", *OWN))
    probes = fleet.settings.topics.probes
    dice = random.Random(4)
    kills = 0
    for at in range(0, len(items), len(items) // 6 + 1):
        running = fleet.start()
        await fleet.wait_for_log(running, f"partition={probes}-")
        fleet.written += await write(bootstrap, probes, items[at : at + len(items) // 6 + 1], PARTITIONS)
        await asyncio.sleep(dice.uniform(0.0, 0.7))
        running.kill()
        kills += 1
    fleet.start()
    await fleet.wait_until_done()
    assert kills == 6

    verdict = await fleet.judge(partial(CountryMachine, Settings(worker=fleet.settings.worker, trust=OPEN)))
    assert verdict.wrong == []
    assert verdict.records == fleet.written
    # There was some of each; without a register nobody is unregistered.
    of_each = {name: total for name, total in verdict.totals.items() if name != "unregistered"}
    assert min(of_each.values()) > 0
    assert verdict.totals["unregistered"] == 0
    told = set(await on_topic(fleet))
    assert told == set(await backtested(fleet, tmp_path))
    assert b'"status":"open"' in b"".join(told)
    assert b'"status":"resolved"' in b"".join(told)

    by_partition = [
        [value for place, _, value in evening(PARTITIONS, calm=True) if place in (None, partition)]
        for partition in range(PARTITIONS)
    ]
    undisturbed = {
        encode(incident)
        for lines in by_partition
        for incident in Backtest(Settings(trust=OPEN)).run(lines, ticks=True)
    }
    assert told == undisturbed  # poison, broken clocks, duplicates, lateness and disorder changed nothing


async def test_neither_chunks_nor_workers_nor_kills_change_what_is_said(
    bootstrap: str, tmp_path: Path, fleets: list[Fleet], items: list[Item]
) -> None:
    first = make_fleet(bootstrap, tmp_path, chunk_records=61)
    await first.make_topics(("probes", *OWN))
    probes = first.settings.topics.probes
    others = [
        make_fleet(bootstrap, tmp_path, probes=probes, chunk_records=2000),
        make_fleet(bootstrap, tmp_path, probes=probes, chunk_records=307),
    ]
    fleets += [first, *others]
    for other in others:
        await other.make_topics(OWN)
    written = await write(bootstrap, probes, items, PARTITIONS)
    first.start()
    for _ in range(2):
        others[0].start()
    shared = others[1].start()
    others[1].start()
    await others[1].wait_for_log(shared, "partition restored")
    shared.kill()  # the other one takes its partitions over
    said = []
    for fleet in fleets:
        fleet.written = written
        await fleet.wait_until_done(240)
        said.append(sorted(set(await on_topic(fleet))))
    assert len(said[0]) > 5
    assert said[1] == said[0]
    assert said[2] == said[0]


async def test_it_ends_within_ten_seconds_of_sigterm_and_hands_over(
    bootstrap: str, tmp_path: Path, fleets: list[Fleet], items: list[Item]
) -> None:
    fleet = make_fleet(bootstrap, tmp_path)
    fleets.append(fleet)
    await fleet.make_topics(("probes", *OWN))
    probes = fleet.settings.topics.probes
    one = fleet.start()
    await fleet.wait_for_log(one, f"partition={probes}-")
    fleet.written += await write(bootstrap, probes, items[: len(items) // 2], PARTITIONS)
    assert await asyncio.to_thread(one.terminate) < 10
    two = fleet.start()
    fleet.written += await write(bootstrap, probes, items[len(items) // 2 :], PARTITIONS)
    await fleet.wait_until_done()
    verdict = await fleet.judge(partial(CountryMachine, Settings(worker=fleet.settings.worker, trust=OPEN)))
    assert verdict.wrong == []
    assert verdict.duplicates == 0
    assert two.process.poll() is None


def said(value: bytes) -> Incident:
    incident = parse(value, "the alerts topic")
    assert incident is not None
    return incident


async def test_an_incident_that_was_told_goes_on_under_other_settings(
    bootstrap: str, tmp_path: Path, fleets: list[Fleet], items: list[Item]
) -> None:
    """Killed while it is open, and its log judged anew with other settings: one id, no gap in `seq`, resolved once."""
    fleet = make_fleet(bootstrap, tmp_path, snapshot_bytes=100_000_000)
    fleets.append(fleet)
    await fleet.make_topics(("probes", *OWN))
    probes = fleet.settings.topics.probes
    running = fleet.start()
    await fleet.wait_for_log(running, f"partition={probes}-")
    half = len(items) * 2 // 5
    fleet.written += await write(bootstrap, probes, items[:half], PARTITIONS)
    await fleet.wait_until_done()
    running.kill()
    told = {incident.id: incident for incident in map(said, await on_topic(fleet))}
    assert any(incident.status is Status.OPEN for incident in told.values())
    fleet.config.write_text(
        fleet.config.read_text() + "[incidents]\nrecovery_windows = 4\n[detection]\nalarm_country = 11.5\n"
    )
    running = fleet.start()
    await fleet.wait_for_log(running, "judged anew since the last snapshot")
    fleet.written += await write(bootstrap, probes, items[half:], PARTITIONS)
    await fleet.wait_until_done()
    await asyncio.sleep(2)  # what a chunk brings about is sent after its checkpoint
    snapshots: dict[str, dict[int, Incident]] = {}
    for incident in map(said, await on_topic(fleet)):
        before = snapshots.setdefault(incident.id, {}).setdefault(incident.seq, incident)
        assert before == incident
    assert not any(
        one.kind is Kind.PLATFORM for name in set(snapshots) - set(told) for one in snapshots[name].values()
    )
    for name in told:
        by_seq = snapshots[name]
        assert sorted(by_seq) == list(range(1, len(by_seq) + 1))
        statuses = [by_seq[seq].status for seq in sorted(by_seq)]
        assert statuses[0] is Status.OPEN
        assert statuses[-1] is Status.RESOLVED
        assert statuses.count(Status.RESOLVED) == 1
