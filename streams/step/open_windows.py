"""Windows that are still open: the rows of each as they came, and what its vantages said of themselves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.readings import MonitorKey
from streams.step.ids import Ids
from streams.step.rows import OF_RESULTS, Rows, StatusRow, named, names_of, renumbered
from streams.step.windows import in_order

#: Vantages speak when they come and go; whoever speaks more often is not heard.
_STATUSES_MAX: Final = 10_000
#: So many of the late are told apart in one window: a spool of an hour has sixty of each vantage.
_LATE_MAX: Final = 50_000

#: Country, whether simulated, network, vantage, and the window of results that came too late.
LateKey = tuple[str, bool, int, str, int]
#: Country, network, vantage and whether simulated.
Source = tuple[str, int, str, bool]
#: The vantages of monitors, each with its country.
VantagesOf = Callable[[NDArray[np.int32]], Sequence[tuple[str, str]]]

#: What an open window has of each result, as `Counts` has it.
OF_WINDOW: Final = tuple(name for name in OF_RESULTS if name != "time_ms")
_TYPES: Final = tuple(OF_RESULTS[name].dtype for name in OF_WINDOW)


class StoredWindow(msgspec.Struct):
    """An open window as it is written: columns by name; the ids of its rows, then those of rows that were dropped."""

    index: int
    ids: list[str]
    columns: dict[str, bytes]
    statuses: list[StatusRow] = []
    late: list[tuple[str, bool, int, str, int, int, int]] = []
    offered: list[tuple[str, int, str, bool, int]] = []


class OpenWindow:
    """The rows of one open window, as they came, and which results were seen in it.

    A result is known by its vantage and its id: producers may count their ids from nought in each vantage. Ids that
    have not been met at all are told apart by themselves, which is what nearly always decides.

    Attributes
    ----------
    ids
        Of its rows, in their order.
    gone
        Ids of rows that were dropped with their country: what comes twice is still counted once.
    late
        Successes and results that came too late while this was the next window to close.
    offered
        Attempts that each vantage has reported in it, doubles too; only where they are limited.
    """

    __slots__ = ("_pairs", "_parts", "gone", "ids", "late", "offered", "statuses")

    def __init__(self, ids: Sequence[str] = (), gone: Iterable[str] = ()) -> None:
        self.ids = Ids(ids)
        self.gone = set(gone)
        self.statuses: list[StatusRow] = []
        self.late: dict[LateKey, tuple[int, int]] = {}
        self.offered: dict[Source, int] = {}
        self._parts: list[tuple[NDArray[np.generic], ...]] = []
        #: Made when an id is met again: most windows never need it.
        self._pairs: set[tuple[tuple[str, str], str]] | None = None

    @classmethod
    def restored(cls, stored: StoredWindow, mechanisms: Mapping[int, str]) -> OpenWindow:
        """Become what `stored` returned; `mechanisms` are the names of its codes."""
        results = len(stored.columns.get("ok", b""))
        window = cls(stored.ids[:results], stored.ids[results:])
        window.statuses = list(stored.statuses)
        window.late = {(c, s, a, v, i): (good, n) for c, s, a, v, i, good, n in stored.late}
        window.offered = {(c, a, v, s): many for c, a, v, s, many in stored.offered}
        columns = {name: OF_RESULTS[name].read(stored.columns.get(name), results) for name in OF_WINDOW}
        columns["mechanism"] = renumbered(columns["mechanism"], mechanisms)
        window._parts = [tuple(columns.values())]
        return window

    def stored(self, index: int) -> tuple[StoredWindow, dict[int, str]]:
        """The window as it is written, and the names of the mechanisms' codes in it."""
        columns = dict(zip(OF_WINDOW, self.columns(), strict=True))
        stored = StoredWindow(
            index,
            [*self.ids, *sorted(self.gone)],
            {name: column.tobytes() for name, column in columns.items()},
            in_order(self.statuses),
            [(*key, *counts) for key, counts in self.late.items()],
            [(*source, many) for source, many in sorted(self.offered.items())],
        )
        return stored, names_of(columns["mechanism"])

    def take(self, ids: list[str], monitor: NDArray[np.int32], vantages: VantagesOf) -> list[int] | None:
        """Note results. Return the places of the new ones, each at its first occurrence, or None if all are new."""
        if self._pairs is None:
            if (not self.gone or self.gone.isdisjoint(ids)) and self.ids.add_new(ids):
                return None
            mine = vantages(self.columns()[0].astype(np.int32))
            self._pairs = set(zip(mine, self.ids, strict=True))
        first = []
        for i, pair in enumerate(zip(vantages(monitor), ids, strict=True)):
            if pair not in self._pairs and pair[1] not in self.gone:
                self._pairs.add(pair)
                first.append(i)
        new = [ids[i] for i in first]
        self.ids.extend(new)
        return first

    def append(self, rows: tuple[NDArray[np.generic], ...]) -> None:
        """Add rows whose ids were taken: columns of equal length, as `columns` returns them."""
        self._parts.append(rows)

    def speak(self, status: StatusRow) -> None:
        """Take in what a vantage says of itself."""
        if len(self.statuses) < _STATUSES_MAX:
            self.statuses.append(status)

    def note_late(self, key: LateKey, good: int, n: int) -> None:
        """Count results that came too late."""
        before = self.late.get(key)
        if before is not None:
            self.late[key] = (before[0] + good, before[1] + n)
        elif len(self.late) < _LATE_MAX:
            self.late[key] = (good, n)

    def renumber(self, number: NDArray[np.int32]) -> None:
        """Give the rows' monitors their new numbers. Rows of those that have none (-1) go; their ids stay in mind."""
        monitor, *others = self.columns()
        now = number[monitor]
        kept = now >= 0
        if kept.all():
            self._parts = [(now, *others)]
            return
        ids = self.ids.aslist()
        self.gone.update(ids[i] for i in np.flatnonzero(~kept).tolist())
        self.ids = Ids(ids[i] for i in np.flatnonzero(kept).tolist())
        self._parts = [(now[kept], *(column[kept] for column in others))]
        self._pairs = None

    def columns(self) -> tuple[NDArray[np.generic], ...]:
        """Return its rows as `Counts` has them from `monitor` on: arrays of equal length, empty if it has none."""
        if not self._parts:
            return tuple(np.empty(0, dtype) for dtype in _TYPES)
        if len(self._parts) > 1:
            self._parts = [tuple(np.concatenate(column) for column in zip(*self._parts, strict=True))]
        return self._parts[0]


