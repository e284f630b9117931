"""What a cell costs in resident memory: one process a size, so that nothing is left over from the one before.

Usage: python -m benchmarks.engine.memory CELLS
"""

from __future__ import annotations

import ctypes
import gc
import json
import re
import subprocess
import sys
from pathlib import Path

from benchmarks.engine.load import Shape, log
from streams.machine import Chunk
from streams.settings import Settings, WorkerSettings
from streams.step.country import CountryMachine

ROOT = Path(__file__).parents[2]
SIZES = (10_000, 50_000, 100_000, 200_000)
VANTAGES = 2
WINDOWS = 3
CHUNK = 2000
WARM = 1000  # cells


def resident() -> int:
    """Bytes, after what is free has been given back."""
    gc.collect()
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found is not None
    return int(found[1]) * 1024


def fed(cells: int) -> CountryMachine:
    """A machine that has taken in a few windows of that many cells."""
    machine = CountryMachine(Settings(worker=WorkerSettings(clock="replay")))
    part: list[bytes] = []
    for _, _, value in log(Shape(cells * VANTAGES * WINDOWS, cells, VANTAGES, partitions=1)):
        part.append(value)
        if len(part) == CHUNK:
            machine.apply(machine.read(Chunk("t", 0, range(CHUNK), part)))
            part = []
    machine.apply(machine.read(Chunk("t", 0, range(len(part)), part)))
    return machine


def measure(cells: int) -> dict[str, float]:
    """What a machine of that many cells holds more than one of few, which has loaded all code and buffers.

    `bytes` is of one that has seen `WINDOWS` windows; `full` of one that has written to every hour of every column, as
    it will after a week in which all kinds of times were measured everywhere: no more can come.
    """
    few = fed(WARM)
    before = resident()
    machine = fed(cells)
    after = resident()
    for table in machine._bank.series.tables().values():
        for name in table.fields:
            column = getattr(table, name)
            column[...] = column.copy()
    full = resident()
    del few
    return {
        "cells": cells,
        "bytes": after - before,
        "full": full - before,
        "snapshot": len(machine.snapshot()),
    }


def run() -> list[dict[str, float]]:
    """All sizes, each in its own process."""
    found = []
    for cells in SIZES:
        done = subprocess.run(
            [sys.executable, "-m", "benchmarks.engine.memory", str(cells)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        found.append(json.loads(done.stdout.splitlines()[-1]))
        young, full = (found[-1][kind] / cells for kind in ("bytes", "full"))
        print(f"memory {cells:>8,} cells  {young:,.0f} bytes a cell, full {full:,.0f}", file=sys.stderr)
    return found


if __name__ == "__main__":
    print(json.dumps(measure(int(sys.argv[1]))))
