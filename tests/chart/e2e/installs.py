"""Every way of installing the chart, on a real API server: install, test, upgrade, roll back, uninstall.

`make chart-e2e` runs it. What it proves: the objects are accepted, in a namespace that enforces the restricted Pod
Security Standard; hooks run in their order; Pods are scheduled and roll; nothing is left. What it does not: that the
containers work (`make image-test`).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from streams.kafka.topics import wanted
from streams.settings import TopicSettings
from tests.chart.e2e.cluster import Cluster
from tests.chart.tools import CACHE, CHART, WAYS

pytestmark = pytest.mark.integration

_RELEASE = "obs"
#: Kinds that a release may make, and that have to be gone with it.
_KINDS = (
    "deployments,pods,services,configmaps,serviceaccounts,poddisruptionbudgets,networkpolicies,"
    "podmonitors,servicemonitors,prometheusrules,scaledobjects,triggerauthentications,kafkausers"
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with Cluster(tmp_path_factory.mktemp("cluster")) as cluster:
        definitions = [yaml.safe_load(path.read_text()) for path in sorted((CACHE / "crds").glob("*.yaml"))]
        assert definitions, "no CustomResourceDefinitions: run `make servers`"
        # Strimzi's own are published in no registry; these take anything, so that the rest of the release is tested.
        cluster.apply(*definitions, _anything("KafkaTopic"), _anything("KafkaUser"))
        cluster.do("kubectl", "wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        yield cluster


@pytest.fixture(params=WAYS, ids=lambda way: way.stem.removesuffix("-values"))
def way(request: pytest.FixtureRequest) -> Path:
    way: Path = request.param
    return way


@pytest.fixture
def namespace(cluster: Cluster, way: Path) -> Iterator[str]:
    name = f"e2e-{way.stem.removesuffix('-values')}"
    level = "pod-security.kubernetes.io/enforce"
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {level: "restricted"}}}
    )
    cluster.wait("the default account", lambda: len(cluster.get("serviceaccounts", name)) == 1)
    cluster.apply(*_there_already(name))
    yield name
    cluster.do("kubectl", "delete", "namespace", name, "--wait=false")


def test_installs_upgrades_rolls_back_and_goes(cluster: Cluster, namespace: str, way: Path) -> None:
    before = _names(cluster, namespace)
    at = ("--namespace", namespace, "--wait", "--timeout", "120s")
    with_values = (str(CHART), "--values", str(way))

    said = cluster.do("helm", "install", _RELEASE, *with_values, *at)
    assert "LEFT OUT" not in said  # the cluster has every kind
    assert "is installed in" in said
    assert _names(cluster, namespace) > before
    _all_ready(cluster, namespace)
    first = _checksums(cluster, namespace)

    if _has_worker(way):
        tested = cluster.do("helm", "test", _RELEASE, "--namespace", namespace, "--timeout", "120s")
        assert "Succeeded" in tested

    cluster.do("helm", "upgrade", _RELEASE, *with_values, "--set", "config.time.lateness_seconds=31", *at)
    _all_ready(cluster, namespace)
    second = _checksums(cluster, namespace)
    assert second.keys() == first.keys()
    assert all(second[name] != first[name] for name in first)  # new settings: new Pods

    cluster.do("helm", "rollback", _RELEASE, "1", *at)
    _all_ready(cluster, namespace)
    assert _checksums(cluster, namespace) == first

    cluster.do("helm", "uninstall", _RELEASE, *at)
    cluster.wait("the release's end", lambda: _names(cluster, namespace) <= before, seconds=60)
    if "strimzi" in way.name:
        # topics outlive a release: what is in them does too
        assert len(cluster.get("kafkatopics", namespace)) == len(wanted(TopicSettings()))


def test_pods_of_other_charts_would_be_refused(cluster: Cluster) -> None:
    """The namespaces really enforce the restricted standard."""
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.apply(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "e2e-strict", "labels": labels}}
    )
    cluster.wait("the default account", lambda: len(cluster.get("serviceaccounts", "e2e-strict")) == 1)
    done = cluster.call(
        "kubectl", "run", "--namespace", "e2e-strict", "--image=registry.example/any", "careless"
    )
    assert done.returncode != 0
    assert "violates PodSecurity" in done.stderr


def test_an_unknown_field_in_a_rule_would_be_refused(cluster: Cluster) -> None:
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "wrong", "namespace": "default"},
        "spec": {"groups": [{"name": "a", "rules": [{"alert": "A", "exprr": "1"}]}]},
    }
    done = cluster.call(
        "kubectl", "create", "--validate=strict", "--filename", "-", given=yaml.safe_dump(rule)
    )
    assert done.returncode != 0
    assert "exprr" in done.stderr


def _names(cluster: Cluster, namespace: str) -> set[tuple[str, str]]:
    return {
        (item["kind"], item["metadata"]["name"])
        for item in cluster.get(_KINDS, namespace)
        # What a test Job leaves until its time is over is there to be read.
        if item["metadata"].get("labels", {}).get("app.kubernetes.io/component") != "test"
    }


def _all_ready(cluster: Cluster, namespace: str) -> None:
    """Helm has waited for that; but on a busy machine kwok's node may miss a heartbeat, and its Pods be unready."""

    def ready() -> bool:
        deployments = cluster.get("deployments", namespace)
        return bool(deployments) and all(
            one["status"].get("observedGeneration") == one["metadata"]["generation"]
            and one["status"].get("readyReplicas") == one["spec"]["replicas"]
            and one["status"].get("updatedReplicas") == one["spec"]["replicas"]
            for one in deployments
        )

    cluster.wait("every Pod's readiness", ready, seconds=60)


def _checksums(cluster: Cluster, namespace: str) -> dict[str, str]:
    return {
        item["metadata"]["name"]: item["spec"]["template"]["metadata"]["annotations"]["checksum/config"]
        for item in cluster.get("deployments", namespace)
        if "checksum/config" in item["spec"]["template"]["metadata"].get("annotations", {})
    }


def _has_worker(way: Path) -> bool:
    return bool(yaml.safe_load(way.read_text()).get("worker", {}).get("enabled", True))


def _there_already(namespace: str) -> list[dict[str, Any]]:
    """What an operator has before installing: Secrets, and claims for a spool and an archive."""
    names = (
        *("netdusk-kafka", "kafka-ca", "netdusk-client", "registry", "main-cluster-ca-cert", "netdusk"),
        *("netdusk-page", "netdusk-notify", "netdusk-store", "status-tls"),
    )
    secrets: list[dict[str, Any]] = [
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace},
            "stringData": {"a": "b"},
        }
        for name in names
    ]
    return [*secrets, *_volume(namespace, "spool"), *_volume(namespace, "archive")]


def _volume(namespace: str, name: str) -> list[dict[str, Any]]:
    size = {"storage": "1Gi"}
    spec = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    claim = {"namespace": namespace, "name": f"netdusk-{name}"}
    return [
        {
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {"name": f"{namespace}-{name}"},
            "spec": spec | {"capacity": size, "hostPath": {"path": f"/{name}"}, "claimRef": claim},
        },
        {
            "apiVersion": "v1",
            "kind": "PersistentVolumeClaim",
            "metadata": claim,
            "spec": spec | {"volumeName": f"{namespace}-{name}", "resources": {"requests": size}},
        },
    ]


def _anything(kind: str) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.kafka.strimzi.io"},
        "spec": {
            "group": "kafka.strimzi.io",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
            ],
        },
    }
