"""Readers of one topic, side by side: results a second of CPU time and of wall time, median of several rounds.

Every contender is a process of its own that prints what it took. They take turns, so that a machine that gets slower
or faster meanwhile does so for all of them.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from aiokafka.admin import AIOKafkaAdminClient, NewTopic

from benchmarks.engine.load import Shape, fill

ROOT = Path(__file__).parents[2]
CONTENDERS = ROOT / "benchmarks/contenders"
OTHERS = ROOT / ".cache/bench/venv/bin/python"
TIMEOUT_SECONDS = 300.0


@dataclass(frozen=True)
class Contender:
    """Who reads. `share` of the topic is read by those that would take minutes over all of it.

    `command`: a program that is none of Python, with places for what it has to know.
    """

    name: str
    does: str
    script: str = ""
    arguments: tuple[str, ...] = ()
    python: Path = Path(sys.executable)
    share: float = 1.0
    warm: float = 0.0  # share of the topic after which the clock starts
    cells: int = 1_000
    command: tuple[str, ...] = ()


WHOLE = "decodes, validates, detects, checkpoints, sends"
#: Results of each topic, by its number of cells: a hundred thousand cells have a million results a window.
RECORDS = {1_000: 500_000, 100_000: 2_000_000}

CONTENDERS_IN_ORDER: Sequence[Contender] = (
    Contender("aiokafka", "reads, and does nothing", "raw.py"),
    Contender("aiokafka + orjson", "reads and parses", "raw.py", ("orjson",)),
    Contender(
        "Faust, for each", "reads, and does nothing", "faust_loop.py", ("{partitions}", "each"), share=0.1
    ),
    Contender("Faust, take", "reads, and does nothing", "faust_loop.py", ("{partitions}", "take"), share=0.1),
    Contender("Faust, table", "counts by key", "faust_loop.py", ("{partitions}", "table"), share=0.03),
    Contender("Quix Streams", "counts by key, in its state", "quix.py", python=OTHERS, share=0.4),
    Contender("Bytewax", "counts by key, in its state", "bytewax_count.py", python=OTHERS),
    Contender("netdusk, decode only", "reads, parses, validates, puts into columns", "netdusk_decode.py"),
    Contender("netdusk, whole, 1,000 cells", WHOLE, "worker", warm=0.02),
    Contender("netdusk, whole, 100,000 cells", WHOLE, "worker", warm=0.5, cells=100_000),
)


@dataclass
class Figure:
    """What a contender made of its share."""

    name: str
    does: str
    cpu: float  # results a CPU second
    wall: float  # results a second
    peak_bytes: int
    runs: list[dict[str, float]]


@dataclass(frozen=True)
class Topic:
    """A topic as it was written."""

    name: str
    shape: Shape
    records: int


async def write(bootstrap: str, shape: Shape) -> Topic:
    """Make and fill a topic."""
    name = f"bench-{shape.cells}-{uuid4().hex[:6]}"
    return Topic(name, shape, await fill(bootstrap, name, shape))


def run(
    bootstrap: str, topics: dict[int, Topic], folder: Path, *, rounds: int, only: str | None = None
) -> list[Figure]:
    """Run all of them, `rounds` times in turn."""
    chosen = [one for one in CONTENDERS_IN_ORDER if only is None or only in one.name]
    return rounds_of(chosen, bootstrap, topics, folder, rounds=rounds)


def rounds_of(
    chosen: Sequence[Contender], bootstrap: str, topics: dict[int, Topic], folder: Path, *, rounds: int
) -> list[Figure]:
    """Run these, `rounds` times in turn."""
    runs: dict[str, list[dict[str, float]]] = {one.name: [] for one in chosen}
    for number in range(rounds):
        for one in chosen:
            found = run_one(bootstrap, topics[one.cells], one, folder)
            runs[one.name].append(found)
            print(
                f"round {number + 1}  {one.name:32s} {found['n'] / found['cpu']:>10,.0f} a CPU second"
                f" {found['n'] / found['wall']:>10,.0f} a second",
                file=sys.stderr,
                flush=True,
            )
    return [
        Figure(
            one.name,
            one.does,
            statistics.median(r["n"] / r["cpu"] for r in runs[one.name]),
            statistics.median(r["n"] / r["wall"] for r in runs[one.name]),
            int(max(r["peak_bytes"] for r in runs[one.name])),
            runs[one.name],
        )
        for one in chosen
    ]


def run_one(bootstrap: str, topic: Topic, one: Contender, folder: Path) -> dict[str, float]:
    """Run one contender once. Raises with what it said where it fails."""
    count = int(topic.records * one.share)
    if one.command:
        state = Path(tempfile.mkdtemp(dir=folder))
        places = {"bootstrap": bootstrap, "topic": topic.name, "folder": str(state), "count": str(count)}
        places["warm"] = str(int(topic.records * one.warm))
        return _run([argument.format(**places) for argument in one.command])
    if one.script == "worker":
        config = worker_config(bootstrap, topic, folder)
        command = [str(one.python), str(CONTENDERS / "netdusk_worker.py"), str(config), str(count)]
        command.append(str(int(topic.records * one.warm)))
    else:
        rest = [argument.format(partitions=topic.shape.partitions) for argument in one.arguments]
        command = [str(one.python), str(CONTENDERS / one.script), bootstrap, topic.name, str(count), *rest]
    return _run(command)


def run_script(python: Path, script: str, *arguments: str) -> dict[str, float]:
    """Run a contender's file; gives what its meter printed."""
    return _run([str(python), str(CONTENDERS / script), *arguments])


def _run(command: Sequence[str]) -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="netdusk-contender-") as state:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": state},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_SECONDS,
            check=False,
        )
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        said = f"{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
        raise RuntimeError(f"{' '.join(command)} failed:\n{said}")
    found: dict[str, float] = json.loads(lines[-1])
    return found


def worker_config(bootstrap: str, topic: Topic, folder: Path) -> Path:
    """Settings of a worker that starts from nothing, with topics of its own to write to."""
    name = uuid4().hex[:8]
    roles = ("alerts", "health", "calendar", "checkpoints", "world_checkpoints", "rejected", "windows")
    world = ("health", "world_checkpoints")  # one partition, as `netdusk topics` makes them
    partitions = {f"{name}.{role}": 1 if role in world else topic.shape.partitions for role in roles}
    asyncio.run(make_topics(bootstrap, partitions))
    path = folder / f"{name}.toml"
    names = "\n".join(f'{role} = "{name}.{role}"' for role in roles)
    path.write_text(
        f'[kafka]\nbootstrap = "{bootstrap}"\ngroup = "{name}"\n[topics]\nprobes = "{topic.name}"\n{names}\n'
        '[http]\nport = 0\n[worker]\nclock = "replay"\n'
    )
    return path


async def make_topics(bootstrap: str, topics: dict[str, int]) -> None:
    """Make topics, by name and number of partitions."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, count, 1) for name, count in topics.items()])
    finally:
        await admin.close()
