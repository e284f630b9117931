"""What stands in the environment: mistyped tables are said, empty variables are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams.settings import SettingsError, load


def test_a_mistyped_table_is_said_without_its_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDUSK_KAFAK__SASL_PASSWORD", "hunter2")
    with pytest.raises(
        SettingsError, match=r"NETDUSK_KAFAK__SASL_PASSWORD: .* did you mean NETDUSK_KAFKA"
    ) as caught:
        load()
    assert "hunter2" not in str(caught.value)


def test_a_table_unlike_all_others_is_said_with_those_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDUSK_QQQ", "1")
    with pytest.raises(SettingsError, match=r"NETDUSK_QQQ: no such setting; tables: .*topics"):
        load()


def test_an_empty_config_variable_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETDUSK_CONFIG", "")
    assert load().kafka.bootstrap == "localhost:9092"


@pytest.mark.parametrize("bootstrap", ["a:1", "a.b-c:9092, d_e:65535", "[::1]:9092", "10.0.0.1:19092"])
def test_brokers_are_named_in_every_usual_way(bootstrap: str) -> None:
    assert load(kafka={"bootstrap": bootstrap}).kafka.bootstrap == bootstrap


def test_a_name_in_the_settings_file_means_the_file_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file of that name where netdusk happens to be run was taken instead, and nobody was told."""
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "targets.toml").write_text("")
        (folder / "ca.pem").write_text("")
    (here / "own.toml").write_text("")
    (there / "elsewhere.toml").write_text("")
    config = there / "netdusk.toml"
    config.write_text(
        '[probe]\ntargets = "targets.toml"\n[kafka]\nsecurity_protocol = "SSL"\nssl_ca = "ca.pem"\n'
    )
    monkeypatch.chdir(here)
    settings = load(config)
    assert (settings.probe.targets, settings.kafka.ssl_ca) == (there / "targets.toml", there / "ca.pem")
    # What is named on the command line or in the environment is what stands here; else beside the settings, as before.
    for name, meant in (("targets.toml", Path("targets.toml")), ("own.toml", Path("own.toml"))):
        assert load(config, probe={"targets": Path(name)}).probe.targets == meant
    monkeypatch.setenv("NETDUSK_PROBE__TARGETS", "own.toml")
    assert load(config).probe.targets == Path("own.toml")
    monkeypatch.setenv("NETDUSK_PROBE__TARGETS", "elsewhere.toml")
    assert load(config).probe.targets == there / "elsewhere.toml"
