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
from streams.commands.check_config import check_files
from streams.settings import SettingsError, load

FOLDER = Path(__file__).parents[2] / "bad_config"
READERS: dict[str, Callable[[Path], object]] = {
    "targets": load_targets,
    "settings": load,
    # Good settings that name files of no use: `netdusk check-config` says so.
    "files": lambda path: check_files(load(path)),
}
FILES = sorted(FOLDER.glob("*/*.toml"))


def complaint(path: Path) -> str:
    with pytest.raises((TargetsError, SettingsError)) as caught:
        READERS[path.parent.name](path)
    return str(caught.value).replace(str(path), "FILE") + "\n"


@pytest.mark.parametrize("path", FILES, ids=[f"{path.parent.name}/{path.stem}" for path in FILES])
def test_message(path: Path) -> None:
    message = complaint(path)
    assert message == path.with_suffix(".txt").read_text()
    place = "settings: " if path.parent.name == "files" else "FILE: "
    assert all(line.startswith(place) for line in message.splitlines())
    assert "hunter2" not in message


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
            ["--once", "--country", "PK", "--targets", "FOLDER/private.toml"],
            "targets: https://127.0.0.1/ has private = true, and probe.allow_private is false: a vantage contacts no "
            "private address. If it is a service of your own, start with --allow-private, or set allow_private = true "
            "under [probe]\n",
        ),
        (
            ["--once", "--country", "PK", "--targets", "FOLDER/metadata.toml", "--allow-private"],
            "targets: http://[64:ff9b::a9fe:a9fe]/ is at an address that no public service can have; if it is a "
            "service of your own, give the target private = true, and the vantage --allow-private\n",
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
    table = '[[target]]\nplatform = "x"\n'
    (tmp_path / "private.toml").write_text(f'{table}url = "https://127.0.0.1/"\nprivate = true\n')
    (tmp_path / "metadata.toml").write_text(f'{table}url = "http://[64:ff9b::a9fe:a9fe]/"\n')
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


def test_a_mistyped_variable_keeps_its_value_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDUSK_KAFKA__SASL_PASWORD", "hunter2")
    with pytest.raises(SettingsError) as caught:
        load()
    assert str(caught.value) == (
        "environment NETDUSK_KAFKA__SASL_PASWORD: kafka.sasl_pasword: there is no such key; do you mean "
        "'sasl_password'?"
    )


class TestSecretFromFile:
    @pytest.fixture(autouse=True)
    def _user(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NETDUSK_KAFKA__SECURITY_PROTOCOL", "SASL_SSL")
        monkeypatch.setenv("NETDUSK_KAFKA__SASL_USERNAME", "pk")

    def test_a_variable_may_name_a_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "password").write_text(" hunter2\n")
        monkeypatch.setenv("NETDUSK_KAFKA__SASL_PASSWORD_FILE", str(tmp_path / "password"))
        password = load().kafka.sasl_password
        assert password is not None
        assert password.get_secret_value() == " hunter2"

    def test_a_file_without_end_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NETDUSK_KAFKA__SASL_PASSWORD_FILE", "/dev/zero")
        with pytest.raises(
            SettingsError, match="SASL_PASSWORD_FILE = '/dev/zero': more than 65,536 characters"
        ):
            load()

    def test_a_missing_file_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("NETDUSK_KAFKA__SASL_PASSWORD_FILE", "/nowhere/password")
        with pytest.raises(SettingsError) as caught:
            load()
        assert str(caught.value) == (
            "environment NETDUSK_KAFKA__SASL_PASSWORD_FILE = '/nowhere/password': No such file or directory; "
            "name a readable file"
        )

    def test_both_are_one_too_many(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "password").write_text("hunter2")
        monkeypatch.setenv("NETDUSK_KAFKA__SASL_PASSWORD_FILE", str(tmp_path / "password"))
        monkeypatch.setenv("NETDUSK_KAFKA__SASL_PASSWORD", "hunter2")
        with pytest.raises(SettingsError, match=r"are both set; keep one") as caught:
            load()
        assert "hunter2" not in str(caught.value)

    def test_what_the_file_holds_is_checked(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "port").write_text("hunter2")
        monkeypatch.setenv("NETDUSK_KAFKA__SASL_PASSWORD", "x")
        monkeypatch.setenv("NETDUSK_HTTP__PORT_FILE", str(tmp_path / "port"))
        with pytest.raises(SettingsError, match=r"^environment NETDUSK_HTTP__PORT_FILE: http.port"):
            load()


def test_check_config_looks_at_files(tmp_path: Path) -> None:
    settings = load(probe={"country": "PK", "spool": tmp_path / "to" / "be" / "made"})
    check_files(settings)
    assert not (tmp_path / "to").exists()


if __name__ == "__main__":
    for file in FILES:
        file.with_suffix(".txt").write_text(complaint(file))