class OpenWindows:
    """The open windows of one partition, by their index: their start by the length of a window.

    Parameters
    ----------
    window_ms
        The length of a window, in milliseconds.
    results_max
        So many attempts of one vantage are taken in a window; None: any number.
    """

    def __init__(self, window_ms: int, results_max: int | None = None) -> None:
        self._window_ms = window_ms
        self._results_max = results_max
        self._windows: dict[int, OpenWindow] = {}

    def __contains__(self, index: int) -> bool:
        return index in self._windows

    def __iter__(self) -> Iterator[int]:
        return iter(self._windows)

    def at(self, index: int) -> OpenWindow:
        """The window of an index, which is opened if it is not."""
        return self._windows.setdefault(index, OpenWindow())

    def pop(self, index: int) -> OpenWindow:
        """Take a window out, to close it."""
        return self._windows.pop(index, None) or OpenWindow()

    def take(
        self,
        ids: list[str],
        window: NDArray[np.int64],
        good: NDArray[np.bool_],
        columns: tuple[NDArray[np.generic], ...],
        vantages_of: VantagesOf,
    ) -> tuple[int, int]:
        """Put the `good` ones of some rows into their windows, each result once.

        `window` has the index of each row's window, `columns` are those of `OF_WINDOW`. Returns how many rows were
        taken, and how many had been seen before.
        """
        taken = doubles = 0
        for index in _different(window[good]):
            chosen = np.flatnonzero(good & (window == index))
            begin, end = int(chosen[0]), int(chosen[-1]) + 1
            # The rows of a window mostly stand together: then nothing is copied.
            together = end - begin == len(chosen)
            names = ids[begin:end] if together else list(itemgetter(*chosen.tolist())(ids))
            opened = self.at(index)
            first = opened.take(names, columns[0][chosen].astype(np.int32, copy=False), vantages_of)
            if first is not None:
                doubles += len(chosen) - len(first)
                chosen, together = chosen[first], False
            rows = slice(begin, end) if together else chosen
            opened.append(tuple(column[rows] for column in columns))
            taken += len(chosen)
        return taken, doubles

    def over_limit(
        self,
        keys: Callable[[], Sequence[MonitorKey]],
        monitor: NDArray[np.int32],
        count: NDArray[np.int32],
        window: NDArray[np.int64],
        good: NDArray[np.bool_],
    ) -> list[tuple[int, str]]:
        """The rows that are one too many of their vantage in their window, with the reason. Notes all of them.

        Which ones, the order of the log says: those that came first are taken. `keys` returns the monitors by number.
        """
        most = self._results_max
        if most is None or not good.any():
            return []
        rows = np.flatnonzero(good)
        known = keys()
        over: list[tuple[int, str]] = []
        numbers, which = np.unique(monitor[rows], return_inverse=True)
        sources: dict[Source, int] = {}
        of_monitor = np.array(
            [sources.setdefault(source_of(known[number]), len(sources)) for number in numbers.tolist()],
            dtype=np.int64,
        )
        first = int(window[rows].min())
        pairs = (window[rows] - first) * len(sources) + of_monitor[which.ravel()]
        listed = list(sources)
        present, which = np.unique(pairs, return_inverse=True)
        sums = np.bincount(which.ravel(), weights=count[rows])
        for j, (pair, more) in enumerate(zip(present.tolist(), sums.tolist(), strict=True)):
            index, number = divmod(pair, len(sources))
            offered = self.at(first + index).offered
            before = offered.get(listed[number], 0)
            offered[listed[number]] = before + int(more)
            if before + more > most:
                mine = rows[which.ravel() == j]
                beyond = np.flatnonzero(before + np.cumsum(count[mine]) > most)
                why = f"{listed[number][2][:64]!a} has reported {most} attempts in this window: see trust.results_max"
                over += [(int(mine[i]), why) for i in beyond.tolist()]
        return sorted(over)

    def note_late(
        self,
        rows: Rows,
        late: NDArray[np.int64],
        watermark: NDArray[np.int64],
        keys: Callable[[], Sequence[MonitorKey]],
    ) -> None:
        """Remember which results came too late, until the next window closes: it may show that a silence was none.

        `late` are their places among the rows, `watermark` the one at each, `keys` returns the monitors by number.
        """
        if not len(late):
            return
        window_ms = self._window_ms
        monitor = rows.monitor[late].astype(np.int64)
        count, good = rows.count[late].astype(np.int64), rows.good[late].astype(np.int64)
        groups, first, which = np.unique(
            np.stack((watermark // window_ms, rows.time_ms[late] // window_ms, monitor)),
            axis=1,
            return_index=True,
            return_inverse=True,
        )
        n, k = (np.bincount(which.ravel(), weights=column).astype(np.int64) for column in (count, good))
        known = keys()
        for i in np.argsort(first).tolist():  # in the order of the log, wherever it was cut
            closing, index, number = (int(one) for one in groups[:, i])
            key = named(number, known, rows.new_monitors)
            late_key = (key.country, key.simulated, key.asn, key.vantage, index)
            self.at(closing).note_late(late_key, int(k[i]), int(n[i]))

    def monitors(self) -> Iterator[NDArray[np.generic]]:
        """The monitors' numbers of the rows of each window."""
        return (window.columns()[0] for window in self._windows.values())

    def renumber(self, number: NDArray[np.int32]) -> None:
        """`OpenWindow.renumber` in each window."""
        for window in self._windows.values():
            window.renumber(number)

    def stored(self) -> tuple[list[StoredWindow], dict[int, str]]:
        """All windows as they are written, and the names of the mechanisms' codes in them."""
        windows: list[StoredWindow] = []
        mechanisms: dict[int, str] = {}
        for index, window in sorted(self._windows.items()):
            written, names = window.stored(index)
            windows.append(written)
            mechanisms |= names
        return windows, mechanisms

    def restore(self, stored: Iterable[StoredWindow], mechanisms: Mapping[int, str]) -> None:
        """Have what `stored` returned, and nothing else."""
        self._windows = {one.index: OpenWindow.restored(one, mechanisms) for one in stored}


def source_of(key: MonitorKey) -> Source:
    """Whose results a monitor's are."""
    return key.country, key.asn, key.vantage, key.simulated


def _different(windows: NDArray[np.int64]) -> list[int]:
    """The different ones of some windows, ascending."""
    if not len(windows):
        return []
    first, last = int(windows.min()), int(windows.max())
    if last - first >= len(windows):
        return [int(index) for index in np.unique(windows)]
    return [first + int(index) for index in np.flatnonzero(np.bincount(windows - first))]
