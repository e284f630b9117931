"""What an attempt costs over each version of HTTP, in CPU time: `python -m benchmarks.versions`, on loopback.

The servers are a process of their own, and their time is not counted. No name is looked up, and no certificate is
verified: that costs the same by each way, less over QUIC, where OpenSSL reads the one authority that it needs. The
ways take turns; the median of the turns is printed.
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from producers.probe.asked import Fingerprints
from producers.probe.attempt import Tools, attempt
from producers.probe.dns import Resolver
from producers.probe.quic import Quic
from producers.probe.targets import Target
from producers.probe.tls import Contexts
from tests.producers.probe import servers, versions

WAYS: Final = ("https", "h2", "h3", "quic")
TURNS: Final = 5
ATTEMPTS: Final = 200
AT_ONCE: Final = 10


async def _serve(folder: Path) -> None:
    page = versions.Page()
    async with (
        servers.serving(servers.says(servers.answer()), servers.certified()) as plain,
        versions.http2(page) as second,
        versions.http3(page, folder) as third,
    ):
        sys.stdout.write(f"{plain} {second} {third}\n")
        sys.stdout.flush()
        await asyncio.to_thread(sys.stdin.read)


async def _measure(folder: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "benchmarks.versions", str(folder)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    plain, second, third = map(int, (await process.stdout.readline()).split())
    tools = Tools(
        resolver=Resolver("127.0.0.1", 1),
        contexts=Contexts(),
        fingerprints=Fingerprints(()),
        allow_private=True,
        quic=Quic(),
    )
    taken: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(TURNS):
        for way, port in zip(WAYS, (plain, second, third, third), strict=True):
            target = Target(platform="x", url=f"{way}://127.0.0.1:{port}", private=True, verify=False)
            began = time.process_time()
            for _ in range(ATTEMPTS // AT_ONCE):
                outcomes = await asyncio.gather(*(attempt(target, tools) for _ in range(AT_ONCE)))
                assert all(outcome.ok for outcome in outcomes), outcomes
            taken[way].append((time.process_time() - began) / ATTEMPTS)
    for way, seconds in taken.items():
        median = statistics.median(seconds)
        sys.stdout.write(f"{way:6} {median * 1000:5.2f} ms, {1 / median:6.0f} a CPU second\n")
    process.stdin.close()
    await process.wait()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_serve(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as name:
            asyncio.run(_measure(Path(name)))
