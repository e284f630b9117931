"""Growing tables: what they keep, and that columns nobody has written to take no memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from detectors.columns.table import Field, Table, folded

ROOT = Path(__file__).parents[3]
MANY = 70_000
MEGABYTE = 2**20


class _Hours(Table):
    fields = {  # noqa: RUF012
        "mean": Field(np.float16, 0.0, 24),
        "last": Field(np.int64, -1),
        "open": Field(np.bool_),
    }


def _resident() -> int:
    found = Path("/proc/self/status").read_text().partition("VmRSS:")[2].split()[0]
    return int(found) * 1024


def grown() -> None:
    """Print what a table that grew reserves for its hours, what it stores, and how much more is in memory."""
    table, before = _Hours(), _resident()
    for size in range(MANY, 5 * MANY, MANY):
        table.grow(size)
    stored = table.store()["last"]
    sys.stdout.write(f"{table.mean.nbytes} {len(stored.data)} {_resident() - before}")


def test_columns_go_on_as_they_were_when_they_grow_and_come_back() -> None:
    table = _Hours()
    table.grow(MANY)
    table.mean[3, 5], table.mean[7, MANY - 1] = 0.5, -0.0
    table.last[9], table.open[2] = 60, True
    table.grow(2 * MANY)
    again = _Hours()
    again.load(table.store())
    again.grow(2 * MANY + 1)
    for kept in (table, again):
        assert kept.mean[3, 5] == 0.5
        assert np.signbit(kept.mean[7, MANY - 1])
        assert np.count_nonzero(kept.mean) == 1
        assert (kept.last[9], kept.last[MANY], kept.last[-1]) == (60, -1, -1)
        assert kept.open.nonzero()[0].tolist() == [2]
    again.mean[11] = 1.0  # what was read back can be written to
    assert again.store()["last"].data[: 2 * MANY * 8] == table.store()["last"].data


def test_hours_that_were_never_written_take_no_memory() -> None:
    # In a process of its own: what else the tests hold, and give back, would count too.
    script = f"from {__name__} import grown; grown()"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    reserved, stored, resident = map(int, done.stdout.split())
    assert reserved > 12 * MEGABYTE
    assert resident < reserved / 2 + stored


class Folds(Table):
    fields = {"half": Field(np.float16, 1.7, 3, folded=True), "plain": Field(np.float64, 2.0)}  # noqa: RUF012


class Plain(Table):
    fields = {"half": Field(np.float16, 1.7, 3), "plain": Field(np.float64, 2.0)}  # noqa: RUF012


def test_a_folded_column_is_stored_as_any_other_and_zero_where_it_is_its_fill() -> None:
    one, other = Folds(), Plain()
    for size in (5, 9, 200):
        one.grow(size)
        other.grow(size)
        assert not one.half[:, size - 4 :].any()
        values = np.array([-0.0, np.inf, 1e-7, 3.14])
        one.half[1, size - 4 :] = folded(values, Folds.fields["half"])
        other.half[1, size - 4 :] = values
        assert one.store() == other.store()
    again = Folds()
    again.load(other.store())
    assert again.half.tobytes() == one.half.tobytes()
    assert again.values("half").tobytes() == other.half.tobytes()
    absent = Folds()
    absent.load({"plain": other.store()["plain"]})
    assert absent.values("half").tolist() == np.full((3, 200), 1.7, np.float16).tolist()


class Moments(Table):
    fields = {"since": Field(np.int64, -1, folded=True), "each": Field(np.int64, -1, 2, folded=True)}  # noqa: RUF012


class PlainMoments(Table):
    fields = {"since": Field(np.int64, -1), "each": Field(np.int64, -1, 2)}  # noqa: RUF012


def test_a_moment_that_never_was_takes_no_memory_and_is_stored_as_any_other() -> None:
    one, other = Moments(), PlainMoments()
    for size in (5, 9, 200):
        one.grow(size)
        other.grow(size)
        assert not one.since[-4:].any() and not one.each[:, -4:].any()
        values = np.array([0, -1, 1_700_000_000, 2**62])
        one.since[-4:] = ~values
        one.each[1, -4:] = ~values
        other.since[-4:] = other.each[1, -4:] = values
        assert one.store() == other.store()
    again = Moments()
    again.load(other.store())
    assert again.since.tobytes() == one.since.tobytes()
    assert again.each.tobytes() == one.each.tobytes()
    assert again.values("since").tolist() == other.since.tolist()
