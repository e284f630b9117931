"""The chart, every way of installing it: linted, rendered, held against Kubernetes' schemas and netdusk's settings.

Installing it on an API server is `make chart-e2e`.
"""

from __future__ import annotations

import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.cli import COMMANDS
from streams.kafka.topics import wanted
from streams.settings import TopicSettings, load
from tests.chart.tools import CACHE, CHART, ROOT, WAYS, found, rendered, run, template

pytestmark = pytest.mark.integration

_GOOD = ("--set", "image.repository=r", "--set", "kafka.bootstrap=a:1")
_WAYS = pytest.mark.parametrize("way", WAYS, ids=lambda way: way.stem.removesuffix("-values"))
_POD_OWNERS = ("Deployment", "Job")


def _kubeconform(text: str) -> Any:
    place = f"{CACHE}/schemas/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
    assert (CACHE / "schemas" / ".ready").is_file(), "schemas are missing: run `make servers`"
    # Strimzi's definitions are published in no registry: helm-unittest and the test below hold these.
    return run(
        "kubeconform",
        "-strict",
        "-summary",
        "-skip",
        "KafkaTopic,KafkaUser",
        "-schema-location",
        place,
        given=text,
    )


def test_there_is_more_than_one_way() -> None:
    assert len(WAYS) >= 6


@_WAYS
def test_lint_finds_nothing(way: Path) -> None:
    done = run("helm", "lint", "--strict", str(CHART), "--values", str(way))
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [
        line
        for line in done.stdout.splitlines()
        if line.startswith("[") and "icon is recommended" not in line
    ]
    assert not lines  # the icon: netdusk has none


@_WAYS
def test_objects_are_what_kubernetes_knows(way: Path) -> None:
    done = template("--values", str(way))
    assert done.returncode == 0, done.stderr
    checked = _kubeconform(done.stdout)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Invalid: 0, Errors: 0" in checked.stdout


@pytest.mark.parametrize(
    "right, wrong", [("replicas: 3", "replicas: three"), (" image: ", " imagee: "), ("expr:", "exprr:")]
)
def test_a_mistake_would_be_found(right: str, wrong: str) -> None:
    text = template("--values", str(CHART / "ci" / "kafka-sasl-ssl-values.yaml")).stdout
    assert right in text
    assert _kubeconform(text.replace(right, wrong)).returncode == 1


@_WAYS
def test_netdusk_reads_the_settings_that_it_is_given(
    way: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    objects = rendered("--values", str(way))
    values = yaml.safe_load(way.read_text())
    (settings_map, *more) = [
        item["data"]["netdusk.toml"]
        for item in objects
        if item["kind"] == "ConfigMap" and "netdusk.toml" in item["data"]
    ]
    assert all(text == settings_map for text in more)
    place = tmp_path / "netdusk.toml"
    place.write_text(settings_map)
    containers = [
        c
        for pod in _pods(objects)
        for c in pod["containers"]
        if any(e["name"] == "NETDUSK_CONFIG" for e in c.get("env", ()))
    ]
    assert containers
    for container in containers:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("NETDUSK_")]:
                patch.delenv(name)
            for variable in container["env"]:
                if variable["name"] != "NETDUSK_CONFIG":
                    patch.setenv(variable["name"], variable.get("value", "it comes from a Secret"))
            settings = load(place)
        assert settings.kafka.bootstrap == values.get("kafka", {}).get("bootstrap", "obs-netdusk-broker:9092")
        assert settings.kafka.security_protocol == values.get("kafka", {}).get(
            "securityProtocol", "PLAINTEXT"
        )
        assert settings.topics.partitions == values.get("config", {}).get("topics", {}).get("partitions", 8)
        assert settings.http.host == "0.0.0.0"
        assert settings.http.port == 9464


@_WAYS
def test_only_commands_that_exist_are_run(way: Path) -> None:
    for pod in _pods(rendered("--values", str(way))):
        for container in [*pod["containers"], *pod.get("initContainers", ())]:
            if "args" in container:
                assert container["args"][0] in COMMANDS


@_WAYS
def test_every_pod_meets_the_restricted_standard(way: Path) -> None:
    pods = _pods(rendered("--values", str(way)))
    assert pods
    for pod in pods:
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert pod["automountServiceAccountToken"] is False
        assert not any("hostPath" in volume for volume in pod.get("volumes", ()))
        for container in [*pod["containers"], *pod.get("initContainers", ())]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_workers_roll_when_their_settings_change() -> None:
    def checksum(*arguments: str) -> str:
        worker = found(rendered(*_GOOD, *arguments), "Deployment", "obs-netdusk-worker")
        return str(worker["spec"]["template"]["metadata"]["annotations"]["checksum/config"])

    assert checksum() == checksum("--set", "worker.replicas=5")
    assert checksum() != checksum("--set", "config.topics.partitions=9")


def test_strimzi_makes_the_topics_that_netdusk_makes() -> None:
    objects = rendered("--values", str(CHART / "ci" / "strimzi-values.yaml"))
    made = {
        item["metadata"]["name"]: (
            item["spec"]["partitions"],
            item["spec"]["replicas"],
            item["spec"]["config"],
        )
        for item in objects
        if item["kind"] == "KafkaTopic"
    }
    assert made == {
        topic.name: (topic.partitions, topic.replication, dict(topic.config))
        for topic in wanted(TopicSettings(partitions=16, replication=3))
    }
    allowed = found(objects, "KafkaUser", "netdusk")["spec"]["authorization"]["acls"]
    assert {rule["resource"]["name"] for rule in allowed if rule["resource"]["type"] == "topic"} == set(made)


