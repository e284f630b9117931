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

    def __missing__(self, name: K) -> int:
        number = self[name] = len(self)
        return number


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
        self.cells_of_place: list[list[int]] = []
        self.groups_of_place: list[list[int]] = []
        self.regions_of_place: list[list[int]] = []
        self.networks_of_place: list[list[int]] = []
        self.posts_of_cell: list[list[int]] = []
        self.vantages_of_network: list[list[int]] = []
        self.homes: dict[int, list[str]] = {}  # regions of a network
        self.cell_names: list[tuple[str, str, int, bool]] = []  # platform, country, asn, simulated

    def add(self, posts: Sequence[PostKey]) -> None:
        """Take posts in, in their order."""
        for post in posts:
            number = len(self.posts)
            self.posts.append(post)
            place = self._place(post)
            group = self._group(post, place)
            network = self._network(post, place)
            cell = self._cell(post, group, network, place)
            self.posts_of_cell[cell].append(number)
            self.post_cell.add(cell)
            self.post_part.add(self._part(post, group, cell, network, place))
            self.post_vantage.add(self._vantage(post, network))

    def _place(self, post: PostKey) -> int:
        known = len(self.places)
        place = self.places[post.country, post.simulated]
        if place == known:
            self.cells_of_place.append([])
            self.groups_of_place.append([])
            self.regions_of_place.append([])
            self.networks_of_place.append([])
        return place

    def _group(self, post: PostKey, place: int) -> int:
        known = len(self.groups)
        group = self.groups[post.platform, post.country, post.simulated]
        if group == known:
            self.group_place.add(place)
            self.groups_of_place[place].append(group)
        return group

    def _network(self, post: PostKey, place: int) -> int:
        known = len(self.networks)
        network = self.networks[place, post.asn]
        if network == known:
            self.network_place.add(place)
            self.networks_of_place[place].append(network)
            self.vantages_of_network.append([])
        return network

    def _cell(self, post: PostKey, group: int, network: int, place: int) -> int:
        known = len(self.cells)
        cell = self.cells[group, post.asn]
        if cell == known:
            self.cell_group.add(group)
            self.cell_network.add(network)
            self.cells_of_place[place].append(cell)
            self.posts_of_cell.append([])
            self.cell_names.append((post.platform, post.country, post.asn, post.simulated))
        return cell

    def _part(self, post: PostKey, group: int, cell: int, network: int, place: int) -> int:
        """The region's share of a cell; -1 where no region was given."""
        if not post.region:
            return -1
        homes = self.homes.setdefault(network, [])
        if post.region not in homes:
            homes.append(post.region)
            homes.sort()
        known = len(self.regions)
        region = self.regions[group, post.region]
        if region == known:
            self.region_group.add(group)
            self.regions_of_place[place].append(region)
        known = len(self.parts)
        part = self.parts[region, cell]
        if part == known:
            self.part_cell.add(cell)
            self.part_region.add(region)
        return part

    def _vantage(self, post: PostKey, network: int) -> int:
        known = len(self.vantages)
        vantage = self.vantages[network, post.vantage]
        if vantage == known:
            self.vantage_network.add(network)
            self.vantages_of_network[network].append(vantage)
        return vantage
