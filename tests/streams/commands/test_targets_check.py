"""`netdusk targets check`: what leads into one's own network is refused, with the remedy."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from streams.commands.targets import app
from streams.errors import SettingsError

INSIDE = (
    "http://localhost/",
    "http://LOCALHOST./",
    "https://a.localhost:8443/",
    "http://router/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://printer.local/",
    "http://127.0.0.1/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::1]/",
    "http://169.254.169.254/",
    "http://168.63.129.16/",
    "http://[fd00:ec2::254]/",
    "http://[64:ff9b::a00:1]/",
    "tcp://kafka:9092",
)


def checked(path: Path, url: str, *options: str, private: bool = False) -> BaseException | None:
    mark = "private = true\n" if private else ""
    path.write_text(f'[[target]]\nplatform = "x"\nurl = "{url}"\n{mark}')
    return CliRunner().invoke(app, ["check", str(path), *options]).exception


@pytest.mark.parametrize("url", INSIDE)
def test_what_leads_inside_is_refused_and_may_be_meant(tmp_path: Path, url: str) -> None:
    refused = checked(tmp_path / "t.toml", url)
    assert isinstance(refused, SettingsError)
    assert "private = true" in str(refused)
    assert checked(tmp_path / "t.toml", url, private=True) is None


@pytest.mark.parametrize(
    "url", ["http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://0177.0.0.1/"]
)
def test_an_address_in_another_spelling_is_no_name(tmp_path: Path, url: str) -> None:
    refused = checked(tmp_path / "t.toml", url, private=True)
    assert isinstance(refused, SettingsError)


def test_a_name_that_leads_inside_is_found_by_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = {"x.com": ["8.8.8.8"], "rebound.example": ["8.8.8.8", "10.0.0.7"]}
    monkeypatch.setattr("streams.local.ingesting.addresses_of", answers.__getitem__)
    assert checked(tmp_path / "t.toml", "https://x.com/", "--resolve") is None
    refused = checked(tmp_path / "t.toml", "https://rebound.example/", "--resolve")
    assert isinstance(refused, SettingsError)
    assert "leads to 10.0.0.7, which no public service can have" in str(refused)
    assert checked(tmp_path / "t.toml", "https://rebound.example/", "--resolve", private=True) is None
