"""What is done to many series at once gives what would be given one by one: their numbers, their medians."""

from __future__ import annotations

from statistics import median_high, median_low

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detectors.columns.layout import Layout, Pairs, StoredLayout
from detectors.columns.table import medians
from detectors.readings import MonitorKey
from tests.detectors.columns.test_compiled import by_numpy_alone

KEYS = st.builds(
    MonitorKey,
    st.sampled_from(["x", "youtube", "signal"]),
    st.sampled_from(["PK", "IR"]),
    st.sampled_from(["", "PK-PB", "PK-SD"]),
    st.sampled_from([1, 17557, 2**32 - 1]),
    st.sampled_from(["a", "b"]),
    st.booleans(),
    st.sampled_from(["", "https://x.com/", "https://t.co/"]),
)
BATCHES = st.lists(st.lists(KEYS, max_size=8, unique=True), max_size=5)


def laid_out(batches: list[list[MonitorKey]]) -> Layout:
    layout = Layout()
    for batch in batches:
        layout.add(batch)
    return layout


@given(BATCHES)
def test_monitors_are_numbered_as_they_appear(batches: list[list[MonitorKey]]) -> None:
    layout, monitors = laid_out(batches), [monitor for batch in batches for monitor in batch]
    assert layout.monitors == monitors
    cells = list(
        dict.fromkeys(
            (monitor.platform, monitor.country, monitor.asn, monitor.simulated) for monitor in monitors
        )
    )
    assert layout.cell_names(np.arange(len(layout.cells))) == cells
    assert layout.cell_keys(np.arange(len(layout.cells))) == [(cell[0], cell[2]) for cell in cells]
    assert [cells[cell] for cell in layout.monitor_cell] == [(p[0], p[1], p[3], p[5]) for p in monitors]
    networks = list(dict.fromkeys((monitor.country, monitor.simulated, monitor.asn) for monitor in monitors))
    assert [networks[i] for i in layout.cell_network] == [(c[1], c[3], c[2]) for c in cells]
    homes: dict[int, set[str]] = {}
    for monitor in monitors:
        if monitor.region:
            homes.setdefault(networks.index((monitor.country, monitor.simulated, monitor.asn)), set()).add(
                monitor.region
            )
    assert layout.homes(np.arange(len(networks))) == {at: tuple(sorted(names)) for at, names in homes.items()}


@given(BATCHES, st.data())
def test_a_vantage_counts_once_in_a_series(batches: list[list[MonitorKey]], data: st.DataObject) -> None:
    monitors = list(dict.fromkeys(monitor for batch in batches for monitor in batch))
    if data.draw(st.booleans(), "without regions"):
        monitors = list(dict.fromkeys(monitor._replace(region="") for monitor in monitors))
    layout = laid_out([monitors])
    some = [i for i, monitor in enumerate(monitors) if data.draw(st.booleans(), str(monitor))]
    names: dict[int, set[tuple[object, ...]]] = {}
    for i in some:
        network = (monitors[i].country, monitors[i].simulated, monitors[i].asn, monitors[i].vantage)
        names.setdefault(int(layout.monitor_cell[i]), set()).add(network)
    seats, size = np.unique(layout.monitor_seat[some].astype(np.int64)), len(layout.cells)
    found = layout.vantages_of(seats, layout.seat_cell[seats], size)
    assert found.tolist() == [len(names.get(cell, ())) for cell in range(size)]


@given(BATCHES)
def test_a_snapshot_brings_the_same_numbers_back(batches: list[list[MonitorKey]]) -> None:
    layout = laid_out(batches)
    data = msgspec.msgpack.encode(layout.store())
    again = Layout.load(msgspec.msgpack.decode(data, type=StoredLayout))
    assert again.monitors == layout.monitors
    more = [MonitorKey("x", "PK", "PK-IS", 9, "c", False)]
    layout.add(more)
    again.add(more)
    for name in (
        "monitor_seat",
        "monitor_address",
        "seat_cell",
        "seat_part",
        "seat_vantage",
        "cell_network",
        "cell_group",
        "part_region",
        "part_cell",
    ):
        np.testing.assert_array_equal(getattr(again, name), getattr(layout, name))


