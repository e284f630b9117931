"""Which series belong to open incidents: what these have lost must not become usual.

Names come in, numbers of series go out; what follows from it is each table's business.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np

from detectors.columns.layout import Layout
from detectors.columns.table import Bools, Floats, Ints
from detectors.readings import Congestion, PartKey, Spell

Holding = Mapping[tuple[str, bool], Collection[PartKey]]
Settling = Mapping[tuple[str, bool], Mapping[PartKey, float]]
Passing = Mapping[tuple[str, bool], Mapping[PartKey, Spell | Congestion]]


class Held:
    """The networks on platforms that belong to open incidents, looked up once for the same parts."""

    def __init__(self) -> None:
        self._asked: tuple[Holding, int, int] | None = None
        self._cells: Bools | None = None

    def cells(self, layout: Layout, holding: Holding) -> Bools | None:
        """Return for each cell whether an incident holds it, or None if none is held."""
        if not holding:
            return None
        asked = (holding, len(layout.cells), len(layout.parts))
        if asked != self._asked:
            cells = np.zeros(len(layout.cells), dtype=np.bool_)
            for (country, simulated), parts in holding.items():
                # Of a crowd hundreds are held: those of a platform are looked up together.
                by_platform: dict[str, list[int]] = {}
                for part in parts:
                    platform, asn, region = part
                    if platform and not region:
                        by_platform.setdefault(platform, []).append(asn)
                    else:
                        cells[cells_of(layout, country, simulated, part)] = True
                for platform, asns in by_platform.items():
                    cells[_cells_on(layout, country, simulated, platform, asns)] = True
            self._asked, self._cells = asked, cells
        return self._cells


def cells_of(layout: Layout, country: str, simulated: bool, part: PartKey) -> Ints:
    """The cells of a part: one, those of a network (platform ""), or those that report from a region."""
    platform, asn, region = part
    nothing = np.empty(0, dtype=np.int64)
    if not platform:
        place = layout.places.get((country, simulated))
        if place is None:
            return nothing
        network = layout.networks.find(np.array([place]), np.array([asn]))[0]
        return np.flatnonzero(layout.cell_network == network) if network >= 0 else nothing
    if not region:
        return _cells_on(layout, country, simulated, platform, [asn])
    group = layout.groups.get((platform, country, simulated))
    if group is None:
        return nothing
    regions = np.flatnonzero(layout.region_group == group)
    named = [
        row
        for row, name in zip(regions.tolist(), layout.region_names(regions), strict=True)
        if name == region
    ]
    return np.unique(layout.part_cell[np.isin(layout.part_region, named)])


def _cells_on(layout: Layout, country: str, simulated: bool, platform: str, asns: Sequence[int]) -> Ints:
    """The cells of some networks on a platform."""
    group = layout.groups.get((platform, country, simulated))
    if group is None:
        return np.empty(0, dtype=np.int64)
    cell = layout.cells.find(np.full(len(asns), group), np.array(asns, dtype=np.int64))
    return cell[cell >= 0]


def settled_cells(layout: Layout, settling: Settling) -> tuple[Ints, Floats]:
    """The cells of parts that are over at another level, and that level.

    Regions are left out: what one of them has says nothing of its networks.
    """
    rows: list[int] = []
    levels: list[float] = []
    for (country, simulated), parts in sorted(settling.items()):
        for part, level in sorted(parts.items()):
            if part[0] and not part[2]:
                cells = cells_of(layout, country, simulated, part)
                rows.extend(cells.tolist())
                levels.extend([level] * len(cells))
    return np.array(rows, dtype=np.int64), np.array(levels)


def spells_of(layout: Layout, passing: Passing) -> Iterator[tuple[Ints, Spell | Congestion]]:
    """The cells of parts that were a little worse for some hours, with those hours; regions are left out here too."""
    for (country, simulated), parts in sorted(passing.items()):
        for part, spell in sorted(parts.items()):
            if part[0] and not part[2]:
                yield cells_of(layout, country, simulated, part), spell
