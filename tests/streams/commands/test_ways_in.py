"""Every way of starting a worker is the same worker, and none opens Faust's own port."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from streams.kafka.topics import ensure
from streams.local.broker import KafkaBroker
from streams.settings import load
from tests.faults.brokers import free_port

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
WAYS = {
    "netdusk worker": [str(BIN / "netdusk"), "worker"],
    "python -m streams worker": [sys.executable, "-m", "streams", "worker"],
    "faust -A streams.app worker": [str(BIN / "faust"), "-A", "streams.app", "worker", "--web-port", "{web}"],
}


@pytest.mark.parametrize("way", WAYS)
async def test_ready_without_fausts_port(way: str, tmp_path: Path) -> None:
    page, web = free_port(), free_port()
    with KafkaBroker(tmp_path / "broker") as broker:
        topics = {"partitions": 2}
        await ensure(load(kafka={"bootstrap": broker.bootstrap}, topics=topics))
        environment = {
            "PATH": str(BIN),
            "NETDUSK_KAFKA__BOOTSTRAP": broker.bootstrap,
            "NETDUSK_TOPICS__PARTITIONS": "2",
            "NETDUSK_HTTP__PORT": str(page),
        }
        with (tmp_path / "log").open("wb") as log:
            worker = subprocess.Popen(
                [part.format(web=web) for part in WAYS[way]],
                cwd=ROOT,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            for _ in range(600):
                assert worker.poll() is None, (tmp_path / "log").read_text()
                if await asyncio.to_thread(answers, page):
                    break
                await asyncio.sleep(0.1)
            assert answers(page), (tmp_path / "log").read_text()
            for port in (web, 6066):
                assert not listens(worker.pid, port)
        finally:
            worker.terminate()
            worker.wait(20)


def answers(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def listens(pid: int, port: int) -> bool:
    """Whether this process has the port open."""
    held = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since it was listed
            held.add(str(link.readlink()))
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            local, state, inode = fields[1], fields[3], fields[9]
            if state == "0A" and int(local.rpartition(":")[2], 16) == port and f"socket:[{inode}]" in held:
                return True
    return False


def test_the_search_for_listeners_finds_one() -> None:
    """What the other test asserts can fail."""
    import os

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        assert listens(os.getpid(), listener.getsockname()[1])
