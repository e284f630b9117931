"""`netdusk probe` against servers on loopback; as its own process where signals, pipes and kills are the matter."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from typer.testing import CliRunner

from producers.records import ProbeResult, VantagePresence, VantageStatus, decode
from streams.commands.probe import app
from streams.local.probing import Lines
from tests.producers.probe import servers
from tests.producers.probe.servers import HOST, answer, certified, serving

WAIT_SECONDS = 60.0  # far more than needed: only a broken command takes so long


@dataclass
class World:
    """Four targets, a name server, and the arguments with which to probe them."""

    arguments: list[str]
    urls: list[str]
    asked: asyncio.Queue[None]  # holds one for each time that the good target was

    async def rounds(self, count: int) -> None:
        """Wait for so many rounds: whoever then looks need not look often."""
        for _ in range(count):
            await self.asked.get()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        asked: asyncio.Queue[None] = asyncio.Queue()

        async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked.put_nowait(None)
            await servers.says(answer())(reader, writer)

        good = await stack.enter_async_context(serving(say, certified()))
        resetting = await stack.enter_async_context(serving(servers.resets))
        refused = await stack.enter_async_context(servers.refusing())
        table = servers.NameServer(addresses={HOST: ["127.0.0.1"], "bogon.test": ["10.10.34.34"]})
        names = await stack.enter_async_context(servers.naming(table))
        urls = [
            f"https://{HOST}:{good}/",
            f"https://{HOST}:{resetting}/",
            f"http://{HOST}:{refused}/",
            "https://bogon.test/",
        ]
        platforms = ["youtube", "x", "x", "facebook"]
        targets = tmp_path / "targets.toml"
        targets.write_text(
            "\n".join(
                f'[[target]]\nplatform = "{platform}"\nurl = "{url}"\nprivate = {str("bogon" not in url).lower()}'
                for platform, url in zip(platforms, urls, strict=True)
            )
        )
        place = ["--country", "PK", "--asn", "17557", "--region", "PK-PB", "--vantage", "pk-lhe-03"]
        resolver = ["--resolver", f"127.0.0.1:{names.port}"]
        authorities = ["--authorities", str(servers.write_authority(tmp_path))]
        yield World(
            [*place, "--allow-private", "--targets", str(targets), *resolver, *authorities], urls, asked
        )


async def one_round(*arguments: str) -> tuple[int, bytes, str]:
    """`netdusk probe --once` beside the servers; it has a loop of its own."""
    async with asyncio.timeout(WAIT_SECONDS):
        done = await asyncio.to_thread(CliRunner().invoke, app, ["--once", *arguments])
    return done.exit_code, done.stdout_bytes, done.output


async def probe(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "streams", "probe", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "NETDUSK_LOG": "json"},
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, bytes, str]:
    async with asyncio.timeout(WAIT_SECONDS):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out, err.decode()


def results(lines: bytes) -> list[ProbeResult]:
    found = [decode(line) for line in lines.splitlines()]
    assert all(isinstance(record, ProbeResult | VantageStatus) for record in found), found
    return [record for record in found if isinstance(record, ProbeResult)]


def ends(found: list[ProbeResult]) -> set[tuple[str, str | None, str]]:
    return {
        (record.platform, record.target, "ok" if record.ok else f"{record.stage}.{record.failure}")
        for record in found
    }


def expected(world: World) -> set[tuple[str, str | None, str]]:
    good, resetting, refused, bogon = world.urls
    return {
        ("youtube", good, "ok"),
        ("x", resetting, "tls.connection_reset"),
        ("x", refused, "tcp.connection_refused"),
        ("facebook", bogon, "dns.dns_bogon_error"),
    }


@pytest.mark.system
async def test_one_round_as_json(world: World, tmp_path: Path) -> None:
    control = tmp_path / "control.json"
    code, out, err = await one_round("--json", *world.arguments, "--control-out", str(control))
    assert code == 1, err
    found = results(out)
    assert ends(found) == expected(world)
    for record in found:
        assert (record.country, record.region, record.asn, record.vantage) == (
            "PK",
            "PK-PB",
            17557,
            "pk-lhe-03",
        )
        assert record.control_ok is None
        assert not record.simulated
        assert re.fullmatch("[0-9A-HJKMNP-TV-Z]{26}", record.id)
        assert record.timings_ms is not None
        assert record.timings_ms.total is not None
    assert len({record.id for record in found}) == 4
    # What this one wrote is another one's control.
    code, out, err = await one_round("--json", *world.arguments, "--control", str(control))
    assert {record.control_ok for record in results(out) if record.ok} == {True}, err
    assert {record.control_ok for record in results(out) if not record.ok} == {False}


@pytest.mark.system
async def test_one_round_as_a_table(world: World) -> None:
    code, out, err = await one_round(*world.arguments, "--platform", "youtube")
    assert code == 0, err
    assert "youtube: 1 of 1 target answered" in out.decode()
    code, out, err = await one_round(*world.arguments)
    assert code == 1, err
    assert "x: 0 of 2 targets answered" in out.decode()
    assert "tls connection_reset" in " ".join(out.decode().split())


@pytest.mark.system
async def test_printing_ends_after_the_count(world: World) -> None:
    code, out, err = await ended(await probe("--print", "--count", "6", "--interval", "1", *world.arguments))
    assert code == 0, err
    assert len(results(out)) == 6
    assert ends(results(out)) <= expected(world)


@pytest.mark.system
async def test_a_reader_who_has_enough_ends_it(world: World) -> None:
    process = await probe("--print", "--interval", "1", *world.arguments)
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(WAIT_SECONDS):
        assert results(await process.stdout.readline())
        process._transport.get_pipe_transport(1).close()  # type: ignore[attr-defined]  # what `| head -1` does
        err = (await process.stderr.read()).decode()
        assert await process.wait() == 0, err
    assert "BrokenPipe" not in err


def test_lines_that_nobody_reads_end_without_an_error() -> None:
    """`--once --json | head -1` ends with a round of results still to come."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "wb") as out:
        lines = Lines(out)
        lines.write(b"{}")
        assert not lines.wanted
        lines.write(b"{}")


