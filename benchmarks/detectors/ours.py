"""netdusk's own detection on a simulated world: the bank and the assembler of the worker, fed with columns."""

from __future__ import annotations

import itertools
import time
from collections.abc import Sequence

from benchmarks.detectors.judge import Outcome
from detectors.columns.bank import Bank
from detectors.incidents.assembler import Assembler
from detectors.readings import Counts, MonitorKey
from producers.simulated.worlds import Simulation
from streams.incidents import DETECTOR_VERSION, to_record
from streams.records import Incident
from streams.settings import Settings, fingerprint
from streams.step.rows import MECHANISMS
from streams.step.worldwide import WorldStep


def run(simulations: Sequence[Simulation], settings: Settings) -> list[Outcome]:
    """What is told of each world, which has a bank to itself: countries that are watched together hear of each other.

    The cost counted is the bank's: the numbers, without assembly and without JSON.
    """
    return [_run(simulation, settings) for simulation in simulations]


def _run(simulation: Simulation, settings: Settings) -> Outcome:
    bank = Bank(settings.detection, settings.time, MECHANISMS)
    assembler = Assembler(settings.incidents, settings.time, DETECTOR_VERSION, fingerprint(settings))
    outside = WorldStep(settings)
    bank.add_monitors([MonitorKey(*monitor) for monitor in simulation.monitors])
    told: list[Incident] = []
    spent, windows = 0.0, 0
    for window in simulation.windows():
        counts = Counts(*window)
        began = time.process_time()
        reading = bank.close(
            counts, assembler.watch, assembler.holding, assembler.settling, assembler.passing
        )
        spent += time.process_time() - began
        windows += 1
        told.extend(to_record(snapshot) for snapshot in assembler.step(reading))
        told.extend(outside.step(reading))
    return Outcome(told, spent, windows * len(simulation.cells))


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
