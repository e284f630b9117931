"""The shipped rules: current, well-formed, told of nothing that is not there, and right minute by minute."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
import yaml

from monitoring.config import DRILL, ON_CALL, Config, duration
from monitoring.shipped import ROOT, files, own_rules, rule_files
from streams.engine.families import FAMILIES
from tests.monitoring.servers import program

HERE: Final = Path(__file__).parent
RUNBOOKS: Final = ROOT / "docs" / "runbooks"
STORIES: Final = sorted((HERE / "rules").glob("*.yaml"))
EVERY_ALERT: Final = {
    "NationScaleDisruption", "ProviderDisruption", "ConnectivityDark", "GlobalPlatformOutage", "ThrottlingSuspected",
    "ObservatoryBlind", "WorkerStalled", "WatermarkLag", "RejectedRecords", "CheckpointFailing", "ProducerSilent",
    "StepFailed", "NetduskWatchdog", "CanarySilent", "ServiceUnreachable", "CertificateExpiresSoon",
}  # fmt: skip
#: Which labels an alert may carry: none of them tells one worker, one vantage or one incident from another.
LABELS: Final = {
    "country",
    "platform",
    "simulated",
    "severity",
    "extent",
    "reason",
    "partition",
    "result",
    "remedy",
    "role",
}


@cache
def rules(config: Config) -> list[dict[str, Any]]:
    return [
        rule
        for text in (rule_files(config) | own_rules(config)).values()
        for group in yaml.safe_load(text)["groups"]
        for rule in group["rules"]
    ]


ALERTS: Final = [rule for rule in rules(ON_CALL) if "alert" in rule]
RULES: Final = rules(ON_CALL) + rules(DRILL)


def name_of(rule: dict[str, Any]) -> str:
    return str(rule.get("alert") or rule["record"])


def selectors(expr: str) -> list[Any]:
    """Every selector of an expression; raises where it is none."""
    found: list[Any] = []

    def look(node: Any) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node)
        elif isinstance(node, promql_parser.MatrixSelector):
            found.append(node.vector_selector)

    promql_parser.walk(promql_parser.parse(expr), look)
    return found


def test_every_alert_that_is_asked_for_is_there() -> None:
    assert {rule["alert"] for rule in ALERTS} == EVERY_ALERT


SHIPPED: Final = files()


@pytest.mark.parametrize("path", SHIPPED)
def test_what_is_shipped_is_what_the_code_says(path: str) -> None:
    assert (ROOT / path).read_text() == SHIPPED[path], "run `make docs`"


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_expressions_ask_for_figures_that_exist(rule: dict[str, Any]) -> None:
    records = {found["record"]: found for found in rules(ON_CALL) if "record" in found}
    asked = selectors(rule["expr"])
    assert asked or rule["expr"] == "vector(1)"
    for selector in asked:
        name = re.sub(r"_(bucket|count|sum)$", "", selector.name)
        matched = {matcher.name for matcher in selector.matchers.matchers}
        if selector.name == "ALERTS":
            assert matched == {"alertname", "alertstate"}
        elif name == "netdusk_probe_certificate_expiry_timestamp_seconds":
            assert matched == set()  # a vantage's own page has it
        elif name in FAMILIES:
            assert matched <= set(FAMILIES[name].labels), selector.name
        else:
            assert selector.name in records, selector.name


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_an_alert_can_be_told_by_bounded_labels_alone(rule: dict[str, Any]) -> None:
    text = rule["expr"]
    assert "instance" not in text and "pod" not in text
    grouped = {label for labels in re.findall(r"by \(([^)]*)\)", text) for label in labels.split(", ")}
    assert grouped - {"le"} <= LABELS
    assert set(rule["labels"]) <= LABELS
    for annotation in rule["annotations"].values():
        used = set(re.findall(r"\$labels\.(\w+)", annotation))
        assert used <= LABELS
        assert used <= grouped | set(rule["labels"]) | {"country"}


@pytest.mark.parametrize("rule", ALERTS, ids=name_of)
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    annotations = rule["annotations"]
    assert set(annotations) == {"summary", "description", "runbook_url", "dashboard_url"}
    assert rule["labels"]["severity"] in {"critical", "warning", "none"}
    assert annotations["runbook_url"] == f"{ON_CALL.runbooks}/{rule['alert']}.md"
    assert (RUNBOOKS / f"{rule['alert']}.md").is_file()
    assert annotations["dashboard_url"].startswith(f"{ON_CALL.grafana}/d/netdusk-")
    assert "for" in rule


def test_on_call_no_incident_of_simulated_results_fires_and_in_a_drill_all_do() -> None:
    for name, config, wanted in (("on call", ON_CALL, True), ("drill", DRILL, False)):
        for text in [rule_files(config)["netdusk-incidents.yaml"]]:
            for rule in (rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"]):
                for selector in selectors(rule["expr"]):
                    if selector.name in {"netdusk_incident_confirmed", "netdusk_incident_active"}:
                        real = ("simulated", "false") in {
                            (m.name, m.value) for m in selector.matchers.matchers
                        }
                        assert real is wanted, (name, rule["alert"])
    drill = next(rule for rule in rules(DRILL) if rule.get("alert") == "NationScaleDisruption")
    assert drill["for"] == "0s" and "keep_firing_for" not in drill


def test_a_selector_goes_into_every_selector() -> None:
    for rule in rules(Config(selector='job="netdusk-eu"')):
        for selector in selectors(rule["expr"]):
            if selector.name.startswith("netdusk_"):
                assert 'job="netdusk-eu"' in {f'{m.name}="{m.value}"' for m in selector.matchers.matchers}


def test_durations_are_written_as_prometheus_reads_them() -> None:
    for seconds in (0.25, 1, 59, 60, 90, 3600, 5400, 86_400):
        assert promql_parser.parse_duration(duration(seconds)).total_seconds() == seconds


@pytest.mark.integration
def test_promtool_finds_nothing_to_complain_of(tmp_path: Path) -> None:
    paths = [str(ROOT / path) for path in SHIPPED if path.endswith(".yaml")]
    check = [program("promtool"), "check", "rules", "--lint=all", "--lint-fatal"]
    done = subprocess.run([*check, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("SUCCESS") == len(paths) == 11
    twice = tmp_path / "twice.yaml"
    group = {"name": "g", "rules": [{"alert": "A", "expr": "a"}] * 2}
    twice.write_text(yaml.safe_dump({"groups": [group]}))
    assert subprocess.run([*check, str(twice)], capture_output=True, check=False).returncode != 0


@pytest.mark.integration
@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_stories_come_out_as_told(path: Path) -> None:
    done = subprocess.run(
        [program("promtool"), "test", "rules", path.name],
        cwd=path.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_told_of_firing_and_of_its_end() -> None:
    fires: set[str] = set()
    silent: set[str] = set()
    for case in told():
        (fires if case["exp_alerts"] else silent).add(case["alertname"])
    assert fires == EVERY_ALERT
    assert silent == EVERY_ALERT - {"NetduskWatchdog"}


def told() -> Iterator[dict[str, Any]]:
    for path in STORIES:
        for test in yaml.safe_load(path.read_text())["tests"]:
            yield from test["alert_rule_test"]
