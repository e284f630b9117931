"""What stands in the environment: mistyped tables are said, empty variables are none."""

from __future__ import annotations

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
