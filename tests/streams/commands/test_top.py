"""`netdusk top`: what a worker's page says, as a picture; and what is said where nobody answers."""

from __future__ import annotations

from typer.testing import CliRunner

from detectors.readings import SeriesGauge
from streams.commands import top
from streams.errors import SettingsError
from tests.monitoring.servers import Exporter
from tests.monitoring.world import Machine, Page

_NOBODY = "http://127.0.0.1:9"


def test_one_look_shows_what_the_worker_watches() -> None:
    series = [SeriesGauge("shop", "DE", 64500, 0.97, 0.98, 0.1, simulated=False, smoothed=0.9)]
    with Exporter(Page({"0": Machine(series=series)}).figures) as worker:
        run = CliRunner().invoke(top.app, ["--once", "--url", worker.url, "--bootstrap", "127.0.0.1:9"])
    assert run.exit_code == 0, run.exception
    assert worker.url in run.output
    assert "shop" in run.output


def test_nobody_who_answers_is_said_with_the_remedy() -> None:
    run = CliRunner().invoke(top.app, ["--once", "--url", _NOBODY])
    assert isinstance(run.exception, SettingsError)
    assert str(run.exception) == (
        f"{_NOBODY}: no worker answers: connection refused; name one's address with --url, "
        "or start one with `netdusk up`"
    )


def test_a_worker_that_is_not_ready_is_no_picture() -> None:
    with Exporter(lambda: None) as worker:
        run = CliRunner().invoke(top.app, ["--once", "--url", worker.url])
    assert isinstance(run.exception, SettingsError)
    assert "503" in str(run.exception)
