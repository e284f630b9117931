"""AS numbers are held against a country table where the operator gives one."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from detectors.readings import MonitorKey
from streams.commands.vantage import read_register
from streams.errors import SettingsError
from streams.records import Vantage, encode
from streams.settings import TrustSettings
from streams.step.asn_countries import countries_by_asn
from streams.step.speakers import ALWAYS, NEVER, Speakers
from tests.streams.step.tables import write_table

SINCE = datetime(2024, 1, 1, tzinfo=UTC)
ENTRY = Vantage(vantage="pk-1", country="PK", asn=17557, since=SINCE)
OONI = Vantage(vantage="ooni-de", country="DE", asn=0, since=SINCE, sources=("ooni",))


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    entries = {
        1: {"asn": "AS17557", "country": "PK"},
        2: {"autonomous_system_number": 3320, "country": {"iso_code": "DE"}},
        3: {"asn": 3320, "country_code": "AT"},
        4: {"asn": "AS7", "country": "Atlantis"},
        5: {"country": "US"},
    }
    return write_table(tmp_path_factory.mktemp("table") / "asn.mmdb", entries)


def test_a_network_is_where_it_has_addresses(table: Path) -> None:
    assert countries_by_asn(table) == {17557: {"PK"}, 3320: {"AT", "DE"}}
    assert countries_by_asn(None) == {}


def test_an_entry_for_a_network_of_elsewhere_is_refused(table: Path, tmp_path: Path) -> None:
    file = tmp_path / "register.jsonl"
    networks = countries_by_asn(table)
    file.write_bytes(encode(ENTRY))
    assert read_register(file, networks) == [ENTRY]
    wrong = msgspec.structs.replace(ENTRY, country="DE")
    file.write_bytes(encode(ENTRY) + b"\n" + encode(wrong))
    with pytest.raises(
        SettingsError, match=r"line 2: AS17557 has no addresses in DE by trust.country_table, but in PK: name"
    ):
        read_register(file, networks)
    assert len(read_register(file)) == 2  # without a table it is believed


@pytest.mark.parametrize(
    ("country", "asn", "with_table", "without"),
    [
        ("PK", 17557, ALWAYS, ALWAYS),
        ("DE", 17557, NEVER, ALWAYS),  # of a network that is in Pakistan alone
        ("DE", 3320, ALWAYS, ALWAYS),
        ("DE", 64500, ALWAYS, ALWAYS),  # which the table does not know
    ],
)
def test_results_of_a_network_of_elsewhere_have_no_vote(
    table: Path, country: str, asn: int, with_table: int, without: int
) -> None:
    monitor = MonitorKey("x", country, "", asn, "ooni-7", False)
    if country == "PK":
        monitor = monitor._replace(vantage="pk-1")
    for path, expected in ((table, with_table), (None, without)):
        trust = TrustSettings(policy="registered", country_table=path)
        assert Speakers(trust, [ENTRY, OONI]).votes_from_ms(monitor) == expected


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"no table", "MaxMind"), ({4: {"asn": 7}}, "no entry names both")],
)
def test_a_table_that_is_none_is_named(tmp_path: Path, content: object, why: str) -> None:
    path = tmp_path / "other.mmdb"
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif isinstance(content, dict):
        write_table(path, content)
    with pytest.raises(SettingsError, match=rf"trust.country_table: .*other.mmdb.*{why}"):
        countries_by_asn(path)
