"""Rows in open windows: each result once, no more than a vantage may report, and the same after they were written."""

from __future__ import annotations

from typing import Final

import numpy as np

from detectors.readings import MonitorKey
from streams.step.open_windows import OF_WINDOW, OpenWindow, OpenWindows
from streams.step.rows import OF_RESULTS

_KEYS: Final = [MonitorKey("x", "PK", "", 64500 + i, f"v{i}", False) for i in range(3)]


def columns(monitor: list[int]) -> tuple[np.ndarray, ...]:
    values = {name: np.zeros(len(monitor), OF_RESULTS[name].dtype) for name in OF_WINDOW}
    return tuple((values | {"monitor": np.array(monitor, dtype=np.int32)}).values())


def vantages_of(monitor: np.ndarray) -> list[tuple[str, str]]:
    return [(_KEYS[number].country, _KEYS[number].vantage) for number in monitor.tolist()]


def put(windows: OpenWindows, ids: list[str], window: list[int], monitor: list[int]) -> tuple[int, int]:
    good = np.ones(len(ids), dtype=np.bool_)
    return windows.take(ids, np.array(window), good, columns(monitor), vantages_of)


def test_a_result_is_taken_once_in_its_window_and_another_vantage_may_have_its_id() -> None:
    windows = OpenWindows(60_000)
    assert put(windows, ["a", "b", "a"], [7, 8, 7], [0, 0, 0]) == (2, 1)
    assert put(windows, ["a", "a"], [7, 7], [0, 1]) == (1, 1)
    assert windows.pop(7).ids.aslist() == ["a", "a"]
    assert windows.pop(8).columns()[0].tolist() == [0]
    assert 7 not in windows


def test_what_comes_twice_of_a_monitor_that_is_gone_is_still_a_double() -> None:
    windows = OpenWindows(60_000)
    put(windows, ["a", "b"], [7, 7], [0, 2])
    windows.renumber(np.array([-1, -1, 0], dtype=np.int32))
    assert put(windows, ["a", "c"], [7, 7], [0, 0]) == (1, 1)
    assert windows.at(7).columns()[0].tolist() == [0, 0]
    assert windows.at(7).ids.aslist() == ["b", "c"]


def test_the_first_attempts_of_a_vantage_in_a_window_are_taken_and_no_more() -> None:
    windows = OpenWindows(60_000, results_max=3)
    monitor, window = np.array([0, 0, 0, 1], dtype=np.int32), np.array([7, 7, 8, 7])
    count, good = np.array([2, 2, 2, 3], dtype=np.int32), np.ones(4, dtype=np.bool_)
    ((row, why),) = windows.over_limit(lambda: _KEYS, monitor, count, window, good)
    assert row == 1
    assert "v0" in why
    assert [
        row for row, _ in windows.over_limit(lambda: _KEYS, monitor[3:], count[3:], window[3:], good[3:])
    ] == [0]
    assert not OpenWindows(60_000).over_limit(lambda: _KEYS, monitor, count, window, good)


def test_what_was_written_is_read_back_the_same() -> None:
    windows, again = OpenWindows(60_000), OpenWindows(60_000)
    put(windows, ["a", "b", "c"], [7, 8, 7], [0, 1, 2])
    windows.at(9).note_late(("PK", False, 64500, "v0", 3), 1, 2)
    windows.at(9).offered["PK", 64500, "v0", False] = 5
    stored, mechanisms = windows.stored()
    again.restore(stored, mechanisms)
    assert again.stored() == (stored, mechanisms)
    assert sorted(again) == [7, 8, 9]
    assert put(again, ["a"], [7], [0]) == (0, 1)


def test_a_window_without_rows_has_empty_columns() -> None:
    assert [column.dtype for column in OpenWindow().columns()] == [
        OF_RESULTS[name].dtype for name in OF_WINDOW
    ]
    assert not any(len(column) for column in OpenWindow().columns())
