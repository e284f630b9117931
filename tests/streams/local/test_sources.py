"""A new source is named wherever a reader or a user looks for it, and refuses what it can't read."""

from __future__ import annotations

import io
import pkgutil
import re
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

import producers.sources
from producers.sources.contract import Refused
from streams.local.pulling import PullPlan
from streams.local.sources import PULLS, SOURCES, Options, SourceQuery, pull_of, reader_of
from streams.settings import SettingsError
from streams.words import SOURCE_NAMES

ROOT = Path(__file__).parents[3]
_INGEST = (ROOT / "docs" / "ingest.md").read_text()
#: What a source needs besides, as the file that --map names.
_MAPS = {
    "table": '[columns]\ntime = "when"\ncountry = "cc"\nasn = "as"\ntarget = "url"\nok = "up"\n',
    "ripe-atlas": '{"objects": [{"id": 1, "country_code": "PK", "asn_v4": 17557}]}',
}
#: A query that has all that any source asks for; where a mirror is, only those take that have one.
_WHOLE = SourceQuery(countries=("PK",), measurements=(7000,), every_seconds=60.0)


def _whole(name: str, folder: Path) -> SourceQuery:
    url = "http://127.0.0.1:9090" if name == "prometheus" else None
    return replace(_WHOLE, url=url, mapping=_mapping(name, folder))


def _mapping(name: str, folder: Path) -> Path | None:
    if name not in _MAPS:
        return None
    file = folder / name
    file.write_text(_MAPS[name])
    return file


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_a_row_in_the_docs(name: str) -> None:
    assert re.search(rf"^\| (\[`{name}`\]|`{name}` )", _INGEST, re.MULTILINE), "add a row to docs/ingest.md"


def test_the_docs_have_no_row_of_a_source_that_is_gone() -> None:
    table = _INGEST.partition("| FORMAT |")[2].partition("\n\n")[0]
    assert sorted(re.findall(r"^\| \[?`([a-z-]+)`", table, re.MULTILINE)) == sorted(SOURCES)


def test_each_file_of_a_source_has_a_row() -> None:
    """What several sources share is named here; every other file is one."""
    shared = {"contract", "csv_rows", "files", "parquet_rows"}
    files = {one.name for one in pkgutil.iter_modules(producers.sources.__path__)} - shared
    table = (ROOT / "streams" / "local" / "sources.py").read_text()
    named = {
        name.strip()
        for line in re.findall(r"^from producers\.sources import (.+)$", table, re.MULTILINE)
        for name in line.split(",")
    } | set(re.findall(r"^from producers\.sources\.(\w+)", table, re.MULTILINE)) - shared
    assert sorted(files) == sorted(named), "give it a row in SOURCES, streams/local/sources.py"


def test_each_source_of_signals_has_a_name_for_readers() -> None:
    modules = [
        import_module(f"producers.sources.{one.name}")
        for one in pkgutil.iter_modules(producers.sources.__path__)
    ]
    ids = {one.SOURCE for one in modules if hasattr(one, "SOURCE") and hasattr(one, "Signal")}
    # A table names its source itself.
    assert ids - {import_module("producers.sources.tables").SOURCE} == set(SOURCE_NAMES), (
        "add it to streams/words.py"
    )


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_refuses_what_it_cant_read_and_raises_nothing(name: str, tmp_path: Path) -> None:
    read = reader_of(name, Options(mapping=_mapping(name, tmp_path)))
    for text in (b'{"a": ', b"\x00\xff\xfe", b"[" * 5_000, b'{"data": [1, null, "x"]}\n'):
        assert all(isinstance(item, Refused) for item in read("file", io.BytesIO(text)))


@pytest.mark.parametrize("name", PULLS)
def test_a_service_is_asked_what_its_source_needs(name: str, tmp_path: Path) -> None:
    plan = pull_of(name).plan(name, _whole(name, tmp_path))
    assert isinstance(plan, PullPlan)
    assert [url for part in plan.parts for url in plan.requests(part, 0.0, 3600.0)]


@pytest.mark.parametrize("name", sorted(PULLS.keys() - {"ooni", "prometheus"}))
def test_a_mirror_is_asked_the_same_as_the_service(name: str, tmp_path: Path) -> None:
    def urls(base: str | None) -> list[str]:
        plan = pull_of(name).plan(name, replace(_whole(name, tmp_path), url=base))
        return [url for part in plan.parts for url in plan.requests(part, 0.0, 3600.0)]

    mirror = "http://127.0.0.1:8000/cache"
    service = urls(None)
    asked = urls(f"{mirror}/")
    assert all(url.startswith(f"{mirror}/") for url in asked)
    for one, other in zip(service, asked, strict=True):
        assert one.endswith(other.removeprefix(mirror))
    with pytest.raises(SettingsError, match="no address of the web"):
        urls("file:///etc/passwd")


def test_ooni_has_no_mirror(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="leave --url out"):
        pull_of("ooni").plan("ooni", replace(_whole("ooni", tmp_path), url="http://127.0.0.1:8000"))


@pytest.mark.parametrize("name", PULLS)
def test_a_service_says_what_its_source_lacks(name: str) -> None:
    with pytest.raises(SettingsError, match=f"^{name}: .*--"):
        pull_of(name).plan(name, SourceQuery(every_seconds=60.0))


def test_a_source_without_a_service_says_which_have_one() -> None:
    with pytest.raises(SettingsError, match=r"^source 'table': there are ooni, prometheus"):
        pull_of("table")
