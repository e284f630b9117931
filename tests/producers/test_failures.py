"""A failure string has one place, `producers/failures.py`; each of these tests names what else a new one needs."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from producers.failures import Failure, Stage
from producers.probe.classify import ERRNOS
from producers.records import ProbeResult, decode, encode
from streams.step.rows import MECHANISMS, RowReader, compiled
from streams.words import FAILURE_WORDS

ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "docs" / "schemas" / "probe-1.json").read_text())
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


def test_the_schema_lists_each() -> None:
    schema = json.dumps(SCHEMA)
    assert not [str(failure) for failure in Failure if f'"{failure}"' not in schema], (
        "run `python -m tools.schemas`"
    )


def test_each_has_words_for_its_readers() -> None:
    missing = set(map(str, Failure)) - FAILURE_WORDS.keys()
    assert missing == set(), "say in streams.words.FAILURE_WORDS what people read"
    strange = FAILURE_WORDS.keys() - set(map(str, Failure))
    assert strange == set(), "take out of streams.words.FAILURE_WORDS what is no failure"


def seen_by_the_probe() -> set[str]:
    """The failures that a prober names itself; what a system call says keeps the system's word."""
    names = {
        name
        for path in sorted((ROOT / "producers" / "probe").glob("*.py"))
        for name in re.findall(
            r"\bFailure\.([A-Z_]+)\b", re.sub(r"(?m)^    errno\..*$", "", path.read_text())
        )
    }
    return {Failure[name].value for name in names}


def test_each_that_a_probe_sees_is_explained_to_those_who_run_one() -> None:
    probing = (ROOT / "docs" / "probing.md").read_text()
    section = probing[probing.index("| stage | failure | what was seen |") :].split("\n## ")[0]
    explained = set(re.findall(r"`([a-z_]+)`", section)) & set(Failure)
    seen = seen_by_the_probe()
    assert {"blockpage", "dns_bogon_error", "generic_timeout_error"} <= seen
    assert seen - explained == set(), "add a row to docs/probing.md, 'How an attempt can end'"
    rows = [line.split("|")[2] for line in section.splitlines() if line.startswith("| ")][1:]
    in_rows = {name for row in rows for name in re.findall(r"`([a-z_]+)`", row)}
    assert in_rows - seen - set(map(str, ERRNOS.values())) == set(), (
        "docs/probing.md has a row for what no prober sees"
    )


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
