"""docs/probing.md against the code: what it leaves out, or says otherwise, fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import BaseModel

from producers.probe.metrics import ProbeMetrics
from producers.probe.schedule import ScheduleTotals
from producers.probe.sink import SendError, Sink
from producers.probe.spool import Spool
from producers.probe.targets import Blockpage, Target, load_targets
from streams.settings import ProbeSettings
from tests.producers.probe.test_attempt import CASES, NAMES

PAGE = (Path(__file__).parents[3] / "docs/probing.md").read_text()


def rows(header: str) -> dict[str, list[str]]:
    """A table by its first column's names; several names in one cell share the row."""
    table = PAGE[PAGE.index(f"| {header} |") :].split("\n\n")[0]
    found = {}
    for line in table.splitlines()[2:]:
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found.update(dict.fromkeys(re.findall(r"`([^`]+)`", cells[0]), cells))
    return found


@pytest.mark.parametrize(
    ("header", "model"),
    [("setting", ProbeSettings), ("key of `[[target]]`", Target), ("key of `[[blockpage]]`", Blockpage)],
)
def test_every_key_has_its_row(header: str, model: type[BaseModel]) -> None:
    assert set(rows(header)) == set(model.model_fields)


@pytest.mark.parametrize(("header", "model"), [("setting", ProbeSettings), ("key of `[[target]]`", Target)])
def test_defaults_that_are_numbers_are_right(header: str, model: type[BaseModel]) -> None:
    said = {name: cells[1].strip("`") for name, cells in rows(header).items()}
    for name, field in model.model_fields.items():
        default = field.default
        if isinstance(default, int | float) and not isinstance(default, bool):
            assert float(said[name]) == default, name


def test_every_end_that_is_tested_is_in_the_table() -> None:
    table = PAGE[PAGE.index("| stage | failure |") :].split("\n\n")[0]
    said = set()
    for line in table.splitlines()[2:]:
        stage, failures = (cell.strip() for cell in line.strip("|").split("|")[:2])
        said |= {(stage, name) for name in re.findall(r"`(\w+)`", failures)}
    for end in {*NAMES.values(), *(case[3] for case in CASES.values())} - {"ok"}:
        stage, failure = end.split(".")
        assert (stage, failure) in said or ("any", failure) in said, end


def test_every_metric_has_its_row_and_no_other(tmp_path: Path) -> None:
    def away() -> Sink:
        raise SendError("away", ())

    sink = Sink(away, Spool(tmp_path))
    registry = CollectorRegistry()
    ProbeMetrics(registry, load_targets().platforms, ScheduleTotals(), lambda: sink)
    suffix = {"counter": "_total"}
    names = {metric.name + suffix.get(metric.type, "") for metric in registry.collect()}
    assert names == set(rows("metric"))
    sink.start()
    sink.close()


def test_the_built_in_list_covers_what_it_should() -> None:
    targets = load_targets()
    wanted = {
        "x",
        "facebook",
        "instagram",
        "youtube",
        "whatsapp",
        "telegram",
        "tiktok",
        "signal",
        "wikipedia",
    }
    assert wanted | {"google"} == set(targets.platforms)
    for platform in wanted:
        assert sum(target.platform == platform for target in targets.target) >= 3
    for target in targets.target:
        assert 451 not in target.statuses, "unavailable for legal reasons is never an answer as usual"
        assert not target.statuses & set(range(500, 600))
