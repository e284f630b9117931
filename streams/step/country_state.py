"""What a `CountryMachine` keeps, as it is written."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from detectors.readings import MonitorKey
from detectors.single.signals import Key as SignalKey
from detectors.single.signals import SignalSeries
from streams.records import Arrivals, Vantage
from streams.step.open_windows import StoredWindow
from streams.step.placement import PlacementState
from streams.step.rows import StatusRow


@dataclass(slots=True)
class Totals:
    """What became of every record read, since the beginning of the log."""

    applied: int = 0
    late: int = 0
    duplicate: int = 0
    rejected: int = 0
    ticks: int = 0
    # Of those applied, results that have no vote.
    unregistered: int = 0


class CountryState(msgspec.Struct):
    """A `CountryMachine` as it is written; `mechanisms` are the names of the codes in its windows."""

    version: int
    clock_ms: int | None
    cursor: int | None
    next_offset: int
    totals: Totals
    mechanisms: dict[int, str]
    windows: list[StoredWindow]
    bank: bytes
    assembler: bytes
    in_bank: bytes
    waiting: list[MonitorKey]
    deaf: list[tuple[int, int]] = []
    hold: tuple[int, int] | None = None
    rested: int = 0
    placement: PlacementState = msgspec.field(default_factory=PlacementState)
    arrivals: list[Arrivals] = []
    # Kept under an older name.
    full: list[tuple[str, bool]] = msgspec.field(default_factory=list, name="crowded")
    signals: list[tuple[SignalKey, SignalSeries]] = []
    register: list[Vantage] = []
    sequences: dict[str, int] = {}
    # The machine of those without a vote; empty where everybody has one.
    strangers: bytes = b""
    promises: list[StatusRow] = []
    salt: bytes = b""