def test_a_snapshot_from_before_targets_were_told_apart_has_none() -> None:
    known = [MonitorKey("x", "PK", region, 9, name, False) for region in ("", "PK-PB") for name in "ab"]
    stored = msgspec.to_builtins(laid_out([known]).store())
    assert stored.pop("targets") == [""]
    del stored["monitors"]["target"]
    assert Layout.load(msgspec.convert(stored, StoredLayout)).monitors == known


def test_a_snapshot_that_names_nobody_is_refused() -> None:
    stored = laid_out([[MonitorKey("x", "PK", "", 9, "c", False)]]).store()
    stored.vantages = []
    with pytest.raises(ValueError, match="number 0 of 0 names"):
        Layout.load(stored)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 3), st.sampled_from([0, 5, 2**32 - 1])), max_size=9), max_size=4
    )
)
def test_pairs_are_numbered_as_a_dictionary_would(batches: list[list[tuple[int, int]]]) -> None:
    pairs, known = Pairs(), dict[tuple[int, int], int]()
    for batch in batches:
        left, right = (np.array([pair[i] for pair in batch], dtype=np.int64) for i in (0, 1))
        expected = [known.setdefault(pair, len(known)) for pair in batch]
        assert pairs.numbers(left, right).tolist() == expected
    assert list(zip(pairs.left.tolist(), pairs.right().tolist(), strict=True)) == list(known)


@given(st.lists(st.tuples(st.integers(0, 3), st.floats(width=32, allow_nan=False, allow_infinity=False))))
def test_the_middle_of_each_group(rows: list[tuple[int, float]]) -> None:
    group = np.array([row[0] for row in rows], dtype=np.int32)
    count, low, high = medians(group, np.array([row[1] for row in rows], dtype=np.float32), 4)
    for i in range(4):
        values = [row[1] for row in rows if row[0] == i]
        assert count[i] == len(values)
        if values:
            assert (low[i], high[i]) == (median_low(values), median_high(values))


def test_where_each_seat_has_one_monitor_they_share_their_cells() -> None:
    seats = [MonitorKey("x", "PK", "", asn, "v", False, "") for asn in (7, 8)]
    layout = laid_out([seats])
    assert layout.monitor_cell is layout.seat_cell
    layout.add([seats[0]._replace(target="https://x.example/")])
    assert layout.monitor_cell.tolist() == [0, 1, 0]
    assert layout.seat_cell.tolist() == [0, 1]


@pytest.mark.parametrize("seed", range(40))
def test_pairs_are_found_alike_wherever_the_last_one_stood(seed: int) -> None:
    dice = np.random.default_rng(seed)
    known, most = int(dice.integers(1, 300)), int(dice.integers(1, 40))
    pairs = Pairs()
    pairs.numbers(dice.integers(0, most, known), dice.integers(0, most, known))
    left, right = (dice.integers(0, most + 2, 400) for _ in range(2))
    if seed % 2:  # by rounds, as vantages report
        left = np.sort(left.reshape(8, 50), axis=1).ravel()
    found = pairs.find(left, right)
    with by_numpy_alone():
        plain = pairs.find(left, right)
    assert found.dtype == plain.dtype and found.tolist() == plain.tolist()


def test_cells_that_are_named_again_keep_their_names_and_others_do_not() -> None:
    layout = Layout()
    layout.add(
        MonitorKey(platform, country, "", asn, "v", False)
        for country in ("PK", "IR")
        for platform in ("x", "youtube")
        for asn in (1, 2)
    )
    cells = np.array([0, 1, 4, 6])
    named = layout.named(cells)
    assert layout.named(cells.copy()) is named
    for place, expected, rows in ((0, [("x", 1), ("x", 2)], [0, 1]), (1, [("x", 1), ("youtube", 1)], [2, 3])):
        keys, (column,) = named.of(place, [cells * 10])
        assert list(keys) == expected and column.tolist() == (cells[rows] * 10).tolist()
        assert keys.rows[expected[1]] == 1
        assert named.of(place, [])[0] is keys
    assert named.of(2, [cells])[0] == ()
    alone = layout.named(cells[:2])
    assert alone is not named
    assert alone.of(0, [cells[:2]])[1][0].tolist() == [0, 1]
    layout.forget_names()
    assert layout.named(cells[:2]) is not alone
