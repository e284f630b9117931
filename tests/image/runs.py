"""The image, run: `make image-test`. Needs root and buildah, and what `make image` left in .cache/image."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.integration

_ROOT = Path(__file__).parents[2]
_CACHE = _ROOT / ".cache" / "image"
_VERSION = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]["version"]
_BUILDAH = (
    "buildah",
    "--root",
    str(_CACHE / "store"),
    "--runroot",
    str(_CACHE / "run"),
    "--storage-driver",
    "vfs",
)


@pytest.fixture(scope="module")
def container() -> Iterator[str]:
    assert (_CACHE / "netdusk.tar").is_file(), "no image: run `make image`"
    name = _buildah("from", f"localhost/netdusk:{_VERSION}").strip()
    yield name
    _buildah("rm", name)


def test_names_its_commands(container: str) -> None:
    said = _inside(container, "netdusk", "--help")
    for command in ("worker", "probe", "topics", "canary"):
        assert command in said


def test_runs_as_nobody_in_particular(container: str) -> None:
    assert _inside(
        container, "python", "-c", "import os; print(os.getuid(), os.getgid(), os.getcwd())"
    ).split() == [
        "65532",
        "65532",
        "/var/lib/netdusk",
    ]


def test_reads_results_with_compiled_code(container: str) -> None:
    said = _inside(container, "python", "-c", "from streams.step.rows import compiled; print(compiled())")
    assert said.strip() == "True"


def test_its_description(container: str) -> None:
    about = _image()
    assert about["User"] == "65532:65532"
    assert about["Entrypoint"] == ["netdusk"]
    assert about["Labels"]["org.opencontainers.image.version"] == _VERSION
    # What the machine that built it needed to reach its packages stays there.
    assert not [variable for variable in about["Env"] if variable.startswith(("PIP_", "SSL_", "HTTP"))]


def test_holds_no_tools_and_no_code_that_it_could_change(container: str) -> None:
    script = (
        "import importlib.util, os, pathlib;"
        "print([name for name in ('pip', 'setuptools', 'hatchling', 'pytest') if importlib.util.find_spec(name)]);"
        "files = pathlib.Path('/opt/netdusk').rglob('*');"
        "print([str(file) for file in files if not file.is_symlink() and os.access(file, os.W_OK)])"
    )
    assert _inside(container, "python", "-c", script).splitlines() == ["[]", "[]"]


def test_worker_comes_up_and_says_so(container: str) -> None:
    """Broker, topics, worker and canary from this image: the worker restores, is ready, shows figures, and ends."""
    (port,) = _free_ports(1)
    command = [
        *_BUILDAH,
        *("run", "--isolation", "chroot"),
        *("--env", "NETDUSK_HTTP__HOST=127.0.0.1", "--env", f"NETDUSK_HTTP__PORT={port}"),
        *(container, "netdusk", "up", "--no-probe", "--broker-port", "0", "--folder", "/tmp/netdusk"),
    ]
    up = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        end = time.monotonic() + 120
        while (ready := _get(port, "readyz")) is None or ready[0] != 200:
            assert up.poll() is None, up.stdout.read() if up.stdout else ""
            assert time.monotonic() < end, f"not ready: {ready}"
            time.sleep(0.2)
        assert _get(port, "healthz") == (200, "ok\n")
        figures = _get(port, "metrics")
        assert figures is not None
        assert "netdusk_build_info{" in figures[1]
        # What the kernel counts as held by the worker, for the chart's advice.
        print(_residents())
    finally:
        os.killpg(up.pid, signal.SIGTERM)
        up.wait(30)


def _inside(container: str, *command: str) -> str:
    return _buildah("run", "--isolation", "chroot", container, "--", *command)


def _buildah(*arguments: str) -> str:
    done = subprocess.run([*_BUILDAH, *arguments], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _image() -> dict[str, Any]:
    found = json.loads(_buildah("inspect", "--type", "image", f"localhost/netdusk:{_VERSION}"))
    config: dict[str, Any] = found["OCIv1"]["config"]
    return config


def _get(port: int, path: str) -> tuple[int, str] | None:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=10) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return None


def _free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


def _residents() -> dict[str, int]:
    """MB that each of the image's processes holds (RSS)."""
    found: dict[str, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if (folder / "root").readlink() == Path("/") or not words[0]:
                continue
            pages = int((folder / "statm").read_text().split()[1])
        except (OSError, IndexError):
            continue
        name = (
            b" ".join(words[1:4]).decode() if b"python" in words[0] else words[0].decode().rpartition("/")[2]
        )
        found[name] = pages * os.sysconf("SC_PAGE_SIZE") // 2**20
    return found
