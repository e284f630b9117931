"""An incident is closed by hand while a worker runs on real Kafka, and stays closed through a kill."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from producers.records import Decoded, ProbeResult, Tick, decode
from streams.kafka.alerts import snapshots
from streams.kafka.bulk import BulkSender
from streams.kafka.probes import outgoing
from streams.kafka.topics import ensure
from streams.records import Incident, Status
from streams.settings import Settings
from tests.streams.kafka.test_topics import settings_for
from tests.streams.step.test_closing import still_lost
from tests.streams.step.test_country import BLOCK, log_of

pytestmark = pytest.mark.integration

NETDUSK = str(Path(sys.executable).parent / "netdusk")
WAIT_SECONDS = 90.0


def config_of(settings: Settings, folder: Path) -> Path:
    path = folder / "netdusk.toml"
    names = "\n".join(f'{role} = "{name}"' for role, name in settings.topics if isinstance(name, str))
    path.write_text(
        f'[kafka]\nbootstrap = "{settings.kafka.bootstrap}"\ngroup = "{settings.topics.probes}"\n'
        f"session_timeout_seconds = 6.0\n[topics]\npartitions = 3\n{names}\n[http]\nport = 0\n"
        '[worker]\nclock = "replay"\n'
    )
    return path


async def write(settings: Settings, records: Sequence[Decoded | bytes]) -> None:
    decoded = [decode(record) if isinstance(record, bytes) else record for record in records]
    good = [record for record in decoded if isinstance(record, ProbeResult | Tick)]
    async with BulkSender(settings.kafka, settings.topics.probes) as sender:
        await sender.send(outgoing(good, sender.partitions))


async def until(settings: Settings, status: Status) -> list[Incident]:
    end = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < end:
        told = await snapshots(settings)
        if told and told[-1].status is status:
            return told
        await asyncio.sleep(0.3)
    raise AssertionError(f"no incident that is {status}: {told}")


async def test_closed_by_hand_and_through_a_kill(bootstrap: str, tmp_path: Path) -> None:
    settings = settings_for(bootstrap)
    await ensure(settings)
    config = config_of(settings, tmp_path)

    def start() -> subprocess.Popen[bytes]:
        with (tmp_path / "log").open("ab") as log:
            return subprocess.Popen([NETDUSK, "worker", "--config", str(config)], stdout=log, stderr=log)

    worker = start()
    try:
        await write(settings, log_of(BLOCK, 0))
        opened = (await until(settings, Status.OPEN))[-1]
        command = [
            NETDUSK,
            "incidents",
            "close",
            opened.id,
            "--reason",
            "The site moved.",
            "--config",
            str(config),
        ]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr.decode()
        await asyncio.sleep(8.0)  # the worker looks every five seconds
        lost = [decode(value) for value in still_lost(20, 0).values if value is not None]
        half = len(lost) // 2
        await write(settings, lost[:half])  # type: ignore[arg-type]  # all of them are records
        resolved = (await until(settings, Status.RESOLVED))[-1]
        assert (resolved.id, resolved.seq, resolved.reason) == (opened.id, opened.seq + 1, "The site moved")
        worker.kill()
        worker.wait()
        worker = start()
        await write(settings, lost[half:])  # type: ignore[arg-type]
        await asyncio.sleep(12.0)
        told = await snapshots(settings)
        assert [(one.id, one.seq, one.status) for one in told] == [
            (opened.id, opened.seq, Status.OPEN),
            (opened.id, opened.seq + 1, Status.RESOLVED),
        ]
    finally:
        worker.terminate()
        worker.wait(20)
