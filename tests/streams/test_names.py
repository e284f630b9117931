"""Names beside codes: of regions from the CLDR, of networks from the operator's table."""

from __future__ import annotations

from pathlib import Path

import pytest

from detectors.incidents.snapshots import Kind, Scope
from detectors.settings import IncidentSettings
from producers.countries import COUNTRIES
from producers.names import is_printable, is_region
from streams.names import _regions, region_name
from streams.settings import SettingsError, load
from streams.words import Extent, _where


def test_every_code_of_the_table_is_one_and_every_name_can_be_printed() -> None:
    names = _regions()
    assert all(is_region(code, code[:2]) and code[:2] in COUNTRIES for code in names)
    assert all(name and is_printable(name) for name in names.values())
    assert {names[code] for code in ("PK-KP", "IQ-BA", "UG-102", "IR-07")} == {
        "Khyber Pakhtunkhwa",
        "Basra",
        "Kampala",
        "Tehran",
    }


def test_a_region_without_a_name_keeps_its_code() -> None:
    assert region_name("PK-ZZ", {}) == "PK-ZZ"


def test_an_operator_names_regions_beside_countries() -> None:
    own = IncidentSettings(country_names={"PK-JK": "AJK"})
    extent = Extent(Kind.PLATFORM, Scope.REGION, "PK", 1, ("PK-JK", "PK-PB"), (), 5)
    assert _where(extent, own) == "in AJK and Punjab, Pakistan"


def test_a_table_names_networks_and_the_settings_go_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "networks.csv").write_text(
        "asn,name,country\n17557,PTCL,PK\nAS45669,Mobilink,PK\n9541,,PK\n", encoding="utf-8"
    )
    config = tmp_path / "netdusk.toml"
    config.write_text('[names]\nnetworks = "networks.csv"\n[incidents.network_names]\n45669 = "Jazz"\n')
    monkeypatch.chdir("/")  # the file beside the settings is meant, wherever netdusk runs
    assert load(config).incidents.network_names == {17557: "PTCL", 45669: "Jazz"}


@pytest.mark.parametrize(
    ("table", "why"),
    [
        ("number,name\n1,A\n", "the first line has to name the columns asn and name"),
        ("asn,name\n1,A\nPTCL,B\n", "line 3: asn = 'PTCL': write a number, like 17557"),
        ("asn,name\n0,A\n", "line 2: asn = '0': write a number"),
        ("asn,name\n99999999999999,A\n", "line 2: asn = '99999999999999': write a number"),
        ("asn,name\n1,left\u202etfel\n", "line 2: name = .*printable"),
        (f"asn,name\n1,{'x' * 201}\n", "line 2: name = .*up to 200"),
    ],
)
def test_a_table_of_no_use_is_said_with_its_line(tmp_path: Path, table: str, why: str) -> None:
    path = tmp_path / "networks.csv"
    path.write_text(table, encoding="utf-8")
    with pytest.raises(SettingsError, match=rf"names.networks: .*networks.csv.*{why}"):
        load(names={"networks": path})


def test_a_table_that_is_missing_is_said(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"names.networks: .*none.csv: No such file.*name a CSV file"):
        load(names={"networks": tmp_path / "none.csv"})
