"""The steps that pages have without a broker, run as they are printed, one after the other in one folder."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.producers.sources.ooni.measurements import Measurement, reached
from tests.streams.local.test_initial import BLACKBOX, PROMETHEUS

pytestmark = pytest.mark.integration
DOCS = Path(__file__).parents[2] / "docs"
_NOON = datetime(2024, 1, 14, 12, tzinfo=UTC)


def steps(page: str) -> list[str]:
    """The commands of a page's blocks that have a prompt."""
    blocks = re.findall(r"^ *```console\n(.*?)^ *```$", (DOCS / page).read_text(), re.MULTILINE | re.DOTALL)
    return [found for block in blocks for found in re.findall(r"^ *\$ (netdusk .+)$", block, re.MULTILINE)]


def run(command: str, folder: Path) -> tuple[int, str]:
    """How it ended in a shell, and all that it said."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    environment = {key: value for key, value in os.environ.items() if not key.startswith("NETDUSK_")}
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**environment, "PATH": path, "COLUMNS": "140"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    return done.returncode, done.stdout + done.stderr


def downloaded(folder: Path) -> None:
    """A day of OONI's in Uganda: one platform is cut on four networks for three hours, another is not."""
    folder.mkdir()
    lines = []
    for step in range(0, 15 * 60, 5):
        at = _NOON - timedelta(hours=9) + timedelta(minutes=step)
        for asn in (20294, 36991, 37075, 37122):
            for url in ("https://www.youtube.com/", "https://www.wikipedia.org/"):
                cut = "youtube" in url and _NOON <= at < _NOON + timedelta(hours=3)
                host = url.removeprefix("https://").rstrip("/")
                made = reached(url)
                if cut:
                    made = Measurement(url).lookup("203.0.114.10", host=host).connect()
                    made = made.handshake("connection_reset", host=host).control()
                lines.append(
                    made.json(
                        probe_cc="UG",
                        probe_asn=f"AS{asn}",
                        measurement_start_time=f"{at:%Y-%m-%d %H:%M:%S}",
                        report_id=f"{at:%Y%m%dT%H%M%S}Z_webconnectivity_UG_{asn}_{'y' if 'youtube' in url else 'w'}",
                    )
                )
    (folder / "2024-01-14.jsonl").write_bytes(b"\n".join(lines) + b"\n")


def test_somebody_elses_data(tmp_path: Path) -> None:
    downloaded(tmp_path / "DOWNLOADED")
    ingest, backtest, history, report = steps("start-data.md")
    code, words = run(ingest, tmp_path)
    assert (code, words.splitlines()[0]) == (
        0,
        "1440 results written of 1 file: 1296 ok".replace("1440", "1,440"),
    )
    code, words = run(backtest, tmp_path)
    assert (code, words) == (1, "")
    code, words = run(history, tmp_path)
    assert code == 0
    assert re.search(r"(?m)^youtube +720 ", words), words
    assert re.search(r"(?m)^wikipedia +720 +100\.0%", words), words
    code, words = run(report, tmp_path)
    assert (code, words) == (0, "")
    page = (tmp_path / "report.html").read_text()
    assert "YouTube" in page
    assert "Uganda" in page
    assert "netdusk backtest results.jsonl --json --weigh-late" in page  # so that readers can check it


def test_services_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "blackbox.yml").write_text(BLACKBOX)
    (tmp_path / "prometheus.yml").write_text(PROMETHEUS)
    init, check, targets, up, read = steps("own-services.md")
    assert up == "netdusk up --config here/netdusk.toml"  # tests/streams/local and tests/monitoring start it
    for command, code, words in (
        (init, 0, "Try it: netdusk up --config here/netdusk.toml"),
        (check, 0, "good; fingerprint "),
        (targets, 0, "good; 1 target of shop.example"),
        (read, 1, "targets in targets.toml"),
    ):
        ended, said = run(command, tmp_path)
        assert ended == code, said
        assert words in said
