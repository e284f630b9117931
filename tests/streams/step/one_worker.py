"""One worker of the usual settings over the contracts' log: it runs once, for all tests that begin with it."""

from __future__ import annotations

from functools import cache

from streams.records import Incident
from streams.settings import load
from streams.step.country import CountryMachine
from tests.contracts.scenario import BEGIN, KILLED, fed, log

END = KILLED + 60
USUAL = load()


@cache
def _run() -> tuple[list[bytes], list[int], list[Incident]]:
    """After each minute: what it keeps, and how many records it has told; and all of these."""
    machine = CountryMachine(USUAL)
    kept, counts, told = [machine.snapshot()], [0], list[Incident]()
    for chunk in log(END):
        told += fed(machine, [chunk])
        kept.append(machine.snapshot())
        counts.append(len(told))
    return kept, counts, told


def usual_until(minute: int) -> tuple[bytes, tuple[Incident, ...]]:
    """What it keeps at that minute, and what it has told."""
    kept, counts, told = _run()
    return kept[minute - BEGIN], tuple(told[: counts[minute - BEGIN]])
