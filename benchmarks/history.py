"""What history costs: `python -m benchmarks.history [--cells 100] [--days 31]`.

Writes a made-up month of one country into an archive in a folder of its own, and reads it: by the hour and platform, as
`netdusk history` and the API do, and the country's page over that month. Prints CPU seconds and bytes a cell-window.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from streams.archive.reader import Archive
from streams.archive.store import FolderStore
from streams.archive.writer import Archiver
from streams.page.languages import language
from streams.page.server import PageServer
from streams.page.shelf import ArchiveShelf
from streams.records import Window, encode
from streams.settings import load

BEGAN = datetime(2024, 1, 1, tzinfo=UTC)
COUNTRY = "PK"
_MINUTES = 1440


def windows(cells: int, day: int) -> Iterator[Window]:
    """A day of windows, one a minute; each cell has some results, and times that no codec can guess."""
    rng = random.Random(day)
    platforms = [f"platform-{cell % 10}" for cell in range(cells)]
    asns = [64500 + cell // 10 for cell in range(cells)]
    for minute in range(_MINUTES):
        counts = [rng.randint(2, 9) for _ in range(cells)]
        start = BEGAN + timedelta(days=day, minutes=minute)
        yield Window(
            country=COUNTRY,
            start=start,
            end=start + timedelta(minutes=1),
            simulated=True,
            networks_live=cells // 10,
            vantages=cells,
            awaited=float(5 * cells),
            came=float(sum(counts)),
            platform=platforms,
            region=[""] * cells,
            asn=asns,
            n=counts,
            k=[count - (rng.random() < 0.02) for count in counts],
            expected=[0.98] * cells,
            ttfb_ms=[rng.randint(60, 300) for _ in range(cells)],
            failure=[""] * cells,
        )


def write(folder: Path, cells: int, days: int) -> float:
    """Archive the month as `netdusk archive` does; gives its CPU seconds, decoding included."""
    archiver = Archiver(FolderStore(folder))
    archiver.begin("windows", 0, 0, days * _MINUTES)
    spent = 0.0
    for day in range(days):
        values = [encode(one) for one in windows(cells, day)]
        began = time.process_time()
        for number, value in enumerate(values):
            archiver.take("windows", 0, day * _MINUTES + number, value)
        archiver.reached("windows", 0, (day + 1) * _MINUTES)
        archiver.flush()
        archiver.tidy()
        spent += time.process_time() - began
    return spent


def timed(ask: Callable[[], object], rounds: int = 5) -> tuple[float, float]:
    """Least CPU and wall seconds of some rounds."""
    spent = []
    for _ in range(rounds):
        cpu, wall = time.process_time(), time.perf_counter()
        ask()
        spent.append((time.process_time() - cpu, time.perf_counter() - wall))
    return min(one[0] for one in spent), min(one[1] for one in spent)


async def country_page(folder: Path, days: int) -> tuple[float, float, int]:
    """The country's page over the month, made anew: CPU seconds, wall seconds, bytes."""
    settings = load(page={"port": 0}, worker={"clock": "replay"})
    server = PageServer(settings, shelf=ArchiveShelf(FolderStore(folder)))
    end = BEGAN + timedelta(days=days)

    def values() -> Mapping[str, Any]:
        return server.site.country(COUNTRY, language("en"), end, BEGAN, end)

    server._render.page("country", values())  # templates and names are read at the start of a page
    server.site.history.shelf = ArchiveShelf(FolderStore(folder))
    cpu, wall = time.process_time(), time.perf_counter()
    body = server._render.page("country", values())
    return time.process_time() - cpu, time.perf_counter() - wall, len(body)


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cells", type=int, default=100)
    parser.add_argument("--days", type=int, default=31)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="netdusk-history-") as name:
        folder = Path(name)
        written = write(folder, given.cells, given.days)
        cells = given.cells * given.days * _MINUTES
        size = sum(file.stat().st_size for file in folder.rglob("*.parquet"))
        archive = Archive(FolderStore(folder))
        end = BEGAN + timedelta(days=given.days)
        cpu, wall = timed(lambda: archive.series(COUNTRY, BEGAN, end, step=3600))
        page_cpu, page_wall, page_bytes = asyncio.run(country_page(folder, given.days))
    print(f"cell-windows: {cells}")
    print(f"archiving: {1e6 * written / cells:.1f} microseconds of CPU a cell-window")
    print(f"bytes a cell-window: {size / cells:.2f}")
    print(f"the month by hour and platform: {1000 * cpu:.0f} ms of CPU, {1000 * wall:.0f} ms")
    print(
        f"the country's page over the month, made anew: {1000 * page_cpu:.0f} ms of CPU, "
        f"{1000 * page_wall:.0f} ms, {page_bytes // 1024} KB"
    )


if __name__ == "__main__":
    main()
