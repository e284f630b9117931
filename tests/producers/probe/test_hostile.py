"""Servers that mean harm: an attempt ends at its deadline, others go on meanwhile, and memory stays small."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import subprocess
import sys
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import structlog

from producers.probe.asked import Fingerprints
from producers.probe.attempt import Outcome, Tools, attempt
from producers.probe.control import ControlResults
from producers.probe.dns import Resolver
from producers.probe.targets import Target
from producers.probe.tls import Contexts
from tests.producers.probe import servers
from tests.producers.probe.servers import answer, certified, serving

DEADLINE_SECONDS = 1.0
#: A loop that was never left for so long would miss others' deadlines. A loaded machine takes a part of it.
STALL_SECONDS = 0.5

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"

#: What a server says first, and then for ever, and what comes of it.
FLOODS: dict[str, tuple[bytes, bytes, str]] = {
    "1xx without end": (
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 4000,
        "http.generic_timeout_error",
    ),
    "chunks of a byte": (CHUNKED, b"1\r\n.\r\n" * 20_000, "http.generic_timeout_error"),
    "a header without end": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 65_536, "http.http_request_failed"),
    "headers without end": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n" * 10_000, "http.http_request_failed"),
    "a chunk's extension without end": (CHUNKED + b"1;", b"x" * 65_536, "http.http_request_failed"),
    "empty lines first": (b"\r\n", b"\r\n" * 30_000, "http.http_request_failed"),
}


@asynccontextmanager
async def turning() -> AsyncIterator[list[float]]:
    """How long the event loop was kept at a time, the longest last."""
    stalls = [0.0]

    async def turn() -> None:
        while True:
            before = time.perf_counter()
            await asyncio.sleep(0.01)
            stalls[0] = max(stalls[0], time.perf_counter() - before - 0.01)

    task = asyncio.create_task(turn())
    try:
        yield stalls
    finally:
        task.cancel()


@pytest.fixture
def tools(tmp_path: Path) -> Tools:
    return Tools(
        resolver=Resolver("127.0.0.1", 1),
        contexts=Contexts(servers.write_authority(tmp_path)),
        fingerprints=Fingerprints(),
        timeout_seconds=DEADLINE_SECONDS,
        allow_private=True,
    )


def target(url: str, **facts: object) -> Target:
    return Target(platform="test", url=url, private=True, body_bytes_max=16 * 1024 * 1024, **facts)  # type: ignore[arg-type]


def words(outcome: Outcome) -> str:
    return "ok" if outcome.failure is None else f"{outcome.stage}.{outcome.failure}"


@asynccontextmanager
async def elsewhere(head: bytes, more: bytes) -> AsyncIterator[int]:
    """A flood from a process of its own: a flooder in this one would take the loop's turns itself."""
    script = (
        "import asyncio, sys\n"
        "from tests.producers.probe.servers import floods, serving\n"
        "async def main():\n"
        "    head, more = (bytes.fromhex(word) for word in sys.argv[1:])\n"
        "    async with serving(floods(head, more)) as port:\n"
        "        print(port, flush=True)\n"
        "        await asyncio.sleep(60)\n"
        "asyncio.run(main())\n"
    )
    arguments = [sys.executable, "-c", script, head.hex(), more[:60_000].hex()]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": "."})
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()


@pytest.mark.system
@pytest.mark.parametrize(("head", "more", "expected"), FLOODS.values(), ids=FLOODS)
async def test_a_flood_ends_at_the_deadline_with_the_loop_turning(
    tools: Tools, head: bytes, more: bytes, expected: str
) -> None:
    async with elsewhere(head, more) as port, turning() as stalls:
        began = time.perf_counter()
        outcome = await attempt(target(f"http://127.0.0.1:{port}/"), tools)
        seconds = time.perf_counter() - began
    assert words(outcome) == expected
    assert seconds < DEADLINE_SECONDS + STALL_SECONDS
    assert stalls[0] < STALL_SECONDS


@pytest.mark.system
async def test_a_small_answer_that_holds_much_is_not_unpacked(tools: Tools) -> None:
    packed = gzip.compress(b"\0" * 100_000_000)
    head = answer(body=packed, **{"Content-Encoding": "gzip"})
    tracemalloc.start()
    try:
        async with serving(servers.says(head)) as port:
            outcome = await attempt(target(f"http://127.0.0.1:{port}/"), tools)
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert words(outcome) == "ok"
    assert outcome.body_bytes == len(packed)
    assert peak < 5_000_000


@pytest.mark.system
async def test_control_results_are_not_unpacked() -> None:
    packed = gzip.compress(b" " * 100_000_000)
    tracemalloc.start()
    try:
        async with serving(servers.says(answer(body=packed, **{"Content-Encoding": "gzip"}))) as port:
            control = ControlResults([f"http://127.0.0.1:{port}/"])
            with structlog.testing.capture_logs() as said:
                await control.refresh()
            peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert [line["event"] for line in said] == ["no control results"]  # it was asked, and is no JSON
    assert peak < 20_000_000


async def test_drips_of_head_and_handshake_end_at_the_deadline(tools: Tools) -> None:
    async def drips(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            writer.write(b"H")
            await writer.drain()
            await asyncio.sleep(0.05)

    for scheme, expected in (("http", "http.http_request_failed"), ("https", "tls.ssl_failed_handshake")):
        async with serving(drips) as port:
            began = time.perf_counter()
            outcome = await attempt(target(f"{scheme}://127.0.0.1:{port}/"), tools)
            seconds = time.perf_counter() - began
        assert words(outcome) in (expected, f"{'tls' if scheme == 'https' else 'http'}.generic_timeout_error")
        assert seconds < DEADLINE_SECONDS + STALL_SECONDS


@pytest.mark.system
async def test_a_flood_inside_of_tls(tools: Tools) -> None:
    async with serving(servers.floods(CHUNKED, b"1\r\n.\r\n" * 2000), certified("127.0.0.1")) as port:
        began = time.perf_counter()
        outcome = await attempt(target(f"https://127.0.0.1:{port}/", verify=False), tools)
        seconds = time.perf_counter() - began
    assert words(outcome) == "http.generic_timeout_error"
    assert seconds < DEADLINE_SECONDS + 2 * STALL_SECONDS


@pytest.mark.parametrize(
    ("location", "expected"),
    [
        ("http://", "http.http_invalid_redirect_location_host"),
        ("http:///blocked", "http.http_invalid_redirect_location_host"),
        ("https:/blocked.example/", "http.http_invalid_redirect_location_host"),
        ("//", "http.http_invalid_redirect_location_host"),
        ("http://127.0.0.1:99999/", "http.http_invalid_redirect_location_host"),
        ("http://[::1/", "http.http_invalid_redirect_location_host"),
        ("about:blank", "http.http_invalid_redirect_location_host"),
        ("javascript:history.back()", "http.http_invalid_redirect_location_host"),
        (None, "http.http_invalid_redirect_location_host"),
        ("http://169.254.169.254/latest/", "http.http_unexpected_redirect_url"),
        ("http://[::ffff:10.0.0.1]/", "http.http_unexpected_redirect_url"),
        ("/x", "ok"),
        ("x?next=http://blocked.example/", "ok"),
        ("//blocked.example/", "http.http_unexpected_redirect_url"),
    ],
)
async def test_where_a_redirect_points(tools: Tools, location: str | None, expected: str) -> None:
    headers = {} if location is None else {"Location": location}
    async with serving(servers.says(answer(302, b"", **headers))) as port:
        outcome = await attempt(target(f"http://127.0.0.1:{port}/"), tools)
    assert words(outcome) == expected
