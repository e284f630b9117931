"""`netdusk report --bundle` and `netdusk verify`, from an archive that a backtest wrote."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from producers.bundles import new_key
from producers.records import encode
from producers.simulated import scenario
from streams.commands import backtest, report, verify

pytestmark = pytest.mark.world


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evening that was resolved, twice: the second export follows the first, and is signed."""
    folder = tmp_path_factory.mktemp("export")
    results = scenario.pakistan(0, evenings=["2024-01-07"])
    first = next(results)
    with (folder / "results.jsonl").open("wb") as file:
        file.write(encode(first) + b"\n")
        file.writelines(
            encode(one) + b"\n"
            for one in results
            if one.platform == "x" and one.time < first.time + timedelta(days=2)
        )
    run = CliRunner().invoke(backtest.app, [str(folder / "results.jsonl"), "--archive", str(folder / "kept")])
    assert run.exit_code == 1, run.output  # there was an incident
    secret, public = new_key()
    (folder / "key").write_text(secret)
    (folder / "public").write_text(public)
    kept = ["--bundle", "--archive", str(folder / "kept")]
    assert CliRunner().invoke(report.app, ["pk-", *kept, "-o", str(folder / "first")]).exit_code == 0
    signed = ["--key", str(folder / "key"), "--after", str(folder / "first"), "-o", str(folder / "second")]
    assert CliRunner().invoke(report.app, ["pk-", *kept, *signed]).exit_code == 0
    return folder


def test_what_was_exported_is_whole_and_follows(exported: Path) -> None:
    run = CliRunner().invoke(verify.app, [str(exported / "first"), str(exported / "second")])
    assert run.exit_code == 0, run.output
    assert "not signed" in run.output and "simulated, " in run.output
    public = (exported / "public").read_text()
    run = CliRunner().invoke(verify.app, [str(exported / "second"), "--key", public])
    assert run.exit_code == 0 and f"signed by {public}\n" in run.output


def test_what_is_wrong_is_said_with_its_line(exported: Path) -> None:
    lines = (exported / "second").read_bytes().splitlines(keepends=True)
    (exported / "changed").write_bytes(
        b"".join([*lines[:4], lines[4].replace(b'"k":[', b'"k":[9,'), *lines[5:]])
    )
    run = CliRunner().invoke(verify.app, [str(exported / "changed")])
    assert run.exit_code == 1 and "changed: line 5: was changed" in run.stderr
    run = CliRunner().invoke(verify.app, [str(exported / "second"), str(exported / "first")])
    assert run.exit_code == 1 and "does not follow" in run.stderr
    run = CliRunner().invoke(verify.app, [str(exported / "second"), "--key", new_key()[1]])
    assert run.exit_code == 1 and "was not signed by" in run.stderr
    run = CliRunner().invoke(verify.app, [str(exported / "results.jsonl")])
    assert run.exit_code == 1 and "line 1: is no line of an export" in run.stderr
