"""Which series a vantage's results belong to: numbers for networks, regions and countries, in order of appearance.

Knows names, not numbers of results.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

import numpy as np

from detectors.columns import Ints
from detectors.readings import PostKey

K = TypeVar("K")


class Numbering(dict[K, int]):
    """Numbers for names, from 0, in order of appearance."""

    def number(self, name: K) -> tuple[int, bool]:
        """The number of a name, and whether it is new."""
        found = self.get(name)
        if found is not None:
            return found, False
        self[name] = len(self)
        return self[name], True


class Links:
    """A growing column that says to which other series each belongs."""

    def __init__(self) -> None:
        self._values: list[int] = []
        self._column: Ints = np.empty(0, dtype=np.int64)

    def add(self, value: int) -> None:
        """Append one."""
        self._values.append(value)

    @property
    def column(self) -> Ints:
        """All of them."""
        if self._values:
            self._column = np.concatenate([self._column, np.array(self._values, dtype=np.int64)])
            self._values = []
        return self._column


class Layout:
    """The series there are, and which belongs to which.

    A *post* is one vantage on one platform; a *cell* one network on one platform; a *group* one country on one
    platform; a *part* what one region has of one cell; a *region* one region on one platform; a *network* all
    platforms of one network; a *place* one country, real or simulated.
    """

    def __init__(self) -> None:
        self.posts: list[PostKey] = []
        self.cells: Numbering[tuple[int, int]] = Numbering()  # (group, asn)
        self.groups: Numbering[tuple[str, str, bool]] = Numbering()  # (platform, country, simulated)
        self.regions: Numbering[tuple[int, str]] = Numbering()  # (group, region)
        self.parts: Numbering[tuple[int, int]] = Numbering()  # (region, cell)
        self.networks: Numbering[tuple[int, int]] = Numbering()  # (place, asn)
        self.places: Numbering[tuple[str, bool]] = Numbering()  # (country, simulated)
        self.vantages: Numbering[tuple[int, str]] = Numbering()  # (network, vantage)
        self.post_cell, self.post_part, self.post_vantage = Links(), Links(), Links()
        self.cell_group, self.cell_network = Links(), Links()
        self.part_cell, self.part_region = Links(), Links()
        self.region_group = Links()
        self.group_place = Links()
        self.network_place = Links()
        self.vantage_network = Links()
        self.homes: dict[int, list[str]] = {}  # regions of a network
        self.cell_names: list[tuple[str, str, int, bool]] = []  # platform, country, asn, simulated

    def add(self, posts: Sequence[PostKey]) -> None:
        """Take posts in, in their order."""
        for post in posts:
            self.posts.append(post)
            place, _ = self.places.number((post.country, post.simulated))
            group, new = self.groups.number((post.platform, post.country, post.simulated))
            if new:
                self.group_place.add(place)
            network, new = self.networks.number((place, post.asn))
            if new:
                self.network_place.add(place)
            cell, new = self.cells.number((group, post.asn))
            if new:
                self.cell_group.add(group)
                self.cell_network.add(network)
                self.cell_names.append((post.platform, post.country, post.asn, post.simulated))
            vantage, new = self.vantages.number((network, post.vantage))
            if new:
                self.vantage_network.add(network)
            self.post_cell.add(cell)
            self.post_vantage.add(vantage)
            self.post_part.add(self._part(post.region, group, cell, network))

    def _part(self, name: str, group: int, cell: int, network: int) -> int:
        """A region's share of a cell; -1 where no region was given."""
        if not name:
            return -1
        homes = self.homes.setdefault(network, [])
        if name not in homes:
            homes.append(name)
            homes.sort()
        region, new = self.regions.number((group, name))
        if new:
            self.region_group.add(group)
        part, new = self.parts.number((region, cell))
        if new:
            self.part_cell.add(cell)
            self.part_region.add(region)
        return part
