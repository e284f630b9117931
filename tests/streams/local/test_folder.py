"""One folder, one netdusk."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from streams.local.broker import BrokerError, KafkaBroker
from streams.local.folder import FolderError, OwnFolder
from streams.local.stack import ChildError, Stack
from streams.settings import load

TAKE = """
import sys
from pathlib import Path
from streams.local.folder import OwnFolder
own = OwnFolder(Path(sys.argv[1]))
own.take()
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_second_one_is_told_whose_it_is(tmp_path: Path) -> None:
    first, second = OwnFolder(tmp_path / "new"), OwnFolder(tmp_path / "new")
    first.take()
    first.take()
    with pytest.raises(FolderError, match=f"another netdusk runs in {tmp_path}/new; end it, or name another"):
        second.take()
    first.leave()
    second.take()
    second.leave()


def test_who_is_killed_holds_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", TAKE, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"taken\n"
        with pytest.raises(FolderError):
            OwnFolder(tmp_path).take()
        other.kill()
    OwnFolder(tmp_path).take()


def test_a_broker_leaves_the_data_of_another_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.local.broker.missing", lambda folder: [])
    other = OwnFolder(tmp_path)
    other.take()
    (tmp_path / "server.properties").write_text("of another")
    with pytest.raises(BrokerError, match="another netdusk runs in"):
        KafkaBroker(tmp_path).start()
    assert (tmp_path / "server.properties").read_text() == "of another"


async def test_a_stack_leaves_the_logs_of_another_alone(tmp_path: Path) -> None:
    other = OwnFolder(tmp_path)
    other.take()
    (tmp_path / "worker.log").write_text("of another")
    with pytest.raises(ChildError, match="another netdusk runs in"):
        await Stack(load(), tmp_path, embedded=False).__aenter__()
    assert (tmp_path / "worker.log").read_text() == "of another"
