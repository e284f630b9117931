"""A failure string has one place, `producers/failures.py`; each of these tests names what else a new one needs."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producers.failures import Failure, Stage
from producers.records import ProbeResult, decode, encode
from streams.step.rows import MECHANISMS, RowReader, compiled

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "schemas" / "probe-1.json").read_text())
READERS = [True, False] if compiled() else [False]


def written(stage: Stage | None, failure: Failure) -> bytes:
    return encode(
        ProbeResult(
            id="a",
            time=datetime(2024, 1, 20, tzinfo=UTC),
            platform="x",
            country="PK",
            asn=1,
            vantage="v",
            ok=False,
            stage=stage,
            failure=failure,
        )
    )


@pytest.mark.parametrize("failure", Failure)
def test_the_schema_lists_it(failure: Failure) -> None:
    assert f'"{failure}"' in json.dumps(SCHEMA), "run `python -m tools.schemas`"


@pytest.mark.parametrize("stage", [*Stage, None])
@pytest.mark.parametrize("scan", READERS)
def test_both_readers_know_each_at_each_stage(stage: Stage | None, scan: bool) -> None:
    values = [written(stage, failure) for failure in Failure]
    reader = RowReader(scan=scan)
    reader.learn(reader.block([decode(values[0])]).new_monitors)
    reader.begin()
    names = [MECHANISMS[code] for code in reader.read(values).mechanism.tolist()]
    assert names == [f"{stage or 'unknown'}.{failure}" for failure in Failure]


def test_a_name_stands_for_one_way_to_fail() -> None:
    assert len(set(MECHANISMS)) == len(MECHANISMS) == 1 + len(Failure) * (len(Stage) + 1) + 300
    assert all(name.value == name.value.lower() and name.value.isascii() for name in Failure)


@pytest.mark.parametrize("scan", READERS)
def test_a_wrong_status_is_a_way_to_fail_of_its_own(scan: bool) -> None:
    plain = "http.http_unexpected_status_code"
    known = {"503": f"{plain}:503", "404": f"{plain}:404", "300": f"{plain}:300", "599": f"{plain}:599"}
    cases = known | {"null": plain, "204": plain}
    values = [
        written(Stage.HTTP, Failure.HTTP_UNEXPECTED_STATUS_CODE)[:-1] + b',"status":%s}' % status.encode()
        for status in cases
    ]
    values.append(written(Stage.HTTP, Failure.BLOCKPAGE)[:-1] + b',"status":503}')
    reader = RowReader(scan=scan)
    reader.learn(reader.block([decode(values[0])]).new_monitors)
    reader.begin()
    names = [MECHANISMS[code] for code in reader.read(values).mechanism.tolist()]
    assert names == [*cases.values(), "http.blockpage"]
