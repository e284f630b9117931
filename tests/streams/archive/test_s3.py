"""The archive in an object store: a server that speaks S3 (moto, `make servers`), killed writers, and who reads it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from streams.archive.reader import Archive
from streams.archive.store import ArrowStore, Store, store_at
from streams.archive.writer import Archiver
from streams.records import encode
from tests.streams.archive.memory import KilledError, MemoryStore
from tests.streams.archive.test_archive import START, feed, log_of, window
from tests.streams.commands.test_archive import kill_and_read

pytestmark = pytest.mark.integration

_ROOT: Final = Path(__file__).parents[3]
_SERVER: Final = _ROOT / ".cache" / "s3" / "venv" / "bin" / "moto_server"
_KEYS: Final = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
#: A writer that says each flush; it is killed at one of them.
_WRITER: Final = """
import sys
from streams.archive.store import store_at
from streams.archive.writer import Archiver
from streams.records import encode
from tests.streams.archive.test_archive import log_of
archiver = Archiver(store_at(sys.argv[1]))
values = [encode(one) for one in log_of(40)]
for offset in range(archiver.begin("windows", 0, 0, len(values)), len(values)):
    archiver.take("windows", 0, offset, values[offset])
    if offset % 7 == 6:
        archiver.flush()
        archiver.tidy()
        print(offset, flush=True)
archiver.reached("windows", 0, len(values))
archiver.flush()
archiver.tidy()
"""


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The server's address, host:port."""
    assert _SERVER.is_file(), f"{_SERVER} is missing: run `make servers`"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [str(_SERVER), "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait(f"http://127.0.0.1:{port}/moto-api/")
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def url(server: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A bucket of the test's own, as `archive.url` names it."""
    for name, value in _KEYS.items():
        monkeypatch.setenv(name, value)
    bucket = f"b{abs(hash(request.node.name)) % 10**12}"
    urllib.request.urlopen(urllib.request.Request(f"http://{server}/{bucket}", method="PUT"), timeout=10)
    return f"s3://{bucket}/netdusk?endpoint_override={server}&scheme=http"


def _wait(address: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urllib.request.urlopen(address, timeout=5)
        except OSError:
            assert time.monotonic() < deadline, f"{address} does not answer"
            time.sleep(0.05)
        else:
            return


def _held(store: Store, country: str) -> list[object]:
    return list(Archive(store).windows(country))


def test_files_stand_whole(url: str) -> None:
    store = store_at(url)
    assert isinstance(store, ArrowStore)
    store.put("a/b.json", b"1")
    store.put("a/b.json", b"2")
    assert (store.get("a/b.json"), store.get("a/c"), store.names("a")) == (b"2", None, ["b.json"])
    with pytest.raises(FileNotFoundError):
        store.open("a/c")
    store.delete("a/b.json")
    store.delete("a/b.json")
    assert (store.names("a"), store.names("nowhere")) == ([], [])


class _Killable(ArrowStore):
    """An object store of which the write or deletion number `killed_at`, and all after it, are never sent."""

    killed_at: int | None = None
    writes = 0

    def _may_write(self) -> None:
        if self.killed_at is not None and self.writes >= self.killed_at:
            raise KilledError
        self.writes += 1

    def put(self, path: str, data: bytes) -> None:
        self._may_write()
        super().put(path, data)

    def delete(self, path: str) -> None:
        self._may_write()
        super().delete(path)


def test_a_kill_at_any_write_loses_nothing_and_doubles_nothing(url: str) -> None:
    values = [encode(window(minute, country)) for minute in range(0, 200, 40) for country in ("PK", "IR")]
    whole = MemoryStore()
    feed(Archiver(whole), values, flush_at=(3, 6))
    expected = {country: _held(whole, country) for country in ("PK", "IR")}
    bucket, _, query = url.partition("?")
    for killed_at in range(whole.writes):
        plain = store_at(f"{bucket}-{killed_at}?{query}")
        assert isinstance(plain, ArrowStore)
        store = _Killable(plain._system, plain._root)
        store.killed_at = killed_at
        with pytest.raises(KilledError):
            feed(Archiver(store), values, flush_at=(3, 6))
        feed(Archiver(plain), values, flush_at=(5,))
        assert {country: _held(plain, country) for country in expected} == expected, killed_at


@pytest.mark.parametrize("flushes", [1, 3, 6])
def test_a_process_that_is_killed_is_gone_on_from(url: str, flushes: int) -> None:
    command = [sys.executable, "-c", _WRITER, url]
    place = {"cwd": _ROOT, "env": os.environ | {"PYTHONPATH": str(_ROOT)}}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, **place) as process:  # type: ignore[call-overload]  # mypy wants each by name
        assert process.stdout is not None
        for _ in range(flushes):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    subprocess.run(command, check=True, capture_output=True, **place)  # type: ignore[call-overload]  # as above
    log = log_of(40)
    for country in ("PK", "IR"):
        assert _held(store_at(url), country) == [one for one in log if one.country == country]


def test_from_kafka_killed_at_any_moment_it_keeps_every_window_once(
    url: str, bootstrap: str, tmp_path: Path
) -> None:
    kill_and_read(bootstrap, tmp_path, store_at(url), url)


def test_history_reads_it(url: str) -> None:
    feed(Archiver(store_at(url)), [encode(one) for one in log_of(30)])
    rows = Archive(store_at(url)).series("PK", START, START + timedelta(hours=1), step=600)
    assert [(row.name, row.n) for row in rows if row.name == "facebook"] == [("facebook", 40)] * 3
    shown = subprocess.run(
        [sys.executable, "-m", "streams", "history", "PK", "2024-01-20", "--archive", url, "--format", "csv"],
        capture_output=True,
        text=True,
        cwd=_ROOT,
        env=os.environ | {"PYTHONPATH": str(_ROOT)},
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    assert "facebook" in shown.stdout