def test_every_rule_and_dashboard_is_shipped() -> None:
    objects = rendered("--values", str(CHART / "ci" / "kafka-sasl-ssl-values.yaml"))
    files = sorted((CHART / "files" / "rules").glob("*.yaml"))
    assert files
    groups = [group["name"] for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    assert [
        group["name"] for group in found(objects, "PrometheusRule", "obs-netdusk")["spec"]["groups"]
    ] == groups
    shipped = {
        name: text for item in objects if item["kind"] == "ConfigMap" for name, text in item["data"].items()
    }
    values = yaml.safe_load((CHART / "ci" / "kafka-sasl-ssl-values.yaml").read_text())
    for dashboard in (CHART / "files" / "dashboards").glob("*.json"):
        text = dashboard.read_text()
        assert "https://netdusk.example/runbooks" in text
        ours = text.replace("https://netdusk.example/runbooks", values["monitoring"]["rules"]["runbooks"])
        assert shipped[dashboard.name].strip() == ours.strip()


def test_services_of_ones_own_have_their_own_rules() -> None:
    objects = rendered("--values", str(CHART / "ci" / "own-services-values.yaml"))
    groups = found(objects, "PrometheusRule", "obs-netdusk")["spec"]["groups"]
    alerts = {rule["alert"] for group in groups for rule in group["rules"] if "alert" in rule}
    assert {"ServiceUnreachable", "CertificateExpiresSoon", "WorkerStalled"} <= alerts
    assert not {"NationScaleDisruption", "ConnectivityDark"} & alerts


def test_a_user_of_strimzis_may_archive_and_tell_where_this_is_run() -> None:
    def groups(*arguments: str) -> set[str]:
        objects = rendered("--values", str(CHART / "ci" / "strimzi-values.yaml"), *arguments)
        rules = found(objects, "KafkaUser", "netdusk")["spec"]["authorization"]["acls"]
        return {rule["resource"]["name"] for rule in rules if rule["resource"]["type"] == "group"}

    archive = ("--set", "archive.enabled=true", "--set", "archive.existingClaim=c")
    assert groups(*archive) - groups() == {"netdusk-archive"}
    notify = (
        "--set",
        "notify.enabled=true",
        "--set",
        "notify.existingSecret=s",
        "--set",
        "config.notify.group=n",
    )
    assert groups(*notify) - groups() == {"n"}


BAD_VALUES = {
    "a word in place of a number": ("worker.replicas=three", "/worker/replicas"),
    "a key that nobody reads": ("worker.replica=3", "replica"),
    "a protocol that Kafka has not": ("kafka.securityProtocol=TLS", "/kafka/securityProtocol"),
    "an address without its port": ("kafka.bootstrap=kafka", "/kafka/bootstrap"),
    "a digest that is none": ("image.digest=sha256:12", "/image/digest"),
    "a tag in the repository's digest": ("image.repository=r@sha256:12", "/image/repository"),
    "a table that netdusk has not": ("config.topic.partitions=3", "topic"),
    "more partitions than netdusk takes": ("config.topics.partitions=1001", "/config/topics/partitions"),
    "a password among the settings": ("config.kafka.sasl_password=secret", "sasl_password"),
    "a port that needs root": ("http.port=80", "/http/port"),
    "a duration without its unit": ("monitoring.podMonitor.interval=15", "/monitoring/podMonitor/interval"),
}


@pytest.mark.parametrize("value, said", BAD_VALUES.values(), ids=BAD_VALUES)
def test_bad_values_are_refused(value: str, said: str) -> None:
    done = template(*_GOOD, "--set", value)
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr
    assert said in done.stderr


def test_schema_knows_the_tables_of_netdusk() -> None:
    import json

    schema = json.loads((CHART / "values.schema.json").read_text())
    tables = set(type(load()).model_fields) - {"http"}  # the chart sets it
    assert set(schema["properties"]["config"]["properties"]) == tables


def test_suites_pass() -> None:
    done = run("helm-unittest", str(CHART))
    assert done.returncode == 0, done.stdout
    assert "Tests:       0 passed" not in done.stdout


def test_versions_agree() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert chart["appVersion"] == version("netdusk")
    assert yaml.safe_load(chart["annotations"]["artifacthub.io/changes"])


def test_readme_is_current_and_describes_every_value(tmp_path: Path) -> None:
    copy = tmp_path / "netdusk"
    shutil.copytree(CHART, copy)
    done = run(
        "helm-docs", "--sort-values-order", "file", "--chart-search-root", str(copy), "--log-level", "warning"
    )
    assert done.returncode == 0, done.stderr
    text = (copy / "README.md").read_text()
    assert text == (CHART / "README.md").read_text(), "run `make docs`"
    # helm-docs' own strict mode knows only comments of its older form (1.14.2).
    rows = [line for line in text.splitlines() if line.startswith("| ") and line.count("|") >= 5]
    assert len(rows) > 100
    assert [row for row in rows if row.rstrip("| ").endswith("`") and row.split("|")[-2].strip() == ""] == []


def test_notes_name_the_next_three_commands() -> None:
    done = run("helm", "install", "obs", str(CHART), "--dry-run=client", "--namespace", "watch", *_GOOD)
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("NOTES:")[2]
    for command in (
        "helm test obs -n watch",
        "netdusk incidents",
        "kubectl port-forward -n watch deploy/obs-netdusk-worker 9464",
    ):
        assert command in notes


def test_dockerfile_has_no_findings() -> None:
    import subprocess

    hadolint = shutil.which("hadolint", path=f"{ROOT / '.venv' / 'bin'}:{os.environ['PATH']}")
    assert hadolint, "hadolint is missing: run `make dev`"
    done = subprocess.run([hadolint, str(ROOT / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _pods(objects: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [item["spec"]["template"]["spec"] for item in objects if item["kind"] in _POD_OWNERS]
