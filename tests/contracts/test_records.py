"""One record of every kind that a release has ever published still reads, whatever was added to it since."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast, get_args

import jsonschema
import msgspec
import pytest
from jsonschema.protocols import Validator
from msgspec import inspect

from producers import records as read
from streams import records as written
from tests.contracts import golden
from tests.contracts.shapes import published
from tools.schemas import DOCS, json_schema

RECORDS = sorted(golden.RELEASES.glob("*/records/*.json"))
OLDEST = {path.name: path for path in reversed(RECORDS)}
INCIDENT = "incident-1.json"
FROM_PRODUCERS = {kind.__struct_config__.tag for kind in get_args(read.Decoded) if kind is not read.Malformed}
#: What says nothing without another field goes with it.
TOGETHER = {"count": "good"}


@cache
def schema_of(tag: str) -> Validator:
    """The published schema of a kind of record; it is checked for being one once."""
    schema = json_schema(tag)
    kind = jsonschema.validators.validator_for(schema)
    kind.check_schema(schema)
    return cast("Validator", kind(schema))


def reads(value: bytes) -> bool:
    """Whether one of the two readers takes it. Raises `ValidationError` where the schema doesn't."""
    record = json.loads(value)
    schema_of(record["schema"]).validate(record)
    if record["schema"] in FROM_PRODUCERS:
        return not isinstance(read.decode(value), read.Malformed)
    return written.decode(value) is not None


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_every_record_ever_published_still_reads(path: Path) -> None:
    assert reads(path.read_bytes())


def without_each(record: Any, oldest: Any) -> Iterator[tuple[str, Any]]:
    """The record with each of the fields missing that its oldest form has not, one at a time."""
    for name, value in record.items():
        if name not in oldest:
            yield name, {key: other for key, other in record.items() if key not in (name, TOGETHER.get(name))}
        elif isinstance(value, dict):
            for inner, less in without_each(value, oldest[name] or {}):
                yield f"{name}.{inner}", {**record, name: less}
        elif isinstance(value, list) and value and isinstance(value[0], dict) and oldest[name]:
            for inner, less in without_each(value[0], oldest[name][0]):
                yield f"{name}[].{inner}", {**record, name: [less]}


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parts[-3]}-{path.stem}")
def test_a_field_that_was_added_may_be_absent(path: Path) -> None:
    oldest = json.loads(OLDEST[path.name].read_bytes())
    for name, record in without_each(json.loads(path.read_bytes()), oldest):
        assert reads(json.dumps(record).encode()), f"{name} was added, and is asked for: give it a default"


def test_there_is_one_of_every_kind() -> None:
    kinds = {
        str(kind.__struct_config__.tag).removeprefix("netdusk.").replace("/", "-") for kind in published()
    }
    now = {path.stem for path in (golden.RELEASES / golden.VERSION / "records").glob("*.json")}
    assert now == kinds, "run `python -m tests.contracts.golden` and commit what it writes"


def structs_in(kind: inspect.Type) -> Iterator[inspect.StructType]:
    """The structs of which a field is made, itself or by a list or a choice."""
    if isinstance(kind, inspect.StructType):
        yield kind
    for inner in (*getattr(kind, "types", ()), getattr(kind, "item_type", None)):
        if inner is not None:
            yield from structs_in(inner)


def test_what_an_alerts_fields_hold_is_told_to_its_readers() -> None:
    page = (golden.ROOT / "docs" / "records.md").read_text()
    within = dict(
        re.findall(r"^\| `(\w+)` \| (.+) \|$", page.partition("| within | fields |")[2], re.MULTILINE)
    )
    alert = inspect.type_info(written.Incident)
    assert isinstance(alert, inspect.StructType)
    lacking = {
        f"{field.name}.{inner.name}"
        for field in alert.fields
        for struct in structs_in(field.type)
        for inner in struct.fields
        if f"`{inner.name}`" not in within.get(field.name, "")
    }
    assert not lacking, "say it in docs/records.md, in the table of what holds fields of its own"


@pytest.mark.parametrize("kind", [read.ProbeResult, read.Timings], ids=lambda kind: kind.__name__)
def test_a_field_of_a_result_is_told_to_those_who_write_one(kind: type[msgspec.Struct]) -> None:
    page = (golden.ROOT / "docs" / "producing.md").read_text()
    assert [field for field in kind.__struct_fields__ if f"`{field}`" not in page] == [], (
        "say in a table of docs/producing.md what it means"
    )


NEXT = {
    "the schema": (
        lambda: json.loads((DOCS / "schemas" / INCIDENT).read_text())["$defs"]["Incident"]["properties"],
        "run `python -m tools.schemas`",
    ),
    "the documentation": (
        (golden.ROOT / "docs" / "records.md").read_text,
        "say in the table of docs/records.md what it means",
    ),
    "what is published": (
        (golden.ROOT / "streams" / "incidents.py").read_text,
        "fill it in `to_record`, streams/incidents.py",
    ),
    "the contracts": (
        lambda: json.loads((golden.RELEASES / golden.VERSION / "records" / INCIDENT).read_text()),
        "run `python -m tests.contracts.golden`",
    ),
}


@pytest.mark.parametrize("place", NEXT)
def test_a_field_of_an_alert_stands_everywhere(place: str) -> None:
    look, remedy = NEXT[place]
    there: Any = look()
    for field in written.Incident.__struct_fields__:
        mark = field if isinstance(there, dict) else f"{field}=" if "streams" in remedy else f"`{field}`"
        assert mark in there, f"Incident has a field `{field}` that {place} lacks: {remedy}"
