"""A crowd downloads something of a platform beside a control, on networks of which some were throttled from the start.

The rows are made here; the mapping is that of docs/ingest.md.
"""

from __future__ import annotations

import io
import re
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from producers.records import ProbeResult, encode
from producers.sources.tables import Mapping_, TableReader
from streams.records import Incident
from streams.settings import load
from streams.step.backtest import Backtest

pytestmark = pytest.mark.world

DOCS = Path(__file__).parents[2] / "docs/ingest.md"
BEGIN = datetime(2021, 3, 13, tzinfo=UTC)
MOBILE, FIXED, FREE, ABROAD = (1, 2, 3, 4), (11, 12), (21, 22, 23, 24, 25), (31, 32, 33)
HOURS, RESTORED = 30, 20
STEP = timedelta(minutes=5)
LINES = 6


def mapping() -> Mapping_:
    (example,) = re.findall(r"```toml\n([^`]*control_speed[^`]*)```", DOCS.read_text("utf-8"))
    return Mapping_.model_validate(tomllib.loads(example))


def rows() -> Iterator[str]:
    """Somebody of each network tries in half of the five minutes. Fixed lines are quick again after a while."""
    random = np.random.default_rng(8)
    yield "time,country,asn,prefix,ip_version,test_kbps,control_kbps,control2_kbps"
    for step in range(HOURS * 12):
        moment = BEGIN + step * STEP
        throttled = {*MOBILE, *(FIXED if step < RESTORED * 12 else ())}
        for asn in (*MOBILE, *FIXED, *FREE, *ABROAD):
            if random.random() < 0.5:
                continue
            country = "DE" if asn in ABROAD else "RU"
            control = float(np.exp(random.normal(8.0, 0.8)))
            speed = control * float(np.exp(random.normal(0.0, 0.5)))
            if asn in throttled and random.random() < 0.95:
                speed = float(random.uniform(90, 140))
            line = f"{asn}-{random.integers(LINES)}"
            yield f"{moment:%Y-%m-%dT%H:%M:%SZ},{country},{asn},{line},4,{speed:.2f},{control:.2f},{control:.2f}"


@pytest.fixture(scope="module")
def told() -> list[Incident]:
    table = io.BytesIO("\n".join(rows()).encode())
    results = [
        item for item in TableReader(mapping()).read("crowd.csv", table) if isinstance(item, ProbeResult)
    ]
    assert len({result.id for result in results}) == len(results) > 2000
    return list(Backtest(load()).run([encode(result) for result in results], ticks=False))


def test_one_incident_names_the_throttled_networks_and_no_other(told: list[Incident]) -> None:
    assert {(one.id, one.country, one.kind.value) for one in told} == {(told[0].id, "RU", "platform")}
    assert {network.asn for network in told[-1].networks} == {*MOBILE, *FIXED}
    assert "throttled" in told[0].summary


def test_it_needs_no_day_on_which_they_were_not(told: list[Incident]) -> None:
    by_then = next(one for one in reversed(told) if one.updated <= BEGIN + timedelta(hours=4))
    assert {network.asn for network in by_then.networks} == {*MOBILE, *FIXED}


def test_the_controls_contrast_is_in_the_evidence(told: list[Incident]) -> None:
    before = next(one for one in reversed(told) if one.updated <= BEGIN + timedelta(hours=RESTORED))
    (fact,) = [item for item in before.evidence if item.name == "contrast"]
    assert fact.value is not None
    assert 0.01 < fact.value < 0.1
    assert "of its control's speed" in fact.text


def test_fixed_lines_are_told_to_be_back_and_mobile_ones_are_not(told: list[Incident]) -> None:
    end = BEGIN + timedelta(hours=RESTORED)
    back = {network.asn: network.recovered for network in told[-1].networks if network.recovered is not None}
    assert set(back) == set(FIXED)
    assert all(end <= moment <= end + timedelta(hours=1) for moment in back.values())
    assert told[-1].status.value == "updated"
    assert not any(network.recovered for one in told if one.updated <= end for network in one.networks)
