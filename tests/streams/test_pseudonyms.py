"""Public names of vantages link nothing; and what is published names no vantage at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from pydantic import ValidationError

from producers.failures import Failure, Stage
from producers.records import ProbeResult, encode
from streams.commands import vantage as command
from streams.errors import SettingsError
from streams.pseudonyms import pseudonym, public_register
from streams.records import Vantage, VantageState
from streams.records import encode as encode_record
from streams.settings import TrustSettings, load
from streams.step.backtest import Backtest

SECRET = b"0123456789abcdef"
START = datetime(2024, 3, 1, tzinfo=UTC)
NAME = "wanderlust-nine"


def entry(name: str, asn: int, **more: object) -> Vantage:
    return msgspec.structs.replace(Vantage(vantage=name, country="PK", asn=asn, since=START), **more)


def test_a_pseudonym_links_neither_networks_nor_months_nor_operators() -> None:
    same = pseudonym(SECRET, "pk-1", 17557, "2024-01")
    assert pseudonym(SECRET, "pk-1", 17557, "2024-01") == same
    others = [
        pseudonym(SECRET, "pk-1", 17558, "2024-01"),
        pseudonym(SECRET, "pk-1", 17557, "2024-02"),
        pseudonym(SECRET, "pk-2", 17557, "2024-01"),
        pseudonym(SECRET + b"!", "pk-1", 17557, "2024-01"),
    ]
    assert len({same, *others}) == 5


def test_a_network_of_few_vantages_is_named_only_where_the_operator_says_so() -> None:
    register = [entry(f"pk-{number}", 1 if number < 3 else 2) for number in range(5)]
    register += [entry("gone", 2, state=VantageState.REVOKED), entry("ooni-pk", 0, sources=("ooni",))]
    shown = public_register(register, SECRET, "2024-01", name_small_networks=False)
    assert sorted((one.asn or 0) for one in shown) == [0, 0, 1, 1, 1]
    assert not any("pk-" in one.pseudonym for one in shown)
    named = public_register(register, SECRET, "2024-01", name_small_networks=True)
    assert sorted((one.asn or 0) for one in named) == [1, 1, 1, 2, 2]
    assert [one.pseudonym for one in named] == [one.pseudonym for one in shown]


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least 16"):
        TrustSettings.model_validate({"pseudonym_secret": "short"})


def test_no_incident_or_window_names_a_vantage() -> None:
    kept: list[bytes] = []
    test = Backtest(load(), keep=kept.append)
    rows = [
        ProbeResult(
            id=f"{minute}-{asn}-{platform}",
            time=START + timedelta(minutes=minute, seconds=asn),
            platform=platform,
            country="PK",
            asn=64500 + asn,
            vantage=f"{NAME}-{asn}",
            ok=platform == "y",
            stage=Stage.TLS if platform == "x" else None,
            failure=Failure.CONNECTION_RESET if platform == "x" else None,
            control_ok=True,
        )
        for minute in range(40)
        for asn in range(5)
        for platform in ("x", "y")
    ]
    incidents = list(test.run([encode(row) for row in rows]))
    assert incidents and kept
    published = b"".join([*map(encode_record, incidents), *kept])
    assert NAME.encode() in encode(rows[0])
    assert NAME.encode() not in published


def test_the_command_shows_pseudonyms_and_asks_for_a_secret(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    register = [entry(f"{NAME}-{number}", 17557) for number in range(3)]
    monkeypatch.setattr(command, "_entries", lambda settings: register)
    with pytest.raises(SettingsError, match=r"trust\.pseudonym_secret is not set"):
        command.list_(public=True)
    monkeypatch.setenv("NETDUSK_TRUST__PSEUDONYM_SECRET", SECRET.decode())
    command.list_(public=True)
    lines = [msgspec.json.decode(line) for line in capsys.readouterr().out.splitlines()]
    assert [(line["country"], line["asn"]) for line in lines] == [("PK", 17557)] * 3
    assert all(line["pseudonym"].startswith("v-") and NAME not in str(line) for line in lines)
