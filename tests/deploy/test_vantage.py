"""The vantage as one file: built, and run by a Python that has nothing else."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from producers.records import ProbeResult, decode
from streams import cli
from streams.vantage import HERE

ROOT = Path(__file__).parents[2]
#: Measured: 30 to 32 MB, with all of Python, OpenSSL and the system's authorities in it.
MEMORY_MAX_KB = 40_000
#: What it must not bring, with what it would load.
HEAVY = {
    "pydantic_core",
    "numpy",
    "babel",
    "faust",
    "river",
    "aiokafka",
    "aioquic",
    "cryptography",
    "greenlet",
}


def test_what_it_offers_is_there() -> None:
    assert set(HERE) <= set(cli.COMMANDS)


def test_its_commands_need_no_package_that_it_lacks() -> None:
    pinned = re.findall(r"^([\w.-]+)==", (ROOT / "requirements/vantage.txt").read_text("utf-8"), re.MULTILINE)
    brought = {plain(name) for name in (*pinned, "netdusk")}
    lacking = [
        module
        for module, owners in packages_distributions().items()
        if not brought & {plain(owner) for owner in owners}
    ]
    script = (
        "import sys\n"
        "class Lacking:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in LACKING:\n"
        "            raise ModuleNotFoundError(name)\n"
        f"LACKING = {lacking!r}\n"
        "sys.meta_path.insert(0, Lacking())\n"
        "from importlib import import_module\n"
        "from streams import cli, vantage\n"
        "for name in vantage.HERE:\n"
        "    import_module(cli.COMMANDS[name][0])\n"
    )
    assert {"babel", "numpy"} <= set(lacking)
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def plain(name: str) -> str:
    """A distribution's name as all of its spellings are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.integration
def test_it_measures_and_loads_nothing_heavy(tmp_path: Path) -> None:
    subprocess.run(["make", "--silent", "vantage"], cwd=ROOT, check=True, capture_output=True, timeout=300)
    targets = tmp_path / "targets.toml"
    targets.write_text(
        '[[target]]\nplatform = "me"\nurl = "tcp://127.0.0.1:9"\nprivate = true\ninterval_seconds = 1\n'
    )
    # Not this environment's Python: that one has everything.
    command = [
        str(Path(sys.base_prefix) / "bin" / "python3"),
        "-I",
        str(ROOT / ".cache/vantage/netdusk-vantage.pyz"),
    ]
    place = ["--country", "DE", "--asn", "64500", "--targets", str(targets), "--allow-private"]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    shown = subprocess.run(
        [*command, "probe", "--once", *place], env=env, capture_output=True, text=True, check=False
    )
    assert "tcp connection_refused" in shown.stdout, shown.stderr
    checked = subprocess.run(
        [*command, "targets", "check", str(targets)], env=env, capture_output=True, text=True, check=False
    )
    assert "tcp://127.0.0.1:9" in checked.stdout, checked.stderr
    other = subprocess.run([*command, "worker"], env=env, capture_output=True, text=True, check=False)
    assert (other.returncode, other.stderr) == (
        2,
        "netdusk worker is not in this file, which has probe and targets; install netdusk\n",
    )
    running = subprocess.Popen([*command, "probe", "--print", *place], env=env, stdout=subprocess.PIPE)
    try:
        assert running.stdout is not None
        assert isinstance(decode(running.stdout.readline().rstrip()), ProbeResult)
        status = Path(f"/proc/{running.pid}/status").read_text()
        loaded = {
            Path(name).name
            for name in re.findall(r"site-packages/(\S+?)/", Path(f"/proc/{running.pid}/maps").read_text())
        }
    finally:
        running.terminate()
        running.wait(30)
    assert not loaded & HEAVY
    assert int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) < MEMORY_MAX_KB  # type: ignore[index]  # Linux has it
