"""netdusk's own detection on a simulated world: the bank and the assembler of the worker, fed with columns."""

from __future__ import annotations

import itertools
import time

from benchmarks.detectors.judge import Outcome
from detectors.assembler import Assembler
from detectors.bank import Bank
from detectors.readings import Counts, PostKey
from producers.worlds import Simulation
from streams.incidents import DETECTOR_VERSION, to_record
from streams.records import Incident
from streams.rows import MECHANISMS
from streams.settings import Settings, fingerprint
from streams.world import WorldStep


def run(simulation: Simulation, settings: Settings) -> Outcome:
    """Incidents of a world. The cost counted is the bank's: the numbers, without assembly and without JSON."""
    bank = Bank(settings.detection, settings.time, MECHANISMS)
    assembler = Assembler(settings.incidents, settings.time, DETECTOR_VERSION, fingerprint(settings))
    outside = WorldStep(settings)
    bank.add_posts([PostKey(*post) for post in simulation.posts])
    incidents: list[Incident] = []
    spent, windows = 0.0, 0
    for window in simulation.windows():
        counts = Counts(*window)
        began = time.process_time()
        reading = bank.close(counts, assembler.watch)
        spent += time.process_time() - began
        windows += 1
        told = [to_record(snapshot) for snapshot in assembler.step(reading)]
        told.extend(outside.step(reading))
        incidents += told
    return Outcome(incidents, spent, windows * len(simulation.cells))


def microseconds(simulation: Simulation, settings: Settings, windows: int) -> float:
    """CPU of the bank a cell-window, once it is warm."""
    bank = Bank(settings.detection, settings.time, MECHANISMS)
    bank.add_posts([PostKey(*post) for post in simulation.posts])
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
