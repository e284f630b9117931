"""The monitors of one partition: who was let in, by which number, and by which one the bank knows them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Final

import numpy as np
from numpy.typing import NDArray

from detectors.columns.bank import Bank
from detectors.readings import MonitorKey
from streams.settings import LimitSettings
from streams.step.admission import Admission
from streams.step.rows import RowReader

_NOBODY: Final = np.empty(0, dtype=np.int32)


class Monitors:
    """Monitors by number, in the order in which they were let in.

    The bank has numbers of its own: it meets a monitor in the first closed window in which that has results.

    Parameters
    ----------
    limits
        How many names of each kind a country may have.
    bank
        Meets the monitors.
    in_bank
        The bank's number of each, as it was written.
    waiting
        Those that the bank has not met, in the order of their numbers.

    Attributes
    ----------
    in_bank
        The bank's number of each monitor, -1 where the bank has not met it.
    reader
        Reads results by the numbers of their monitors.
    full
        Countries in which there was no room for a name, real or simulated, since `take_full` was called.
    """

    def __init__(
        self,
        limits: LimitSettings,
        bank: Bank,
        *,
        in_bank: NDArray[np.int32] = _NOBODY,
        waiting: Sequence[MonitorKey] = (),
    ) -> None:
        self.in_bank = in_bank
        self.reader = RowReader()
        self._limits = limits
        self._bank = bank
        self._keys: list[MonitorKey] | None = None  # of each, once they are asked for
        self._waiting = len(waiting)
        self.full: set[tuple[str, bool]] = set()
        known, unmet = bank.monitors, iter(waiting)
        monitors = [known[number] if number >= 0 else next(unmet) for number in in_bank.tolist()]
        self.reader.learn(monitors)
        self._admission = Admission(limits, monitors)

    def all(self) -> list[MonitorKey]:
        """All of them, in the order of their numbers; made anew."""
        known, unmet = self._bank.monitors, self.waiting()
        return [known[number] if number >= 0 else next(unmet) for number in self.in_bank.tolist()]

    def known(self) -> list[MonitorKey]:
        """All of them, in the order of their numbers; kept at hand, and not to be changed."""
        if self._keys is None or len(self._keys) != len(self.in_bank):
            self._keys = self.all()
        return self._keys

    def waiting(self) -> Iterator[MonitorKey]:
        """Those that the bank has not met, in the order of their numbers."""
        return self.reader.named(np.flatnonzero(self.in_bank < 0))

    def vantages_of(self, monitor: NDArray[np.int32]) -> list[tuple[str, str]]:
        """Country and vantage of monitors, by their numbers."""
        if not len(monitor):
            return []
        keys = self.known()
        return [(keys[number].country, keys[number].vantage) for number in monitor.tolist()]

    def let_in(
        self, new: Sequence[MonitorKey], monitor: NDArray[np.int32], good: NDArray[np.bool_]
    ) -> tuple[NDArray[np.int32], list[tuple[int, str]]]:
        """Let new monitors in, in the order of their first `good` rows; a row has -1 - its place among the new ones.

        Returns each row's monitor, and the rows of those for whom there is no room, with the reason.
        """
        rows = np.flatnonzero(good & (monitor < 0))
        if not len(rows):
            return monitor, []
        fresh, first = np.unique(monitor[rows], return_index=True)
        order = (-1 - fresh[np.argsort(first)]).tolist()
        number = np.full(len(new), -1, dtype=np.int32)
        number[order] = self.reader.numbers_of([new[j] for j in order])
        taken: dict[MonitorKey, list[int]] = {}
        obstacles: dict[int, str] = {}
        for j in order:
            if number[j] >= 0:  # it was let in before the turn of the day
                continue
            key = self._admission.fitted(new[j])
            if key is not new[j] and key._replace(target="") != new[j]._replace(target=""):
                self.full.add((key.country, key.simulated))
            if key in taken:
                taken[key].append(j)
            elif key != new[j] and (known := int(self.reader.numbers_of([key])[0])) >= 0:
                number[j] = known
            elif obstacle := self._admission.let_in(key):
                obstacles[j] = obstacle
                self.full.add((key.country, key.simulated))
            else:
                taken[key] = [j]
        self._number(taken, number)
        monitor = monitor.copy()
        unknown = -1 - monitor[rows]
        monitor[rows] = number[unknown]
        return monitor, [
            (row, obstacles[j])
            for row, j in zip(rows.tolist(), unknown.tolist(), strict=True)
            if j in obstacles
        ]

    def _number(self, taken: dict[MonitorKey, list[int]], number: NDArray[np.int32]) -> None:
        """Give new monitors their numbers, and write these into the places that each stands at."""
        places = list(taken.values())
        given = self.reader.learn(list(taken))
        if taken:
            number[list(chain.from_iterable(places))] = np.repeat(given, [len(each) for each in places])
        self._waiting += len(taken)
        if self._keys is not None:
            self._keys += taken
        self.in_bank = np.concatenate((self.in_bank, np.full(len(taken), -1, dtype=np.int32)))

    def to_bank(self, monitor: NDArray[np.int32]) -> NDArray[np.int32]:
        """The bank's numbers of the monitors of a closed window's rows. It meets those that are new to it here.

        So a bank knows a monitor from the first window on in which it has results, and in an order that depends on
        neither the order of the rows nor where chunks were cut.
        """
        if self._waiting:
            new = np.unique(monitor[self.in_bank[monitor] < 0])
            if len(new):
                known = len(self.in_bank) - self._waiting
                order = self.reader.ordered(new.astype(np.int64))
                self._bank.add_monitors(self.reader.named(order))
                self.in_bank[order] = np.arange(known, known + len(order), dtype=np.int32)
                self._waiting -= len(order)
        return self.in_bank[monitor]

    def of_bank(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Which of the bank's monitors are among the `chosen` ones of all."""
        mask = np.zeros(len(self._bank.monitors), dtype=np.bool_)
        mask[self.in_bank[chosen & (self.in_bank >= 0)]] = True
        return mask

    def follow(self, number: NDArray[np.int64]) -> None:
        """The bank has given its monitors these numbers; -1 is one that it has forgotten."""
        self.in_bank = np.where(self.in_bank >= 0, number[self.in_bank], -1).astype(np.int32)

    def keep(self, stays: NDArray[np.bool_], known: Sequence[MonitorKey]) -> NDArray[np.int32]:
        """Go on with some of them alone. Returns the new number of each, -1 for one that is gone.

        `known` are all, as `all` returned them before the bank forgot any.
        """
        number = np.where(stays, np.cumsum(stays) - 1, -1).astype(np.int32)
        self.in_bank = self.in_bank[stays]
        self._keys = None
        left = [known[old] for old in np.flatnonzero(stays).tolist()]
        self._waiting = int(np.count_nonzero(self.in_bank < 0))
        self.reader = self.reader.fresh()
        self.reader.learn(left)
        self._admission = Admission(self._limits, left)
        return number

    def take_full(self) -> set[tuple[str, bool]]:
        """Return where names are given up to make room: those in `full`, or all where nobody has room. Empties it."""
        full, self.full = self.full, set()
        # Somebody else's names may be those that take the room.
        return self._admission.countries if full and self._admission.full else full
