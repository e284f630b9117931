"""What a replay costs of history in which little comes: CPU seconds and memory of the step under `netdusk backtest`.

    python -m benchmarks.sparse [--only crowd]

Each world is made and run in a process of its own; making it is not counted. Prints a line a world: results, days, CPU
seconds, results a CPU second, microseconds a window of event time, peak memory, and the bar.

`few`: 470 results in 20 days of one country, as a small crowd gives them. `crowd`: 40,000 in 68 days, of 1,500
networks, the large ones often and most of them hardly ever, by day more than by night. `dense`: a million results of
1,000 series, each once a minute. `month`: 45 results a minute for three days, of 15 series with three vantages each.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Final

from producers.records import ProbeResult, encode
from streams.settings import Settings
from streams.step.backtest import Backtest

_START: Final = datetime(2024, 3, 4, tzinfo=UTC)
_DAY: Final = 86_400.0


@dataclass(frozen=True)
class World:
    """One history, and what it may cost: CPU seconds, or results a CPU second; and megabytes."""

    make: Callable[[], Iterator[bytes]]
    seconds_max: float | None = None
    rate_min: float | None = None
    megabytes_max: float = 300.0


def _result(number: int, moment: float, platform: str, asn: int, vantage: str, ok: bool) -> bytes:
    return encode(
        ProbeResult(
            id=f"{number:x}",
            time=_START + timedelta(milliseconds=round(moment * 1000)),
            platform=platform,
            country="RU",
            asn=asn,
            vantage=vantage,
            ok=ok,
            simulated=True,
        )
    )


def _arrivals(dice: random.Random, many: int, days: float) -> list[float]:
    """So many moments, by day three times as many as by night, some of them in bursts."""
    moments: list[float] = []
    while len(moments) < many:
        moment = dice.random() * days * _DAY
        by_day = 0.5 + 0.5 * math.sin(2 * math.pi * (moment / _DAY - 0.3))
        if dice.random() < 0.33 + 0.67 * by_day:
            burst = dice.choice([1, 1, 1, 1, 2, 5])
            moments += [moment + dice.random() * 90.0 for _ in range(burst)]
    return sorted(moments[:many])


def _crowd(many: int, days: float, networks: int) -> Iterator[bytes]:
    """Results of a crowd: network i is heard as often as 1 / (i + 1) says."""
    dice = random.Random(7)
    weights = [1.0 / (i + 1) for i in range(networks)]
    moments = _arrivals(dice, many, days)
    for number, moment in enumerate(moments):
        (asn,) = dice.choices(range(networks), weights)
        yield _result(number, moment, "x", 1000 + asn, f"crowd-{asn}", dice.random() < 0.93)


def _rounds(many: int, series: int, vantages: int) -> Iterator[bytes]:
    """Results of probes that keep time: each series from each vantage once a minute."""
    dice = random.Random(7)
    platforms = ("x", "facebook", "instagram", "youtube", "whatsapp")
    a_round = series * vantages
    for number in range(many):
        minute, place = divmod(number, a_round)
        one, vantage = divmod(place, vantages)
        network, platform = divmod(one, len(platforms))
        moment = 60.0 * (minute + place / a_round)
        ok = dice.random() < 0.97
        yield _result(number, moment, platforms[platform], 1000 + network, f"v{vantage}", ok)


WORLDS: Final = {
    "few": World(lambda: _crowd(470, 20.0, 12), seconds_max=2.0),
    "crowd": World(lambda: _crowd(40_000, 68.0, 1_500), seconds_max=30.0),
    "dense": World(lambda: _rounds(1_000_000, 1_000, 1), rate_min=150_000.0),
    "month": World(lambda: _rounds(3 * 1_440 * 45, 15, 3), rate_min=200_000.0),
}


def run(world: World) -> dict[str, float]:
    """Run one of them in this process."""
    lines = list(world.make())
    before = _megabytes()
    begin = process_time()
    replay = Backtest(Settings())
    incidents = sum(1 for _ in replay.run(lines))
    seconds = process_time() - begin
    return {
        "results": len(lines),
        "incidents": incidents,
        "days": replay.span_seconds / _DAY,
        "seconds": seconds,
        "windows": replay.span_seconds / replay.settings.time.window_seconds,
        # The lines are held here, and not by the command, which reads a file.
        "megabytes": _megabytes() - before + _EMPTY,
    }


def _megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024.0


#: Of a process that has read none of the lines.
_EMPTY: Final = _megabytes()


def _line(name: str, world: World, figures: dict[str, float]) -> str:
    rate = figures["results"] / figures["seconds"]
    bar = f"{world.seconds_max:g} s" if world.seconds_max else f"{world.rate_min:,.0f} a CPU second"
    return (
        f"{name:6} {figures['results']:>9,.0f} results, {figures['days']:5.1f} days: {figures['seconds']:6.2f} s CPU, "
        f"{rate:>8,.0f} a CPU second, {figures['seconds'] * 1e6 / figures['windows']:6.0f} us a window, "
        f"{figures['megabytes']:4.0f} MB (bar {bar}, {world.megabytes_max:.0f} MB)"
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Run all of them, and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", choices=sorted(WORLDS))
    parser.add_argument("--one", choices=sorted(WORLDS), help=argparse.SUPPRESS)
    chosen = parser.parse_args(arguments)
    if chosen.one:
        print(json.dumps(run(WORLDS[chosen.one])))
        return
    for name, world in WORLDS.items():
        if chosen.only in (None, name):
            command = [sys.executable, "-m", "benchmarks.sparse", "--one", name]
            done = subprocess.run(command, check=True, capture_output=True, text=True)
            print(_line(name, world, json.loads(done.stdout)), flush=True)


if __name__ == "__main__":
    main()
