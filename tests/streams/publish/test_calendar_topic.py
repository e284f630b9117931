"""The calendar on a real topic: put there, listed, replaced, taken off."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from streams.commands import topics
from streams.commands.calendar import app
from streams.local.broker import KafkaBroker
from streams.settings import SettingsError

pytestmark = pytest.mark.integration


def test_events_come_and_go(tmp_path: Path) -> None:
    with KafkaBroker(tmp_path / "broker") as broker:

        def run(*arguments: str) -> Result:
            return CliRunner().invoke(app, [*arguments, "--bootstrap", broker.bootstrap])

        def titles() -> list[str]:
            return [json.loads(line)["title"] for line in run("list", "--json").stdout.splitlines()]

        made = CliRunner().invoke(topics.app, ["--bootstrap", broker.bootstrap])
        assert made.exit_code == 0, made.output
        source = tmp_path / "c.csv"
        source.write_text("id,title,start,country\ne1,Election,2024-02-08,PK\ne2,Exam,2024-02-01,IQ\n")
        assert run("import", str(source)).exit_code == 0
        assert titles() == ["Exam", "Election"]
        assert (
            run("add", "Election, moved", "--id", "e1", "--country", "PK", "--start", "2024-02-15").exit_code
            == 0
        )
        assert titles() == ["Exam", "Election, moved"]
        assert [
            json.loads(x)["id"] for x in run("list", "--json", "--country", "IQ").stdout.splitlines()
        ] == ["e2"]
        assert run("add", "[/] Parade", "--country", "PK", "--start", "2024-02-20").exit_code == 0
        shown = run("list").stdout
        added = json.loads(run("list", "--json").stdout.splitlines()[-1])["id"]
        assert added in shown and "[/]" in shown
        assert run("remove", added).exit_code == 0
        assert run("remove", "e2").exit_code == 0
        assert titles() == ["Election, moved"]
        assert isinstance(run("remove", "e2").exception, SettingsError)
