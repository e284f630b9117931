"""netdusk's own detection on a simulated world: the bank and the assembler of the worker, fed with columns."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np
from msgspec import structs

from benchmarks.detectors.judge import Outcome
from detectors.columns.bank import Bank
from detectors.incidents.assembler import Assembler
from detectors.readings import Counts, Health, MonitorKey, Reading
from producers.simulated.worlds import Simulation, WindowRows
from streams.incidents import DETECTOR_VERSION, to_record
from streams.records import Incident
from streams.settings import Settings, fingerprint
from streams.step.rows import MECHANISMS
from streams.step.worldwide import WorldStep


def run(simulations: Sequence[Simulation], settings: Settings) -> list[Outcome]:
    """Incidents of worlds of the same days, which go through one bank side by side: a window costs little more so.

    Each has countries and platforms of its own, so that none sees the others. The cost counted is the bank's: the
    numbers, without assembly and without JSON.
    """
    bank = Bank(settings.detection, settings.time, MECHANISMS)
    assembler = Assembler(settings.incidents, settings.time, DETECTOR_VERSION, fingerprint(settings))
    outside = [WorldStep(settings) for _ in simulations]
    first, total = [], 0
    for i, simulation in enumerate(simulations):
        first.append(total)
        total += len(simulation.monitors)
        bank.add_monitors([_named(MonitorKey(*monitor), i) for monitor in simulation.monitors])
    incidents: list[list[Incident]] = [[] for _ in simulations]
    spent, windows = 0.0, 0
    for parts in zip(*(simulation.windows() for simulation in simulations), strict=True):
        counts = _joined(parts, first)
        began = time.process_time()
        reading = bank.close(counts, assembler.watch, assembler.holding, assembler.settling)
        spent += time.process_time() - began
        windows += 1
        told = [to_record(snapshot) for snapshot in assembler.step(reading)]
        for i, step in enumerate(outside):
            told.extend(step.step(_of_world(reading, i)))
        for incident in told:
            i, own = _unnamed(incident)
            incidents[i].append(own)
    cells = [len(simulation.cells) for simulation in simulations]
    return [
        Outcome(found, spent * mine / sum(cells), windows * mine)
        for found, mine in zip(incidents, cells, strict=True)
    ]


def _named(monitor: MonitorKey, i: int) -> MonitorKey:
    return monitor._replace(platform=f"{monitor.platform}@{i}", country=f"{monitor.country}@{i}")


def _of_world(reading: Reading, i: int) -> Reading:
    """What a reading says of one of the worlds."""
    health, suffix = reading.health, f"@{i}"
    rows = [row for row, country in enumerate(health.country) if country.endswith(suffix)]
    own = slice(rows[0], rows[-1] + 1)  # in the order in which their posts were given
    return replace(
        reading,
        countries=[country for country in reading.countries if country.country.endswith(suffix)],
        health=Health(*(getattr(health, column.name)[own] for column in fields(Health))),
    )


def _unnamed(incident: Incident) -> tuple[int, Incident]:
    """The world that an incident is of, and the incident as it would be there."""
    names = [*incident.platforms, *([incident.country] if incident.country else [])]
    of = {int(name.rpartition("@")[2]) for name in names}
    if len(of) != 1:
        raise ValueError(f"incident {incident.id} is of worlds {sorted(of)}; each has countries of its own")
    own = structs.replace(
        incident,
        country=incident.country and incident.country.rpartition("@")[0],
        countries=tuple(name.rpartition("@")[0] for name in incident.countries),
        platforms=tuple(name.rpartition("@")[0] for name in incident.platforms),
        platforms_detail=tuple(
            structs.replace(detail, platform=detail.platform.rpartition("@")[0])
            for detail in incident.platforms_detail
        ),
    )
    return of.pop(), own


def _joined(parts: Sequence[WindowRows], first: Sequence[int]) -> Counts:
    """One window of all worlds; `first` are the numbers of their first posts."""
    columns = [np.concatenate(column) for column in list(zip(*parts, strict=True))[3:]]
    monitor = np.concatenate([part.monitor + at for part, at in zip(parts, first, strict=True)]).astype(
        np.int32
    )
    return Counts(parts[0].start, parts[0].end, monitor, *columns)


def microseconds(simulation: Simulation, settings: Settings, windows: int) -> float:
    """CPU of the bank a cell-window, once it is warm."""
    bank = Bank(settings.detection, settings.time, MECHANISMS)
    bank.add_monitors([MonitorKey(*monitor) for monitor in simulation.monitors])
    made = [Counts(*window) for window in itertools.islice(simulation.windows(), 2 * windows)]
    nobody: tuple[tuple[str, bool], ...] = ()
    for counts in made[:windows]:
        bank.close(counts, nobody)
    began = time.process_time()
    for counts in made[windows:]:
        bank.close(counts, nobody)
    return 1e6 * (time.process_time() - began) / (windows * len(simulation.cells))


def recoded(simulation: Simulation) -> Simulation:
    """The same world with the worker's codes for mechanisms."""
    return Simulation(simulation.world, simulation.seed, simulation.days, mechanisms=MECHANISMS)
