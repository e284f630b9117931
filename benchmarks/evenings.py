"""The reconstruction of January 2024 (`producers.simulated.scenario`) under many seeds: what is told of each evening.

`python -m benchmarks.evenings --seeds 0-11` runs each seed through the very step of the worker, as `netdusk backtest`
does, and prints a line an evening and a line for each other incident. A seed takes a minute or two of CPU.

Seeds 0 to 11 were looked at while the rules for incidents were made; 12 and later are for judging alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec
from rich.console import Console
from rich.table import Table

from producers.records import encode
from producers.simulated.scenario import BLOCKED, CALENDAR, EVENINGS, Evening, pakistan
from streams.records import CalendarEvent, Incident, Scope
from streams.settings import load
from streams.step.backtest import Backtest

DETECT_MINUTES: Final = 6.0
RESOLVE_MINUTES: Final = 8.0
ONSET_MINUTES: Final = 1.0  # one window
#: Of an evening are the incidents that are told while it lasts, or this long before or after.
NEAR: Final = timedelta(minutes=30)
MECHANISM: Final = "tls.connection_reset"


@dataclass(frozen=True)
class Told:
    """One evening's widest incident, first and last snapshot; None where there was none."""

    evening: Evening
    first: Incident | None
    last: Incident | None
    linked: bool = False

    @property
    def onset_minutes(self) -> float:
        """How far its onset lies from the truth."""
        return minutes(self.evening.start, self.last.onset) if self.last else float("nan")

    @property
    def detect_minutes(self) -> float:
        """From the first cut to when it was told."""
        return minutes(self.evening.start, self.first.updated) if self.first else float("nan")

    @property
    def resolve_minutes(self) -> float:
        """From the last restoration to when it was told; NaN while it is open."""
        over = self.last is not None and self.last.resolved is not None
        return minutes(self.evening.end, self.last.updated) if over and self.last else float("nan")

    def short(self) -> list[str]:
        """The bars that it does not meet."""
        if self.first is None or self.last is None:
            return ["not told"]
        held = {
            "scope": self.last.scope is Scope.NATION_SCALE,
            "platforms": self.last.platforms == tuple(sorted(BLOCKED)),
            "onset": abs(self.onset_minutes) <= ONSET_MINUTES,
            "detected": self.detect_minutes <= DETECT_MINUTES,
            "resolved": self.resolve_minutes <= RESOLVE_MINUTES,
            "mechanism": self.last.mechanism is not None and self.last.mechanism.name == MECHANISM,
            "linked": self.linked,
        }
        return [name for name, met in held.items() if not met]


def minutes(start: datetime, end: datetime) -> float:
    """From one moment to another."""
    return (end - start).total_seconds() / 60


def judge(incidents: Iterable[Incident]) -> tuple[list[Told], list[Incident]]:
    """What was told of each evening, and the last snapshots of everything else."""
    told: dict[str, list[Incident]] = {}
    for snapshot in incidents:
        told.setdefault(snapshot.id, []).append(snapshot)
    evenings: list[Told] = []
    for evening, event in zip(EVENINGS, CALENDAR, strict=True):
        near = [one for one in told.values() if _overlaps(one, evening)]
        best = max(near, key=lambda one: (len(one[-1].platforms), len(one[-1].networks)), default=None)
        if best is None:
            evenings.append(Told(evening, None, None))
            continue
        first, last = best[0], best[-1]
        before = {past.last.id for past in evenings if past.last is not None}
        linked = event["id"] in last.coincides and before <= set(last.previous)
        evenings.append(Told(evening, first, last, linked))
        del told[first.id]
    return evenings, [one[-1] for one in told.values()]


def _overlaps(one: Sequence[Incident], evening: Evening) -> bool:
    return one[0].detected >= evening.start - NEAR and one[0].detected <= evening.end + NEAR


def run(seed: int) -> Iterator[Incident]:
    """Every snapshot of both evenings and the days between."""
    calendar = [msgspec.convert(event, CalendarEvent) for event in CALENDAR]
    lines = (encode(result) for result in pakistan(seed))
    yield from Backtest(load(), calendar=calendar).run(lines, ticks=False)


def _seeds(text: str) -> list[int]:
    first, _, last = text.partition("-")
    return list(range(int(first), int(last or first) + 1))


def main() -> int:
    """Print the table; 1 where something is short."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--seeds", type=_seeds, default=_seeds("0-11"), help="like 3 or 0-11")
    chosen = parser.parse_args()
    table = Table(box=None, pad_edge=False)
    for name in ("seed", "evening", "scope", "platforms", "onset", "detected", "resolved", "seqs", "short"):
        table.add_column(name)
    failed = others = 0
    for seed in chosen.seeds:
        evenings, rest = judge(run(seed))
        for told in evenings:
            short = told.short()
            failed += bool(short)
            table.add_row(
                str(seed),
                told.evening.name,
                told.last.scope.value if told.last else "-",
                str(len(told.last.platforms)) if told.last else "-",
                f"{told.onset_minutes:+.1f}",
                f"{told.detect_minutes:.1f}",
                f"{told.resolve_minutes:.1f}",
                str(told.last.seq) if told.last else "-",
                ", ".join(short),
            )
        others += len(rest)
        for one in rest:
            table.add_row(
                str(seed), "other", one.scope.value, ",".join(one.platforms), f"{one.onset:%d %H:%M}"
            )
    console = Console(width=120)
    console.print(table)
    count = len(chosen.seeds) * len(EVENINGS)
    console.print(
        f"{count - failed} of {count} evenings meet every bar (onset within {ONSET_MINUTES:.0f} minute, told within "
        f"{DETECT_MINUTES:.0f}, resolved within {RESOLVE_MINUTES:.0f}); other incidents: {others}"
    )
    return 1 if failed or others else 0


if __name__ == "__main__":
    raise SystemExit(main())
