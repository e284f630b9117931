"""Which series a vantage's results belong to: numbers for networks, regions and countries, in order of appearance.

Knows names, not numbers of results. There are many more monitors and cells than names: what is kept of each is a few
numbers in arrays.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from detectors.asked import Cells
from detectors.columns import compiled
from detectors.columns.table import Ints, Numbers, StoredColumn, load_column, store_column
from detectors.readings import MonitorKey

K = TypeVar("K")

_RIGHT_BITS: Final = 32
_RIGHT_MASK: Final = (1 << _RIGHT_BITS) - 1
_MONITOR_COLUMNS: Final = ("group", "asn", "region", "vantage", "target")


class Numbering(dict[K, int]):
    """Numbers for names, from 0, in order of appearance."""

    def numbers(self, names: Iterable[K]) -> Ints:
        """The number of each name; one never seen gets the next."""
        return np.array([self.setdefault(name, len(self)) for name in names], dtype=np.int64)


class Pairs:
    """Numbers for pairs of numbers, from 0, in order of appearance: 12 bytes a pair, 28 once they were read back.

    The first number is below 2^31, the second below 2^32.

    >>> pairs = Pairs()
    >>> pairs.numbers(np.array([7, 3, 7]), np.array([1, 1, 1])).tolist(), pairs.left.tolist()
    ([0, 1, 0], [7, 3])
    """

    def __init__(self) -> None:
        self._ascending: Ints = np.empty(0, dtype=np.int64)  # the pairs, each as one number
        self._order: NDArray[np.int32] = np.empty(0, dtype=np.int32)  # and their numbers
        self._key: Ints | None = None  # the pairs, by their numbers
        self._left: Ints | None = None

    def __len__(self) -> int:
        return len(self._order)

    @property
    def left(self) -> Ints:
        """The first number of each pair."""
        if self._left is None:
            # Both together are asked for at an incident; until then it is twice as much as is needed.
            self._left = (self._in_order() if self._key is None else self._key) >> _RIGHT_BITS
        return self._left

    def right(self, pairs: Numbers | slice = slice(None)) -> Ints:
        """The second number of some pairs."""
        return self._keys()[pairs] & _RIGHT_MASK

    def of(self, pairs: Numbers) -> tuple[Ints, Ints]:
        """Both numbers of some pairs. Keeps nothing in mind for the next time, as `left` and `right` do."""
        keys = (self._in_order() if self._key is None else self._key)[pairs]
        return keys >> _RIGHT_BITS, keys & _RIGHT_MASK

    def _keys(self) -> Ints:
        if self._key is None:
            self._key = self._in_order()
        return self._key

    def _in_order(self) -> Ints:
        keys = np.empty_like(self._ascending)
        keys[self._order] = self._ascending
        return keys

    def find(self, left: Ints, right: Ints) -> Ints:
        """Return the number of each pair, -1 for an unknown one."""
        return self._find((left << _RIGHT_BITS) | right)

    def numbers(self, left: Ints, right: Ints) -> Ints:
        """The number of each pair; one never seen gets the next."""
        key = (left << _RIGHT_BITS) | right
        places = self._find(key)
        unknown = (places < 0).nonzero()[0]
        if len(unknown):
            if len(unknown) == 1:
                fresh, which = key[unknown], slice(None)
                number = np.array([len(self)])
            else:
                fresh, first, which = np.unique(key[unknown], return_index=True, return_inverse=True)
                number = np.empty(len(fresh), dtype=np.int64)
                number[first.argsort()] = np.arange(len(self), len(self) + len(fresh))
            places[unknown] = number[which]
            self._insert(fresh, number)
        return places

    def _insert(self, fresh: Ints, number: Ints) -> None:
        """Take in ascending pairs and their numbers: both arrays are opened at the same places."""
        place = self._ascending.searchsorted(fresh) + np.arange(len(fresh))
        old = np.ones(len(self) + len(fresh), dtype=np.bool_)
        old[place] = False
        ascending, order = np.empty(len(old), dtype=np.int64), np.empty(len(old), dtype=np.int32)
        ascending[place], order[place] = fresh, number
        ascending[old], order[old] = self._ascending, self._order
        self._ascending, self._order = ascending, order
        self._key = self._left = None

    def _find(self, key: Ints) -> Ints:
        if not len(self):
            return np.full(len(key), -1, dtype=np.int64)
        if compiled.stages is not None:
            return np.asarray(compiled.stages.find_pairs(self._ascending, self._order, key))
        place = np.minimum(self._ascending.searchsorted(key), len(self) - 1)
        return np.where(self._ascending[place] == key, self._order[place].astype(np.int64), -1)


class StoredLayout(msgspec.Struct):
    """All monitors as they are written: names once, and columns of their numbers."""

    groups: list[tuple[str, str, bool]]
    regions: list[str]
    vantages: list[str]
    monitors: dict[str, StoredColumn]
    targets: list[str] = msgspec.field(default_factory=lambda: [""])


class Layout:
    """The series there are, and which belongs to which.

    A *seat* is one vantage on one platform, and has one vote; a *monitor* is a seat's look at one target; a *cell* one
    network on one platform; a *group* one country on one platform; a *part* what one region has of one cell; a
    *region* one region on one platform; an *address* one target of one country's platform; a *network* all platforms
    of one network; a *place* one country, real or simulated. `a_b` is the number of each a's b.
    """

    def __init__(self) -> None:
        self.places: Numbering[tuple[str, bool]] = Numbering()  # (country, simulated)
        self.groups: Numbering[tuple[str, str, bool]] = Numbering()  # (platform, country, simulated)
        self.group_names: list[tuple[str, str, bool]] = []
        self.group_place: Ints = np.empty(0, dtype=np.int64)
        self.networks = Pairs()  # (place, asn)
        self.cells = Pairs()  # (group, asn)
        self.regions = Pairs()  # (group, name)
        self.parts = Pairs()  # (region, cell)
        self.vantages = Pairs()  # (network, name)
        self.seats = Pairs()  # (vantage, where it sits)
        self.addresses = Pairs()  # (group, target's name)
        self.cell_network: Ints = np.empty(0, dtype=np.int64)
        # Where there are no regions a seat's part is -1.
        self.seat_cell: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self.seat_part: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self.seat_vantage: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self.monitor_seat: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self.monitor_address: NDArray[np.int32] = np.empty(0, dtype=np.int32)
        self._cell_of_monitor = self.monitor_seat
        self._region_of_vantage: tuple[int, Ints] = (0, np.empty(0, dtype=np.int64))
        self._target_names: Numbering[str] = Numbering()
        self._target_names.numbers([""])  # none was given
        self._region_names: Numbering[str] = Numbering()
        self._region_names.numbers([""])  # none was given
        self._vantage_names: Numbering[str] = Numbering()
        self._named: NamedCells | None = None

    def __len__(self) -> int:
        """How many monitors there are."""
        return len(self.monitor_seat)

    @property
    def cell_group(self) -> Ints:
        """The country's platform of each cell."""
        return self.cells.left

    @property
    def network_place(self) -> Ints:
        """The country of each network."""
        return self.networks.left

    @property
    def region_group(self) -> Ints:
        """The country's platform of each region."""
        return self.regions.left

    @property
    def part_region(self) -> Ints:
        """The region of each part."""
        return self.parts.left

    @property
    def part_cell(self) -> Ints:
        """The cell of each part."""
        return self.parts.right()

    @property
    def vantage_network(self) -> Ints:
        """The network of each vantage."""
        return self.vantages.left

    @property
    def vantage_region(self) -> Ints:
        """The name's number of the region from which each vantage reports; 0 for none, -1 for several."""
        seats, known = self._region_of_vantage
        if seats != len(self.seat_cell) or len(known) != len(self.vantages):
            name = np.zeros(len(self.seat_cell), dtype=np.int64)
            given = np.flatnonzero(self.seat_part >= 0)
            name[given] = self.regions.right(self.part_region[self.seat_part[given]])
            least = np.full(len(self.vantages), np.iinfo(np.int64).max)
            most = np.zeros(len(self.vantages), dtype=np.int64)
            np.minimum.at(least, self.seat_vantage, name)
            np.maximum.at(most, self.seat_vantage, name)
            known = np.where(least == most, most, -1)
            self._region_of_vantage = (len(self.seat_cell), known)
        return known

    @property
    def monitor_cell(self) -> NDArray[np.int32]:
        """The cell of each monitor."""
        if len(self._cell_of_monitor) < len(self):
            one_each = np.array_equal(self.monitor_seat, np.arange(len(self.seat_cell)))
            self._cell_of_monitor = self.seat_cell if one_each else self.seat_cell[self.monitor_seat]
        return self._cell_of_monitor

    def cells_of(self, monitors: Numbers) -> NDArray[np.int32]:
        """The cells of some monitors."""
        return self.monitor_cell[monitors]

    @property
    def address_group(self) -> Ints:
        """The country's platform of each address."""
        return self.addresses.left

    def vantages_of(self, seats: Ints, series: Numbers, size: int) -> Ints:
        """How many different vantages each of `size` series has among `seats`, of which `series` says the series."""
        if len(self.regions):
            many = max(1, len(self.vantages))
            series = np.unique(series.astype(np.int64) * many + self.seat_vantage[seats]) // many
        # Else none is there twice: a vantage without regions has one seat on a platform.
        return np.bincount(series, minlength=size)

    def add(self, monitors: Iterable[MonitorKey]) -> None:
        """Take monitors in, in their order. Holds none of them, for there may be many."""
        groups, regions, vantages = self.groups, self._region_names, self._vantage_names
        targets, numbers = self._target_names, array("q")
        for platform, country, region, asn, vantage, simulated, target in monitors:
            group = platform, country, simulated
            numbers.append(groups.setdefault(group, len(groups)))
            numbers.append(asn)
            numbers.append(regions.setdefault(region, len(regions)))
            numbers.append(vantages.setdefault(vantage, len(vantages)))
            numbers.append(targets.setdefault(target, len(targets)))
        self._take(*np.array(numbers, dtype=np.int64).reshape(-1, len(_MONITOR_COLUMNS)).T.copy())

    def _take(self, group: Ints, asn: Ints, region: Ints, vantage: Ints, target: Ints) -> None:
        """Take monitors in, of which the groups and the names are numbered."""
        new = list(self.groups)[len(self.group_names) :]
        self.group_names += new
        places = self.places.numbers((country, simulated) for _, country, simulated in new)
        self.group_place = np.concatenate((self.group_place, places))
        network = self.networks.numbers(self.group_place[group], asn)
        cell = self.cells.numbers(group, asn)
        cell_network = np.empty(len(self.cells), dtype=np.int64)
        cell_network[: len(self.cell_network)] = self.cell_network
        cell_network[cell] = network
        self.cell_network = cell_network
        part = np.full(len(cell), -1, dtype=np.int64)
        given = np.flatnonzero(region)
        if len(given):
            part[given] = self.parts.numbers(self.regions.numbers(group[given], region[given]), cell[given])
        seen_from = self.vantages.numbers(network, vantage)
        # A vantage that is told of in two regions sits twice.
        seat = self.seats.numbers(seen_from, np.where(part >= 0, 2 * part + 1, 2 * cell))
        fresh, first = np.unique(seat, return_index=True)
        first = first[fresh >= len(self.seat_cell)]
        self.seat_cell = np.concatenate((self.seat_cell, cell[first].astype(np.int32)))
        self.seat_part = np.concatenate((self.seat_part, part[first].astype(np.int32)))
        self.seat_vantage = np.concatenate((self.seat_vantage, seen_from[first].astype(np.int32)))
        address = self.addresses.numbers(group, target)
        self.monitor_seat = np.concatenate((self.monitor_seat, seat.astype(np.int32)))
        self.monitor_address = np.concatenate((self.monitor_address, address.astype(np.int32)))

    def vantages_named(
        self, country: str, asn: int, vantage: str, kinds: Iterable[bool] = (False, True)
    ) -> list[int]:
        """The numbers of a vantage that is named by country, network and name: real, simulated, both or none.

        `kinds` says which of them are meant: whether simulated.
        """
        if vantage not in self._vantage_names:
            return []
        name = self._vantage_names[vantage]
        numbers = []
        for simulated in kinds:
            if (country, simulated) not in self.places:
                continue
            place = np.array([self.places[country, simulated]], dtype=np.int64)
            network = self.networks.find(place, np.array([asn], dtype=np.int64))
            if network[0] >= 0:
                numbers.append(int(self.vantages.find(network, np.array([name], dtype=np.int64))[0]))
        return [number for number in numbers if number >= 0]

    # names

    @property
    def monitors(self) -> list[MonitorKey]:
        """All monitors, in their order; made anew each time."""
        names, regions, vantages = self.group_names, list(self._region_names), list(self._vantage_names)
        targets = list(self._target_names)
        return [
            MonitorKey(
                names[group][0],
                names[group][1],
                regions[region],
                asn,
                vantages[vantage],
                names[group][2],
                targets[target],
            )
            for group, asn, region, vantage, target in zip(
                *(column.tolist() for column in self._numbers()), strict=True
            )
        ]

    def _numbers(self) -> tuple[Ints, ...]:
        """Group, asn, region's name, vantage's name and target's name of each monitor."""
        seat = self.monitor_seat
        part = self.seat_part[seat]
        given = np.flatnonzero(part >= 0)
        region = np.zeros(len(self), dtype=np.int64)
        region[given] = self.regions.right(self.part_region[part[given]])
        cell = self.seat_cell[seat]
        return (
            self.cell_group[cell],
            self.cells.right(cell),
            region,
            self.vantages.right(self.seat_vantage[seat]),
            self.addresses.right(self.monitor_address),
        )

    def cell_names(self, cells: Ints) -> list[tuple[str, str, int, bool]]:
        """Platform, country, asn and whether simulated, of some cells."""
        groups = [self.group_names[group] for group in self.cell_group[cells].tolist()]
        asns = self.cells.right(cells).tolist()
        return [(*group[:2], asn, group[2]) for group, asn in zip(groups, asns, strict=True)]

    def cell_keys(self, cells: Ints) -> list[tuple[str, int]]:
        """Platform and asn of some cells: all that tells those of one country apart."""
        names = map(self.group_names.__getitem__, self.cell_group[cells].tolist())
        return list(zip(map(itemgetter(0), names), self.cells.right(cells).tolist(), strict=True))

    def named(self, cells: Ints) -> NamedCells:
        """Some cells with their names; those that were named last are kept: mostly the same are asked for again."""
        if self._named is None or not np.array_equal(cells, self._named.cells):
            self._named = NamedCells(self, cells)
        return self._named

    def forget_names(self) -> None:
        """Keep no names of cells."""
        self._named = None

    def name_of_region(self, number: int) -> str:
        """The region of a number that `vantage_region` gives."""
        return list(self._region_names)[number]

    def region_names(self, regions: Ints) -> list[str]:
        """The names of some regions."""
        names = list(self._region_names)
        return [names[name] for name in self.regions.right(regions).tolist()]

    def target_names(self, addresses: Ints) -> list[str]:
        """The targets of some addresses."""
        names = list(self._target_names)
        return [names[name] for name in self.addresses.right(addresses).tolist()]

    def homes(self, networks: Ints) -> Mapping[int, Sequence[str]]:
        """Return the regions, sorted by name, from which each of some networks reports. A network may have none."""
        chosen = np.zeros(len(self.networks), dtype=np.bool_)
        chosen[networks] = True
        network = self.cell_network[self.part_cell]
        parts = np.flatnonzero(chosen[network])
        homes: dict[int, set[str]] = {}
        names = self.region_names(self.part_region[parts])
        for number, name in zip(network[parts].tolist(), names, strict=True):
            homes.setdefault(number, set()).add(name)
        return {number: tuple(sorted(names)) for number, names in homes.items()}

    # keeping

    def store(self) -> StoredLayout:
        """All monitors, as plain bytes."""
        columns = dict(zip(_MONITOR_COLUMNS, self._numbers(), strict=True))
        return StoredLayout(
            self.group_names,
            list(self._region_names),
            list(self._vantage_names),
            {name: store_column(column.astype(np.uint32)) for name, column in columns.items()},
            list(self._target_names),
        )

    @classmethod
    def load(cls, stored: StoredLayout) -> Layout:
        """What `store` gave. Raises ValueError where that is damaged."""
        made = cls()
        if "group" not in stored.monitors:
            raise ValueError("monitors: the column of their groups is missing")
        shape = stored.monitors["group"].shape
        group, asn, region, vantage, target = (
            load_column(stored.monitors[name], np.uint32, shape, f"monitors.{name}").astype(np.int64)
            if name in stored.monitors
            else np.zeros(shape, dtype=np.int64)  # a column added since: number 0 for all
            for name in _MONITOR_COLUMNS
        )
        made.groups.numbers(stored.groups)
        made._region_names.numbers(stored.regions)
        made._vantage_names.numbers(stored.vantages)
        made._target_names.numbers(stored.targets)
        for column, names in (
            (group, made.groups),
            (region, made._region_names),
            (vantage, made._vantage_names),
            (target, made._target_names),
        ):
            if len(column) and column.max() >= len(names):
                raise ValueError(f"monitors: number {column.max()} of {len(names)} names")
        made._take(group, asn, region, vantage, target)
        return made


class NamedCells:
    """Some cells, ascending, and what tells those of one country apart."""

    def __init__(self, layout: Layout, cells: Ints) -> None:
        self.cells = cells
        self._keys = Cells(layout.cell_keys(cells))
        self._place = layout.group_place[layout.cell_group[cells]]
        self._of: dict[int, tuple[Ints, Cells]] = {}

    def of(self, place: int, columns: Sequence[NDArray[Any]]) -> tuple[Cells, Sequence[NDArray[Any]]]:
        """The cells of one place, and its rows of some columns that have one for each cell."""
        if place not in self._of:
            rows = np.flatnonzero(self._place == place)
            every = len(rows) == len(self.cells)
            self._of[place] = rows, self._keys if every else Cells([self._keys[row] for row in rows.tolist()])
        rows, keys = self._of[place]
        if keys is self._keys:
            return keys, columns
        return keys, [column[rows] for column in columns]
