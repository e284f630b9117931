"""Rows of downloads beside a control, as speed tests give them: too slow is throttled, and nothing else is told."""

from __future__ import annotations

import io

import pytest

from producers.records import ProbeResult
from producers.sources.contract import RefusalReason, Refused
from producers.sources.tables import Mapping_, TableReader

MAPPING = Mapping_(
    columns={"time": "t", "country": "c", "asn": "as", "speed": "kbps", "control_speed": "other"},
    constants={"platform": "x"},
)
ROWS = {
    "as fast": ("2676,1886", "ok"),
    "a fifth is not yet slow": ("200,1000", "ok"),
    "slow": ("114.8,2676", "http.throttled"),
    "nothing came": ("0,900", "http.throttled"),
    "no control": ("114.8,", RefusalReason.NOT_A_MEASUREMENT),
    "a control that failed": ("114.8,0", RefusalReason.INVALID),
    "no number": ("nan,100", RefusalReason.INVALID),
    "endless": ("5,1e999", RefusalReason.INVALID),
    "less than nothing": ("-5,100", RefusalReason.INVALID),
    "words": ("fast,100", RefusalReason.INVALID),
}


@pytest.mark.parametrize("cells, expected", ROWS.values(), ids=ROWS)
def test_a_row(cells: str, expected: str) -> None:
    content = f"t,c,as,kbps,other\n2021-03-13T00:00:00Z,RU,12389,{cells}\n".encode()
    (item,) = TableReader(MAPPING).read("a.csv", io.BytesIO(content))
    if isinstance(item, Refused):
        assert item.reason == expected
        return
    assert isinstance(item, ProbeResult)
    assert ("ok" if item.ok else f"{item.stage}.{item.failure}") == expected
    assert item.control_ok


def test_another_share() -> None:
    mapping = MAPPING.model_copy(update={"slow_share": 0.5})
    content = b"t,c,as,kbps,other\n2021-03-13T00:00:00Z,RU,12389,400,1000\n"
    (item,) = TableReader(mapping).read("a.csv", io.BytesIO(content))
    assert isinstance(item, ProbeResult)
    assert not item.ok
