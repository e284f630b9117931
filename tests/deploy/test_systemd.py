"""deploy/systemd, held against systemd itself (`systemd-analyze`)."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from streams.cli import COMMANDS

_UNITS = sorted((Path(__file__).parents[2] / "deploy" / "systemd").glob("*.service"))
_EXPOSURE_MAX = "15"  # tenths: 1.5 of 10


def _analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    assert program, "systemd-analyze is missing: run `make servers`"
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture(params=_UNITS, ids=lambda unit: unit.stem)
def unit(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The unit, with a program that is on this machine."""
    source: Path = request.param
    copy = tmp_path / source.name
    copy.write_text(source.read_text().replace("/opt/netdusk/bin/netdusk", sys.executable))
    return copy


def test_there_are_three() -> None:
    assert [unit.stem for unit in _UNITS] == ["netdusk-canary", "netdusk-probe", "netdusk-worker"]


@pytest.mark.integration
def test_systemd_understands_it(unit: Path) -> None:
    done = _analyze("verify", str(unit))
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.integration
def test_a_mistake_would_be_found(unit: Path) -> None:
    unit.write_text(unit.read_text().replace("RestartSec=", "RestartSeconds="))
    assert "RestartSeconds" in _analyze("verify", str(unit)).stderr


@pytest.mark.integration
def test_is_hardened(unit: Path) -> None:
    done = _analyze("security", "--offline=true", f"--threshold={_EXPOSURE_MAX}", str(unit))
    assert done.returncode == 0, done.stdout[-200:]
    unit.write_text(re.sub(r"(?m)^(Protect|Private|System|Restrict|Dynamic).*\n", "", unit.read_text()))
    assert _analyze("security", "--offline=true", f"--threshold={_EXPOSURE_MAX}", str(unit)).returncode != 0


@pytest.mark.parametrize("path", _UNITS, ids=lambda unit: unit.stem)
def test_runs_commands_that_exist(path: Path) -> None:
    commands = re.findall(r"(?m)^Exec\w+=/opt/netdusk/bin/netdusk (\S+)", path.read_text())
    assert commands[-1] == path.stem.removeprefix("netdusk-")
    assert set(commands) <= set(COMMANDS)
