"""Letting go of monitors: a layout without them, and where each series that stays had stood.

What is left of a bank knows no more of them than if they had never been there, but for what they taught their network
and country.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from detectors.columns.layout import Layout
from detectors.columns.table import Bools, Ints, Numbers, Table, store_column


def without(layout: Layout, keep: Bools) -> tuple[Layout, Mapping[str, Ints]]:
    """A layout of the monitors to keep, and by kind of series the old number of each new one."""
    rows = np.flatnonzero(keep)
    monitors = layout.monitors
    left = Layout()
    left.add([monitors[row] for row in rows.tolist()])
    before, now = _series(layout), _series(left)
    return left, {kind: _old_numbers(before[kind][rows], now[kind], _sizes(left)[kind]) for kind in now}


def carry(table: Table, old: Table, numbers: Ints) -> None:
    """Give a table what another one of its type knows of the series with these numbers.

    By the form in which they are written: what a table keeps beside its columns goes with it.
    """
    stored = old.store()
    for name in table.fields:
        stored[name] = store_column(old.values(name)[..., numbers])
    table.load(stored)


def _series(layout: Layout) -> Mapping[str, Numbers]:
    """Return the series of each kind to which each monitor belongs, -1 for none."""
    seat = layout.monitor_seat
    cell = layout.seat_cell[seat]
    group = layout.cell_group[cell]
    part = layout.seat_part[seat]
    region = np.full(len(part), -1, dtype=np.int64)
    region[part >= 0] = layout.part_region[part[part >= 0]]
    return {
        "monitor": np.arange(len(layout)),
        "seat": seat,
        "vantage": layout.seat_vantage[seat],
        "address": layout.monitor_address,
        "cell": cell,
        "network": layout.cell_network[cell],
        "group": group,
        "place": layout.group_place[group],
        "region": region,
    }


def _sizes(layout: Layout) -> Mapping[str, int]:
    return {
        "monitor": len(layout),
        "seat": len(layout.seats),
        "vantage": len(layout.vantages),
        "address": len(layout.addresses),
        "cell": len(layout.cells),
        "network": len(layout.networks),
        "group": len(layout.groups),
        "place": len(layout.places),
        "region": len(layout.regions),
    }


def _old_numbers(before: Numbers, now: Numbers, size: int) -> Ints:
    """The old number of each of `size` new series, by the monitors that are of both."""
    numbers = np.zeros(size, dtype=np.int64)
    there = now >= 0
    numbers[now[there]] = before[there]
    return numbers
