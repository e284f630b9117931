"""Windows without results, passed over at once, leave what they leave one by one."""

from __future__ import annotations

from time import process_time

import numpy as np
import pytest

from detectors.columns.bank import Bank
from detectors.columns.table import Table
from detectors.readings import Counts, MonitorKey
from detectors.settings import DetectionSettings, TimeSettings

START = 1_704_067_200
MECHANISMS = ("ok", "tls.connection_reset")
MONITORS = [
    MonitorKey(platform, "PK", "PK-PB" if asn == 1 else "", asn, f"v{asn}", False)
    for platform in ("x", "youtube")
    for asn in (1, 2, 3, 4)
]


def counts(start: int, monitor: np.ndarray, ok: np.ndarray) -> Counts:
    return Counts(
        start,
        start + 60,
        monitor.astype(np.int32),
        ok,
        (~ok).astype(np.int16),
        np.full(len(ok), -1, dtype=np.int8),
        np.full(len(ok), 80.0, dtype=np.float32),
        np.full(len(ok), np.nan, dtype=np.float32),
    )


def fed(gaps: list[int], *, rest: bool) -> Bank:
    """Three windows with results, then so many without, and so on."""
    bank = Bank(DetectionSettings(), TimeSettings(), MECHANISMS)
    bank.add_monitors(MONITORS)
    random, start, nobody = np.random.default_rng(2), START, np.empty(0, dtype=np.int32)
    for gap in gaps:
        for _ in range(3):
            monitor = np.flatnonzero(random.random(len(MONITORS)) < 0.7)
            bank.close(counts(start, monitor, random.random(len(monitor)) < 0.9), [])
            start += 60
        if rest and gap:
            bank.rest(start, gap)
        else:
            for i in range(gap):
                bank.close(counts(start + 60 * i, nobody, nobody.astype(bool)), [])
        start += 60 * gap
    bank.close(counts(start, nobody, nobody.astype(bool)), [])
    return bank


def columns(table: Table) -> dict[str, np.ndarray]:
    return {name: np.asarray(table.values(name), dtype=np.float64) for name in table.fields}


@pytest.mark.parametrize(
    "gaps", [[1] * 30, [2, 9, 20, 31], pytest.param([100, 3, 700, 40] * 3, marks=pytest.mark.world)]
)
def test_many_at_once_are_as_one_by_one(gaps: list[int]) -> None:
    at_once, one_by_one = fed(gaps, rest=True), fed(gaps, rest=False)
    theirs = one_by_one.series.tables()
    del theirs["countries.silence"]  # it begins when results are few, which is not asked in every window
    for name, table in at_once.series.tables().items():
        if name not in theirs:
            continue
        for column, values in columns(table).items():
            if column == "waiting_usual":  # of windows without results nobody asks
                continue
            np.testing.assert_allclose(
                values,
                columns(theirs[name])[column],
                rtol=0.3 if name.endswith("silence") else 0.05,
                atol=0.01,
                err_msg=f"{name}.{column}",
            )


def test_a_year_costs_little() -> None:
    bank = fed([5] * 10, rest=True)
    began = process_time()
    bank.rest(bank.series.start + 60, 365 * 1440)
    assert process_time() - began < 60.0
