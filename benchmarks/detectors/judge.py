"""One judge for all: alarms become incidents in the same way, and are scored as `netdusk backtest` scores.

A contender's series are those of a platform in a country: its networks, each, and all of them pooled. They are one
incident while any of them is in alarm, and for half an hour after. It concerns the networks that alarmed, or all
where the pooled series alone did.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec
import numpy as np

from benchmarks.detectors.contender import Bools, Contender, Ints
from producers.simulated.worlds import BEGIN, WINDOW_SECONDS, Cell, Simulation
from streams.publish.scorecard import Label
from streams.records import Detector, Incident, Kind, Network, Reachability, Scope, Severity, Status

HOLD_WINDOWS = 30


@dataclass
class Counted:
    """A world's k and n: cells by windows."""

    cells: list[Cell]
    k: Ints
    n: Ints

    @classmethod
    def of(cls, simulation: Simulation) -> Counted:
        days = list(simulation.days_of_counts())
        return cls(
            simulation.cells,
            np.concatenate([day.k for day in days], axis=1),
            np.concatenate([day.n for day in days], axis=1),
        )


@dataclass
class Outcome:
    """What a contender said of a world, and what it cost."""

    incidents: list[Incident]
    cpu_seconds: float
    cell_windows: int


def truth(simulation: Simulation) -> list[Label]:
    """The simulation's labels as the scorecard takes them."""
    return [msgspec.convert(label, Label) for label in simulation.labels]


def series_months(simulation: Simulation) -> float:
    """Platforms by countries by months of 30 days."""
    return len(simulation.world.platforms) * simulation.world.countries * simulation.days / 30


def judge(contender: Contender, parameters: Mapping[str, Any], counted: Counted) -> Outcome:
    """Run a contender over every series of a world."""
    incidents: list[Incident] = []
    spent, done = 0.0, 0
    for platform, country in sorted({(cell.platform, cell.country) for cell in counted.cells}):
        rows = [
            i for i, cell in enumerate(counted.cells) if (cell.platform, cell.country) == (platform, country)
        ]
        pooled = (counted.k[rows].sum(axis=0), counted.n[rows].sum(axis=0))
        series = [(0, *pooled)]
        if not contender.pooled_only:
            series += [(counted.cells[i].asn, counted.k[i], counted.n[i]) for i in rows]
        began = time.process_time()
        alarms = {asn: contender.run(k, n, **parameters) for asn, k, n in series}
        spent += time.process_time() - began
        done += sum(len(alarm) for alarm in alarms.values())
        incidents += _incidents(contender.name, platform, country, alarms)
    return Outcome(incidents, spent, done)


def _incidents(name: str, platform: str, country: str, alarms: Mapping[int, Bools]) -> Iterable[Incident]:
    together = np.any(list(alarms.values()), axis=0)
    at = np.flatnonzero(together)
    if not len(at):
        return
    breaks = np.flatnonzero(np.diff(at) > HOLD_WINDOWS)
    begins, ends = at[np.concatenate(([0], breaks + 1))], at[np.concatenate((breaks, [len(at) - 1]))]
    for begin, end in zip(begins.tolist(), ends.tolist(), strict=True):
        asns = [asn for asn, alarm in alarms.items() if asn and alarm[begin : end + 1].any()]
        opened, closed = _time(begin + 1), _time(end + 1 + HOLD_WINDOWS)
        for seq, status, when in ((1, Status.OPEN, opened), (2, Status.RESOLVED, closed)):
            yield Incident(
                id=f"{name}/{platform}/{country}/{begin}",
                seq=seq,
                status=status,
                kind=Kind.PLATFORM,
                scope=Scope.NATION_SCALE,
                severity=Severity.MINOR,
                country=country,
                platforms=(platform,),
                networks=tuple(Network(asn=asn, lost=0.0, onset=opened) for asn in asns),
                onset=opened,
                detected=opened,
                updated=when,
                resolved=when if status is Status.RESOLVED else None,
                duration_seconds=0,
                reachability=Reachability(now=0.0, usual=0.0),
                confirmed=True,
                vantages=0,
                networks_live=0,
                simulated=True,
                detector=Detector(name=name, version="", settings=""),
                summary="",
            )


def _time(window: int) -> datetime:
    return datetime.fromtimestamp(BEGIN + window * WINDOW_SECONDS, UTC)
