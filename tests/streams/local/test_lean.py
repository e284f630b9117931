"""What a vantage hands over to the lean program that takes its place."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from producers.probe.asked import Fingerprints
from producers.probe.targets import Target
from streams.errors import SettingsError
from streams.kafka.options import producer_options
from streams.local import lean
from streams.local.probing import Probing
from streams.settings import Settings

TARGETS = """
[[target]]
platform = "x"
url = "https://x.com/robots.txt"
statuses = ["2xx", 403]
redirects = ["twitter.com"]
beside = "https://example.org/large"
[[target]]
platform = "me"
url = "h2://me.example/"
size_bytes = [1, 20]
[[blockpage]]
name = "ours"
source = "seen"
body_regex = "blocked [0-9]+"
"""


@pytest.fixture
def probing(tmp_path: Path) -> Probing:
    file = tmp_path / "targets.toml"
    file.write_text(TARGETS)
    probe = {
        "country": "PK",
        "asn": 17557,
        "targets": file,
        "spool": tmp_path / "spool",
        "resolver": "9.9.9.9",
    }
    kafka = {"security_protocol": "SASL_PLAINTEXT", "sasl_username": "me", "sasl_password": "hush"}
    return Probing(Settings.model_validate({"probe": probe, "kafka": kafka}), release="1.2.3")


def _taken_over(probing: Probing) -> Probing:
    handed = lean.unpacked(lean.packed(probing, print_only=False, count_max=7))
    assert (handed["print_only"], handed["count_max"]) == (False, 7)
    return lean.probing_of(handed)


def test_nothing_is_lost_on_the_way(probing: Probing) -> None:
    taken = _taken_over(probing)
    assert taken.version == "1.2.3"
    assert taken.vantage == probing.vantage
    for name in Target.model_fields:
        given = [getattr(target, name, None) for target in probing.targets.target]
        assert [getattr(target, name, None) for target in taken.targets.target] == given, name
    compared = taken.targets.target[0].compared
    assert compared is not None
    assert (compared.url, compared.platform, compared.compared) == ("https://example.org/large", "x", None)
    assert taken.targets.target[1].compared is None
    assert [target.place for target in taken.targets.target] == [
        target.place for target in probing.targets.target
    ]
    assert taken.targets.target[0].may_redirect_to("www.twitter.com")
    assert Fingerprints(taken.targets.blockpage).in_body(b"BLOCKED 17") == "ours"


def test_every_setting_that_is_read_is_there(probing: Probing) -> None:
    taken = _taken_over(probing)
    for section in ("probe", "kafka", "topics", "http"):
        model = getattr(probing.settings, section)
        for name in type(model).model_fields:
            given, now = getattr(model, name), getattr(getattr(taken.settings, section), name)
            assert now == (given.get_secret_value() if name == "sasl_password" else given), name


def test_the_broker_is_reached_as_before(probing: Probing) -> None:
    assert producer_options(_taken_over(probing).settings.kafka) == producer_options(probing.settings.kafka)


def test_what_is_wrong_is_said_before_anything_is_handed_over(tmp_path: Path) -> None:
    file = tmp_path / "targets.toml"
    file.write_text(TARGETS.replace("https://x.com", "gopher://x.com"))
    with pytest.raises(SettingsError, match="scheme"):
        Probing(Settings.model_validate({"probe": {"country": "PK", "targets": file}}))


def test_a_machine_without_nameless_memory_goes_on_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lean, "os", SimpleNamespace())
    assert not lean.possible()
