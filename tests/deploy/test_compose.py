"""deploy/compose.yaml, held against Compose's own schema and against netdusk's settings and commands."""

from __future__ import annotations

import copy
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from streams.cli import COMMANDS
from streams.settings import load

_ROOT = Path(__file__).parents[2]
_DEPLOY = _ROOT / "deploy"
_OURS = ("topics", "worker", "canary", "archive", "page", "notify", "probe")
_RULES = '{"desk": {"to": ["json://hooks.example/netdusk"]}}'


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((_DEPLOY / "compose.yaml").read_text())
    return found


@pytest.mark.integration
def test_is_what_compose_reads(compose: dict[str, Any]) -> None:
    schema = _ROOT / ".cache" / "chart" / "compose-spec.json"
    assert schema.is_file(), f"{schema} is missing: run `make servers`"
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    assert [error.message for error in validator.iter_errors(compose)] == []
    wrong = copy.deepcopy(compose)
    wrong["services"]["worker"]["comand"] = ["worker"]
    assert not validator.is_valid(wrong)


@pytest.mark.integration
def test_prometheus_takes_its_configuration() -> None:
    promtool = shutil.which("promtool")
    assert promtool, "promtool is missing: run `make servers`"
    command = [promtool, "check", "config", "--syntax-only", str(_DEPLOY / "compose" / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("service", _OURS)
def test_netdusk_reads_what_it_is_given(
    compose: dict[str, Any], service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = compose["services"][service]
    assert about["command"][0] in COMMANDS
    for name in [name for name in os.environ if name.startswith("NETDUSK_")]:
        monkeypatch.delenv(name)
    for name, value in about["environment"].items():
        if value is None:  # it comes from the environment of whoever starts this
            assert name == "NETDUSK_NOTIFY__RULES"
            monkeypatch.setenv(name, _RULES)
            continue
        if name not in ("NETDUSK_CONFIG", "NETDUSK_PROBE__COUNTRY"):  # the operator names the country
            monkeypatch.setenv(name, re.sub(r"\$\{\w+:-(.*?)\}", r"\1", str(value)))
    settings = load(_DEPLOY / compose["configs"]["netdusk"]["file"])
    assert settings.kafka.bootstrap == "kafka:19092"
    assert "INSIDE://kafka:19092" in compose["services"]["kafka"]["environment"]["KAFKA_ADVERTISED_LISTENERS"]
    assert settings.topics.replication == 1  # one broker
    assert settings.profile == "observatory"
    assert list(settings.notify.rules) == (["desk"] if service == "notify" else [])


def test_the_page_reads_what_the_archive_writes(compose: dict[str, Any]) -> None:
    place = compose["services"]["archive"]["environment"]["NETDUSK_ARCHIVE__URL"]
    assert compose["services"]["archive"]["volumes"] == [f"archive:{place}"]
    assert compose["services"]["page"]["volumes"] == [f"archive:{place}:ro"]
    # A volume takes its owner from the image's folder: without one it is root's, and nothing of ours is root.
    made = re.search(
        r"^RUN install -d -o 65532 -g 65532 (.*)$", (_ROOT / "Dockerfile").read_text(), re.MULTILINE
    )
    assert made is not None
    spool = compose["services"]["probe"]["volumes"][0].partition(":")[2]
    assert {place, spool} <= set(made[1].split())


@pytest.mark.parametrize("service", _OURS)
def test_ours_can_do_little(compose: dict[str, Any], service: str) -> None:
    about = compose["services"][service]
    assert about["read_only"] is True
    assert about["cap_drop"] == ["ALL"]
    assert "privileged" not in about


def test_nothing_is_open_to_the_network(compose: dict[str, Any]) -> None:
    ports = [port for about in compose["services"].values() for port in about.get("ports", ())]
    assert ports
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_files_that_are_mounted_exist(compose: dict[str, Any]) -> None:
    sources = [
        re.sub(r"\$\{\w+:-(.*?)\}", r"\1", volume).split(":")[0]
        for about in compose["services"].values()
        for volume in about.get("volumes", ())
    ]
    named = set(compose["volumes"])
    for source in sources:
        assert source in named or (_DEPLOY / source).exists(), source
    rules = [
        _DEPLOY / source for source in sources if (_DEPLOY / source / "netdusk-incidents.yaml").is_file()
    ]
    assert [(place.parent / "own" / "netdusk-own.yaml").is_file() for place in rules] == [True]


def test_probe_is_asked_for(compose: dict[str, Any]) -> None:
    assert compose["services"]["probe"]["profiles"] == ["probe"]
    assert compose["services"]["notify"]["profiles"] == ["notify"]
