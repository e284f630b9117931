"""A Kubernetes whose API server, controllers and scheduler are real, and whose nodes are not (kwok).

Pods become ready, and no container runs.

Built by `make chart-e2e` from the modules that Kubernetes, etcd and kwok publish. Everything is on loopback, on free
ports, and ends with the `with` block.
"""

from __future__ import annotations

import json
import secrets
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import pytest
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.chart.tools import CACHE, ROOT

BIN: Final = ROOT / ".cache" / "chart-e2e" / "bin"
STAGES: Final = ROOT / ".cache" / "chart-e2e" / "stages"
_START_SECONDS: Final = 180.0


class Cluster:
    """One node of kwok's; `kubectl` and `helm` speak to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.kubeconfig = folder / "kubeconfig"
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End every process, the last started first."""
        for process in reversed(self._processes):
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._processes.clear()

    def call(self, tool: str, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run helm or kubectl against this cluster."""
        command = [str(CACHE / "bin" / tool), "--kubeconfig", str(self.kubeconfig), *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=300, check=False)

    def do(self, tool: str, *arguments: str, given: str | None = None) -> str:
        """The same; anything but success fails the test, with what the tool said."""
        done = self.call(tool, *arguments, given=given)
        if done.returncode != 0:
            happened = self.call(
                "kubectl", "get", "events,pods,nodes", "--all-namespaces", "--output", "wide"
            ).stdout
            pytest.fail(f"{tool} {' '.join(arguments)}\n{done.stdout}{done.stderr}\n{happened[-8000:]}")
        return done.stdout

    def apply(self, *objects: dict[str, Any]) -> None:
        """Make objects, or change them."""
        self.do("kubectl", "apply", "--server-side", "--filename", "-", given=yaml.safe_dump_all(objects))

    def get(self, kind: str, namespace: str) -> list[dict[str, Any]]:
        """All objects of a kind (or several, with commas)."""
        found: list[dict[str, Any]] = json.loads(
            self.do("kubectl", "get", kind, "--namespace", namespace, "--output", "json")
        )["items"]
        return found

    def wait(self, what: str, until: Callable[[], bool], seconds: float = _START_SECONDS) -> None:
        """Wait for it."""
        end = time.monotonic() + seconds
        while not until():
            for process in self._processes:
                assert process.poll() is None, f"{process.args} ended: see {self.folder}"
            assert time.monotonic() < end, f"{what} took more than {seconds:.0f} s: see {self.folder}"
            time.sleep(0.2)

    def _run(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
                )
            )

    def _start(self) -> None:
        for name in ("etcd", "kubernetes", "kwok"):
            assert (BIN / name).is_file(), f"{BIN / name} is missing: run `make chart-e2e`"
        etcd, peer, api, controllers, scheduler = _free_ports(5)
        key = _write_key(self.folder / "service-accounts.pem")
        token = secrets.token_hex(16)
        tokens = self.folder / "tokens.csv"
        tokens.write_text(f'{token},admin,1,"system:masters"\n')
        kubernetes = str(BIN / "kubernetes")
        at_etcd = f"http://127.0.0.1:{etcd}"
        self._run(
            "etcd",
            str(BIN / "etcd"),
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={at_etcd}",
            f"--advertise-client-urls={at_etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}",
            "--unsafe-no-fsync",
        )
        self._run(
            "apiserver",
            kubernetes,
            "kube-apiserver",
            f"--etcd-servers={at_etcd}",
            f"--secure-port={api}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'certificates'}",
            f"--token-auth-file={tokens}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--endpoint-reconciler-type=none",
        )
        self.kubeconfig.write_text(json.dumps(_kubeconfig(f"https://127.0.0.1:{api}", token)))
        self.wait("the API server", lambda: self.call("kubectl", "get", "--raw", "/readyz").returncode == 0)
        self._run(
            "controllers",
            kubernetes,
            "kube-controller-manager",
            f"--kubeconfig={self.kubeconfig}",
            f"--secure-port={controllers}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'controllers'}",
            f"--service-account-private-key-file={key}",
            "--use-service-account-credentials",
            # On a busy machine kwok may miss a heartbeat or two; its Pods, once unready, stay so for ever.
            "--node-monitor-grace-period=30m",
            "--leader-elect=false",
        )
        self._run(
            "scheduler",
            kubernetes,
            "kube-scheduler",
            f"--kubeconfig={self.kubeconfig}",
            f"--secure-port={scheduler}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'scheduler'}",
            "--leader-elect=false",
        )
        stages = [f"--config={path}" for path in sorted(STAGES.glob("*.yaml"))]
        assert stages, f"no stages in {STAGES}: run `make chart-e2e`"
        self._run(
            "kwok", str(BIN / "kwok"), f"--kubeconfig={self.kubeconfig}", "--manage-all-nodes=true", *stages
        )
        self.apply(_node("node-0"))
        self.wait(
            "the node", lambda: _ready(json.loads(self.do("kubectl", "get", "node", "node-0", "-o", "json")))
        )


def _ready(thing: dict[str, Any]) -> bool:
    conditions: Sequence[dict[str, str]] = thing.get("status", {}).get("conditions", ())
    return any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _write_key(path: Path) -> Path:
    path.write_bytes(
        rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    return path


def _kubeconfig(server: str, token: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "test",
        # Its certificate is its own, made at this start, on loopback.
        "clusters": [{"name": "test", "cluster": {"server": server, "insecure-skip-tls-verify": True}}],
        "users": [{"name": "test", "user": {"token": token}}],
        "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
    }


def _node(name: str) -> dict[str, Any]:
    room = {"cpu": "32", "memory": "64Gi", "pods": "200", "ephemeral-storage": "100Gi"}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": {"kwok.x-k8s.io/node": "fake"},
            "labels": {"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "type": "kwok"},
        },
        "status": {"allocatable": room, "capacity": room},
    }
