"""Long blocks of one platform: for days x what is left x results a minute, what is told of each.

`python -m benchmarks.blocks` prints a line a world: incidents, false restorations, flaps of the scope, changes told,
minutes until the end is told. Each world is made, run through the very step of the worker, and forgotten. The default
table takes a few minutes of CPU; `--days 90 --left 0.3 --rate 3` is one world.

Every world has nights: a ratio that is five points lower, and half of the results.
"""

from __future__ import annotations

import argparse
import itertools
import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from rich.console import Console
from rich.table import Table

from streams.records import Incident, Status
from streams.settings import Settings, load
from streams.step.backtest import Backtest

START: Final = datetime(2025, 9, 3, 10, tzinfo=UTC)  # a Wednesday morning
BEFORE: Final = timedelta(days=2)
AFTER: Final = timedelta(hours=6)
USUAL: Final = 0.97
NIGHT: Final = 0.05
END_MINUTES: Final = 8.0
#: A scope is settled this long after the onset, and until the end.
SETTLING: Final = timedelta(minutes=30)


class Change(NamedTuple):
    """From `at` after the block's beginning on, so much of the usual is left."""

    at: timedelta
    left: float


@dataclass(frozen=True)
class World:
    """One block. `rate` is results a minute, over all networks; `end` the share that is left after it, 1 for all."""

    days: float
    left: float
    rate: float
    networks: int = 3
    seed: int = 1
    end: float = 1.0
    changes: Sequence[Change] = ()
    night: float = NIGHT  # points by which the ratio is lower by night
    wander: float = (
        0.0  # points by which what is left differs from half hour to half hour (standard deviation)
    )
    after: timedelta = AFTER

    @property
    def begin(self) -> datetime:
        """When the block begins."""
        return START + BEFORE

    @property
    def over(self) -> datetime:
        """When it ends."""
        return self.begin + timedelta(days=self.days)

    def left_at(self, moment: datetime) -> float:
        """The share of the usual successes that is left."""
        if moment < self.begin:
            return 1.0
        if moment >= self.over:
            return self.end
        since = moment - self.begin
        return next((change.left for change in reversed(self.changes) if since >= change.at), self.left)

    def lines(self) -> Iterator[bytes]:
        """Its probe results, in the order of time."""
        dice = random.Random(f"{self.seed} {self.days} {self.left} {self.rate} {self.networks}")
        every = timedelta(minutes=self.networks / self.rate)
        number = itertools.count()
        moment, rounds = START, 0
        while moment < self.over + self.after:
            night = moment.hour < 6 or moment.hour >= 22
            usual = USUAL - self.night * night
            left = self.left_at(moment)
            if left < 1.0:
                left = min(1.0, max(0.0, left + self.wander * self._gust(moment)))
            rounds += 1
            if night and rounds % 2:
                moment += every
                continue
            for network in range(self.networks):
                ok = dice.random() < usual * left
                yield _line(next(number), moment + every * dice.random(), 64500 + network, ok)
            moment += every

    def _gust(self, moment: datetime) -> float:
        """How the half hour differs from others, in standard deviations."""
        return random.Random(f"{self.seed} {moment.timestamp() // 1800}").gauss(0.0, 1.0)


def _line(number: int, moment: datetime, asn: int, ok: bool) -> bytes:
    end = '"ok":true' if ok else '"ok":false,"stage":"tls","failure":"connection_reset"'
    return (
        f'{{"schema":"netdusk.probe/1","id":"{number}","time":"{moment:%Y-%m-%dT%H:%M:%S.%f}Z","platform":"x",'
        f'"target":"https://x.com/","country":"PK","asn":{asn},"vantage":"pk-{asn}","control_ok":true,{end},'
        '"simulated":true}'
    ).encode()


