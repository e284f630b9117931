"""What is told of worlds whose measurements are in trouble (`producers.simulated.lifelike`).

`python -m benchmarks.lifelike --seeds 100-101` runs each world under each seed through the very step of the worker, as
`netdusk backtest` does, and prints a line a world: what was told of what happened, and what was told of what did not.
`--only WORLD` chooses, `--show` prints every sentence that was false, `--json` writes the figures.

A series-month is 30 days of one platform, or of the connectivity, of one country. Seeds below 100 were looked at.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field

import msgspec
from rich.console import Console
from rich.table import Table

from producers.records import encode
from producers.simulated.lifelike import BUILDERS, PLATFORMS, Lifelike, Size
from streams.publish.scorecard import Label, poisson_interval, scorecard
from streams.records import Incident, Kind, Status
from streams.settings import load
from streams.step.backtest import Backtest


@dataclass
class Figures:
    """What adds up over the seeds of one world."""

    events: int = 0
    detected: int = 0
    alarms: float = 0.0
    minutes: list[float] = field(default_factory=list)
    false_alarms: int = 0
    false_confirmed: int = 0
    false_connectivity: int = 0
    resolved_early: int = 0
    series_months: float = 0.0
    seconds: float = 0.0
    results: int = 0

    def row(self) -> dict[str, float | int | None]:
        """The figures of a line."""
        low, high = poisson_interval(self.false_alarms)
        months = self.series_months
        return {
            "events": self.events,
            "detected": self.detected,
            "median_minutes": sorted(self.minutes)[len(self.minutes) // 2] if self.minutes else None,
            "alarms_an_event": round(self.alarms / self.detected, 2) if self.detected else None,
            "false_a_series_month": round(self.false_alarms / months, 3),
            "false_low": round(low / months, 3),
            "false_high": round(high / months, 3),
            "false_confirmed": self.false_confirmed,
            "false_connectivity": self.false_connectivity,
            "resolved_early": self.resolved_early,
            "series_months": round(months, 1),
            "results_a_second": round(self.results / self.seconds) if self.seconds else None,
        }


def judge(name: str, seed: int, size: Size, figures: Figures) -> list[Incident]:
    """Run one world, add what came of it, and return the last snapshots of what was told without cause."""
    world = Lifelike(name, seed=seed, size=size)
    lines = [encode(result) for result in world.results()]
    began = time.process_time()
    told = list(Backtest(load(None)).run(lines))
    figures.seconds += time.process_time() - began
    figures.results += len(lines)
    months = (len(PLATFORMS) + 1) * size.countries * size.days / 30
    card = scorecard(told, [msgspec.convert(label, Label) for label in world.labels], months)
    last = {incident.id: incident for incident in told}
    retracted = {
        i.id for i in last.values() if i.status is Status.RESOLVED and getattr(i, "retracted", False)
    }
    false = [last[name] for name in card.false_alarm_ids if name not in retracted]
    figures.events += card.all.events
    figures.detected += card.all.detected
    figures.alarms += (card.all.alarms_per_event or 0.0) * card.all.detected
    if card.all.minutes_to_detect.median is not None:
        figures.minutes.append(card.all.minutes_to_detect.median)
    figures.false_alarms += len(false)
    figures.false_confirmed += sum(incident.confirmed for incident in false)
    figures.false_connectivity += sum(incident.kind is Kind.CONNECTIVITY for incident in false)
    figures.resolved_early += card.all.resolved_early
    figures.series_months += months
    return false


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", default="100-100", help="FIRST-LAST")
    parser.add_argument("--only", action="append", choices=sorted(BUILDERS))
    parser.add_argument("--days", type=int, default=10)
    parser.add_argument("--countries", type=int, default=3)
    parser.add_argument("--per-minute", type=float, default=12.0)
    parser.add_argument("--show", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    first, last = (int(part) for part in options.seeds.split("-"))
    size = Size(days=options.days, countries=options.countries, per_minute=options.per_minute)
    say = Console(stderr=True, highlight=False)
    rows: dict[str, dict[str, float | int | None]] = {}
    for name in options.only or BUILDERS:
        figures, sentences = Figures(), Counter[str]()
        for seed in range(first, last + 1):
            for incident in judge(name, seed, size, figures):
                sentences[f"seed {seed} {incident.onset:%d %H:%M} {incident.summary}"] += 1
        rows[name] = figures.row()
        say.print(f"{name}: {rows[name]}")
        if options.show:
            for sentence in sentences:
                say.print(f"    {sentence}")
    if options.json:
        sys.stdout.write(json.dumps(rows, indent=1) + "\n")
        return
    table = Table("world", *next(iter(rows.values())), box=None, pad_edge=False)
    for name, row in rows.items():
        table.add_row(name, *("" if value is None else str(value) for value in row.values()))
    Console(width=220).print(table)


if __name__ == "__main__":
    main()
