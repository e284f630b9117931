"""Kept state: names and defaults, so that what was written restores later."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import numpy as np
import pytest

from detectors.columns.table import Field, Floats, Ints, Table
from detectors.state import VERSIONS, Upgrade, read_stored, upgrade


class Before(msgspec.Struct):
    version: int
    now: int
    gone: str = "x"


class After(msgspec.Struct):
    version: int
    added: tuple[str, ...] = ()
    now: int = 0


def written(**changes: Any) -> bytes:
    return msgspec.msgpack.encode({"version": VERSIONS["bank"], "now": 7, **changes})


def test_a_field_may_be_added_anywhere_and_taken_away() -> None:
    stored = read_stored(msgspec.msgpack.encode(Before(VERSIONS["bank"], 7)), After, "bank")
    assert stored == After(VERSIONS["bank"], (), 7)


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (written(version=99), "written by a later release; this one reads up to version"),
        (msgspec.msgpack.encode([3, 60]), r"before 0\.2\.0.*WorkerStalled"),
        (written(version=1), r"before 0\.2\.0"),
        (written(now="soon"), "damaged bank snapshot: Expected `int`"),
        (b"", "damaged bank snapshot"),
        (msgspec.msgpack.encode({"now": 7}), "does not say its version"),
        (msgspec.msgpack.encode({"version": "2", "now": 7}), "does not say its version"),
        (msgspec.msgpack.encode({b"\xff": 1}), "damaged bank snapshot|does not say"),
        (b"\x91" * 10_000, "damaged bank snapshot"),
    ],
)
def test_what_cannot_be_read_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        read_stored(data, After, "bank")


def test_steps_lead_from_version_to_version() -> None:
    steps = [
        Upgrade("bank", 4, lambda plain: {**plain, "trail": ["4"]}),
        Upgrade("assembler", 5, lambda _: pytest.fail("of another kind")),
        Upgrade("bank", 5, lambda plain: {**plain, "trail": [*plain["trail"], "5"]}),
    ]
    up = {"versions": {"bank": 6}, "upgrades": steps}
    assert upgrade({"version": 4}, "bank", **up) == {"version": 6, "trail": ["4", "5"]}
    assert upgrade({"version": 5, "trail": []}, "bank", **up) == {"version": 6, "trail": ["5"]}
    with pytest.raises(ValueError, match="before"):
        upgrade({"version": 3}, "bank", **up)


class Narrow(Table):
    count: Ints
    fields: ClassVar = {"count": Field(np.int64), "gone": Field(np.float64)}


class Wide(Table):
    level: Floats
    rows: Floats
    count: Ints
    fields: ClassVar = {
        "level": Field(np.float64, 0.5),
        "rows": Field(np.float64, -1.0, rows=2),
        "count": Field(np.int64),
    }


def test_a_column_may_be_added_and_taken_away() -> None:
    narrow = Narrow()
    narrow.grow(3)
    narrow.count[:] = (1, 2, 3)
    wide = Wide()
    wide.load(narrow.store())
    assert wide.count.tolist() == [1, 2, 3]
    assert wide.level.tolist() == [0.5] * 3
    assert wide.rows.tolist() == [[-1.0] * 3] * 2
    wide.grow(4)
    assert wide.level.tolist() == [0.5] * 4


class Wider(Table):
    rows: Floats
    count: Ints
    fields: ClassVar = {"rows": Field(np.float64, -1.0, rows=3), "count": Field(np.int64)}


def test_where_settings_make_other_rows_a_table_begins_anew() -> None:
    wide = Wide()
    wide.grow(2)
    wide.count[:] = (1, 2)
    wider = Wider()
    wider.grow(2)
    wider.load(wide.store())
    assert wider.rows.tolist() == [[-1.0] * 2] * 3
    assert wider.count.tolist() == [0, 0]