@dataclass(frozen=True)
class Told:
    """What was told of a world."""

    world: World
    snapshots: Sequence[Incident]

    @property
    def incidents(self) -> int:
        """How many incidents were told; one is right."""
        return len({snapshot.id for snapshot in self.snapshots})

    @property
    def false_restorations(self) -> int:
        """Ends that were told before there was one."""
        return sum(s.status is Status.RESOLVED and s.updated < self.world.over for s in self.snapshots)

    @property
    def flaps(self) -> int:
        """Changes of scope while nothing changed."""
        scopes = [
            snapshot.scope
            for snapshot in self.snapshots
            if self.world.begin + SETTLING <= snapshot.updated < self.world.over
        ]
        return sum(one is not other for one, other in itertools.pairwise(scopes))

    @property
    def end_minutes(self) -> float:
        """From the end to when it was told; NaN where it was not."""
        ends = [
            s.updated for s in self.snapshots if s.status is Status.RESOLVED and s.updated >= self.world.over
        ]
        return (ends[0] - self.world.over) / timedelta(minutes=1) if ends else math.nan

    @property
    def end(self) -> str:
        """In which words the end was told."""
        ends = [s for s in self.snapshots if s.status is Status.RESOLVED and s.updated >= self.world.over]
        return f"{ends[0].reachability.now:.0%} {ends[0].reason}" if ends else ""

    @property
    def changes(self) -> list[str]:
        """Reasons of the updates in between."""
        return [snapshot.reason for snapshot in self.snapshots if snapshot.status is Status.UPDATED]

    @property
    def good(self) -> bool:
        """Whether it is told as it was."""
        one = self.incidents == 1 and not self.false_restorations and not self.flaps
        return one and (self.world.end < 1.0 or self.end_minutes <= END_MINUTES)


def tell(world: World, settings: Settings | None = None) -> Told:
    """Run a world through the step of the worker; what is told before the block is another matter."""
    snapshots = list(Backtest(settings or load()).run(world.lines()))
    ids = {snapshot.id for snapshot in snapshots if snapshot.updated >= world.begin}
    return Told(world, [snapshot for snapshot in snapshots if snapshot.id in ids])


def main() -> None:
    """Run the table."""
    parser = argparse.ArgumentParser(description="Long blocks: what is told of them.")
    parser.add_argument("--days", type=float, nargs="+", default=[1, 4, 23])
    parser.add_argument("--left", type=float, nargs="+", default=[0.0, 0.02, 0.08, 0.3, 0.4])
    parser.add_argument("--rate", type=float, nargs="+", default=[3.0, 12.0])
    parser.add_argument("--networks", type=int, default=3)
    parser.add_argument("--end", type=float, default=1.0, help="share of the usual that is back at the end")
    parser.add_argument(
        "--night", type=float, default=NIGHT, help="points by which the ratio is lower by night"
    )
    parser.add_argument("--wander", type=float, default=0.0, help="points between half hours of the block")
    parser.add_argument("--seeds", type=int, default=1)
    chosen = parser.parse_args()
    table = Table(
        "days",
        "left",
        "a minute",
        "seed",
        "incidents",
        "false ends",
        "flaps",
        "end told (min)",
        "end",
        "in between",
    )
    good = total = 0
    for days, left, rate, seed in itertools.product(
        chosen.days, chosen.left, chosen.rate, range(chosen.seeds)
    ):
        world = World(
            days,
            left,
            rate,
            chosen.networks,
            seed,
            chosen.end,
            night=chosen.night,
            wander=chosen.wander,
        )
        told = tell(world)
        good, total = good + told.good, total + 1
        figures = (told.incidents, told.false_restorations, told.flaps, f"{told.end_minutes:.1f}", told.end)
        between = "; ".join(told.changes)
        table.add_row(f"{days:g}", f"{left:.0%}", f"{rate:g}", str(seed), *map(str, figures), between)
    console = Console()
    console.print(table)
    console.print(
        f"{good} of {total} worlds are told as one incident, without a false end, its end within 8 minutes"
    )


if __name__ == "__main__":
    main()
