"""The schemas in docs/ are those of the code, and real records pass them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import jsonschema
import pytest

from producers.records import Malformed, decode
from streams import records as written
from tools.schemas import DOCS, RECORDS, asyncapi, documents, json_schema

CONTRACTS = sorted((Path(__file__).parents[1] / "contracts").glob("*.json"))
AT = datetime(2024, 1, 20, 13, 41, tzinfo=UTC)
WRITTEN = [
    written.Rejected(
        reason="not_json", detail="cut", topic="netdusk.probes.v1", partition=0, offset=7, size=1, value=b"{"
    ),
    written.HealthRecord(
        platform="x", country="PK", start=AT, n=12, k=3, expected=0.98, reachability=0.3, score=2.0, networks_live=4,
        networks_bad=4,
    ),
    written.Arrivals(start=AT, countries={"PK": (9.5, 9.25)}),
    written.CalendarEvent(id="rally", country="PK", title="Online rally", start=AT, end=AT),
    written.Annotation(
        id="n1", incident="5f0c", time=AT, author="desk", kind=written.AnnotationKind.CLOSED, text="It is over.",
    ),
    written.Incident(
        id="5f0c", seq=1, status=written.Status.OPEN, kind=written.Kind.PLATFORM, scope=written.Scope.NATION_SCALE,
        severity=written.Severity.CRITICAL, country="PK", platforms=("x",), onset=AT, detected=AT, updated=AT,
        networks=(written.Network(asn=17557, lost=0.9, onset=AT),), duration_seconds=0,
        reachability=written.Reachability(now=0.1, usual=0.98), confirmed=True, vantages=12, networks_live=4,
        mechanism=written.Mechanism(name="tls.connection_reset", share=0.9),
        evidence=(written.Evidence(name="onset_spread", value=60.0, unit="s", n=4, text="Within a minute."),),
        detector=written.Detector(name="netdusk", version="1", settings="abc"), summary="Metrics show ...",
    ),
]  # fmt: skip


@pytest.mark.parametrize("path", documents())
def test_the_documents_are_those_of_the_code(path: str) -> None:
    assert (DOCS / path).read_bytes() == documents()[path], "run `make docs`"


@pytest.mark.parametrize("path", CONTRACTS, ids=lambda path: path.stem)
def test_published_records_pass_their_schema(path: Path) -> None:
    record = json.loads(path.read_text())
    jsonschema.validate(record, json_schema(record["schema"]))


@pytest.mark.parametrize("record", WRITTEN, ids=lambda record: type(record).__name__)
def test_written_records_pass_their_schema_and_read_back(record: written.OutputRecord) -> None:
    text = written.encode(record)
    value = json.loads(text)
    jsonschema.validate(value, json_schema(value["schema"]))
    assert written.decode(text) == record


def test_a_record_that_the_schema_refuses_is_refused_by_the_reader_too() -> None:
    value = json.loads(CONTRACTS[0].read_text()) | {"ok": "yes"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(value, json_schema(value["schema"]))
    assert isinstance(decode(json.dumps(value).encode()), Malformed)


def test_every_record_stands_on_a_channel() -> None:
    document = asyncapi()
    placed = {name for channel in document["channels"].values() for name in channel["messages"]}
    assert placed == set(document["components"]["messages"])
    assert len(placed) == len(RECORDS)
