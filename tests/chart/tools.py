"""The chart as Helm renders it. What it needs is in .cache/chart (`make servers`); without it a test fails."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import yaml

ROOT: Final = Path(__file__).parents[2]
CHART: Final = ROOT / "helm" / "netdusk"
CACHE: Final = ROOT / ".cache" / "chart"
#: One a way of installing.
WAYS: Final = sorted((CHART / "ci").glob("*-values.yaml"))
#: Kinds of others that a cluster may have; `helm template` has no cluster to ask.
KINDS: Final = (
    "monitoring.coreos.com/v1/PodMonitor",
    "monitoring.coreos.com/v1/ServiceMonitor",
    "monitoring.coreos.com/v1/PrometheusRule",
    "keda.sh/v1alpha1/ScaledObject",
)


def run(tool: str, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run one of the tools."""
    program = CACHE / "bin" / tool
    assert program.is_file(), f"{program} is missing: run `make servers`"
    return subprocess.run(
        [str(program), *arguments], input=given, capture_output=True, text=True, timeout=120, check=False
    )


def template(*arguments: str, kinds: Sequence[str] = KINDS) -> subprocess.CompletedProcess[str]:
    """`helm template`, on a cluster that has these kinds."""
    known = [part for kind in kinds for part in ("--api-versions", kind)]
    return run("helm", "template", "obs", str(CHART), "--namespace", "watch", *known, *arguments)


def rendered(*arguments: str) -> list[dict[str, Any]]:
    """The objects that are rendered."""
    done = template(*arguments)
    assert done.returncode == 0, done.stderr
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def found(objects: Sequence[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    """The one object of a kind and a name."""
    (one,) = [item for item in objects if item["kind"] == kind and item["metadata"]["name"] == name]
    return one
