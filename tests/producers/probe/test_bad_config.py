"""One file a mistake, beside its exact message: tests/bad_config/*/NAME.toml and NAME.txt.

FILE stands for the path. `python -m tests.producers.probe.test_bad_config` writes the messages anew, to be read in the
diff.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from producers.probe.targets import TargetsError, load_targets
from streams import cli
from streams.settings import SettingsError, load

FOLDER = Path(__file__).parents[2] / "bad_config"
READERS: dict[str, Callable[[Path], object]] = {"targets": load_targets, "settings": load}
FILES = sorted(FOLDER.glob("*/*.toml"))


def complaint(path: Path) -> str:
    with pytest.raises((TargetsError, SettingsError)) as caught:
        READERS[path.parent.name](path)
    return str(caught.value).replace(str(path), "FILE") + "\n"


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_message(path: Path) -> None:
    said = complaint(path)
    assert said == path.with_suffix(".txt").read_text()
    assert all(line.startswith("FILE: ") for line in said.splitlines())


def test_each_message_has_its_mistake() -> None:
    assert {path.with_suffix(".txt") for path in FILES} == set(FOLDER.glob("*/*.txt"))
    assert {path.parent.name for path in FILES} == set(READERS)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["--once"],
            "settings: probe.country is missing: say where this vantage stands, with --country PK, "
            'NETDUSK_PROBE__COUNTRY=PK, or country = "PK" under [probe] in the settings file\n',
        ),
        (
            ["--once", "--country", "Pakistan"],
            "command line: probe.country = 'Pakistan': write a country code of ISO 3166-1 alpha-2 in capitals, "
            'like "PK"\n',
        ),
        (
            ["--once", "--country", "PK", "--targets", "FOLDER/none.toml"],
            "FOLDER/none.toml: No such file or directory; name a readable targets file\n",
        ),
        (
            ["--once", "--country", "PK", "--platform", "myspace"],
            "settings: probe.platforms = ['myspace']: no target of platform 'myspace'; there are x, facebook, "
            "instagram, youtube, whatsapp, telegram, tiktok, signal, wikipedia, google\n",
        ),
        (
            ["--once", "--country", "PK", "--authorities", "FOLDER/none.pem"],
            "settings: probe.authorities = 'FOLDER/none.pem': No such file or directory; "
            "name a readable PEM file of certificates\n",
        ),
        (
            ["--country", "PK", "--asn", "17557", "--spool", "FOLDER/file/spool"],
            "settings: probe.spool = FOLDER/file/spool: Not a directory; name a folder that can be written\n",
        ),
    ],
)
def test_the_command_says_it_and_ends_with_2(
    arguments: list[str],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(
        sys, "argv", ["netdusk", "probe", *(item.replace("FOLDER", str(tmp_path)) for item in arguments)]
    )
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2
    assert capsys.readouterr().err.replace(str(tmp_path), "FOLDER") == said


def test_a_variable_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDUSK_PROBE__ASN", "AS17557")
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == "environment NETDUSK_PROBE__ASN: probe.asn = 'AS17557': write a whole number"


if __name__ == "__main__":
    for file in FILES:
        file.with_suffix(".txt").write_text(complaint(file))