async def spooling(world: World, spool: Path) -> tuple[asyncio.subprocess.Process, str]:
    """A probe without a broker, once it has said so; and where its /metrics is."""
    process = await probe(
        *world.arguments,
        *("--interval", "1", "--spool", str(spool), "--bootstrap", "127.0.0.1:1", "--metrics-port", "0"),
    )
    assert process.stderr is not None
    heard = ""
    while True:
        line = (await process.stderr.readline()).decode()
        assert line, heard
        heard += line
        url = re.search(r"http://127\.0\.0\.1:\d+", heard)
        if url is not None and "the broker is away" in heard:
            return process, f"{url[0]}/metrics"


async def figures_until(url: str, metric: str, at_least: int) -> str:
    """The page, once a metric's sum over its series is so large."""
    async with aiohttp.ClientSession() as session:
        while True:
            async with session.get(url) as page:
                figures = await page.text()
            counts = re.findall(rf"^{metric}(?:\{{.*\}})? (\d+)\.0$", figures, re.MULTILINE)
            if sum(map(int, counts)) >= at_least:
                return figures


def spooled(spool: Path) -> list[ProbeResult]:
    return results(b"".join(path.read_bytes() for path in sorted(spool.glob("*.jsonl"))))


@pytest.mark.system
async def test_without_a_broker_everything_is_in_the_spool(world: World, tmp_path: Path) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        process, url = await spooling(world, tmp_path / "spool")
        await world.rounds(3)
        figures = await figures_until(url, "netdusk_probe_results_total", 8)
    assert 'netdusk_probe_results_total{outcome="tls",platform="x"}' in figures
    assert "netdusk_probe_broker_up 0.0" in figures
    process.send_signal(signal.SIGTERM)
    code, _, err = await ended(process)
    assert code == 0, err
    kept = spooled(tmp_path / "spool")
    assert len(kept) >= 8
    assert ends(kept) == expected(world)
    assert len({record.id for record in kept}) == len(kept)
    assert {record.every_seconds for record in kept} == {1.0}
    lines = b"".join(path.read_bytes() for path in sorted((tmp_path / "spool").glob("*.jsonl"))).splitlines()
    first, last = decode(lines[0]), decode(lines[-1])
    assert isinstance(first, VantageStatus)
    assert isinstance(last, VantageStatus)
    assert (first.status, first.every_seconds, last.status) == (
        VantagePresence.UP,
        1.0,
        VantagePresence.LEAVING,
    )


@pytest.mark.system
async def test_what_the_spool_has_survives_a_kill(world: World, tmp_path: Path) -> None:
    async with asyncio.timeout(WAIT_SECONDS):
        process, url = await spooling(world, tmp_path / "spool")
        await world.rounds(2)
        await figures_until(url, "netdusk_probe_spool_records", 5)  # a word that it is there among them
        process.kill()
        await process.communicate()
    kept = {record.id for record in spooled(tmp_path / "spool")}
    assert len(kept) >= 4
    async with asyncio.timeout(WAIT_SECONDS):
        process, url = await spooling(world, tmp_path / "spool")
        await world.rounds(2)
        await figures_until(url, "netdusk_probe_spool_records", len(kept) + 3)
        process.send_signal(signal.SIGTERM)
        await process.communicate()
    assert kept < {record.id for record in spooled(tmp_path / "spool")}
