"""The shipped dashboards: as the code draws them, as Grafana's published types ask, and with data in every panel.

Grafana itself is not used. Its types are (`@grafana/schema`, Apache-2.0), as JSON Schemas that `make servers` makes.
"""

from __future__ import annotations

import asyncio
import io
import json
import math
import re
import subprocess
import time
from pathlib import Path
from typing import Any, Final

import jsonschema
import promql_parser
import pytest
import yaml
from rich.console import Console

from monitoring.config import ON_CALL
from monitoring.dashboards.parts import UIDS, Board
from monitoring.queries import Asked, asked, parsed
from monitoring.shipped import DASHBOARDS, ROOT, boards, own_rules, rule_files
from producers.simulated import scenario
from streams.engine.families import FAMILIES
from streams.local.demo import board as scene
from streams.local.demo import demo_settings, run
from streams.local.live import Show
from streams.local.stack import Stack
from streams.settings import load
from tests.monitoring.oncall import DRILL_RULES, write
from tests.monitoring.servers import Prometheus, program
from tests.monitoring.test_rules import name_of, rules, selectors

BOARDS: Final = boards(ON_CALL)
SCHEMAS: Final = ROOT / ".cache" / "monitoring" / "schema"
#: What somebody would choose who looks at the demonstration.
CHOSEN: Final = {
    "simulated": "true",
    "country": "PK",
    "platform": "|".join(scenario.BLOCKED),
    "__rate_interval": "5s",
}
ASKED: Final = [found for board in BOARDS for found in asked(board, CHOSEN)]
FROM_ELSEWHERE: Final = {"ALERTS", "process_cpu_seconds_total", "process_resident_memory_bytes"}


def panels(board: Board) -> list[dict[str, Any]]:
    return [panel for panel in parsed(board)["panels"] if panel["type"] != "row"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_panel_explains_itself_and_asks_the_chosen_prometheus(board: Board) -> None:
    raw = parsed(board)
    assert raw["uid"] in UIDS and raw["title"].startswith("netdusk / ") and raw["description"]
    ids = [panel["id"] for panel in raw["panels"]]
    assert len(ids) == len(set(ids))
    titles = [panel["title"] for panel in raw["panels"]]
    assert len(titles) == len(set(titles))
    for panel in panels(board):
        assert panel["description"].endswith("."), panel["title"]
        if panel["type"] == "text":
            continue
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        assert panel["targets"], panel["title"]
        assert all(target["datasource"]["uid"] == "${datasource}" for target in panel["targets"])
        overrides = panel["fieldConfig"]["overrides"]
        own = [p for override in overrides for p in override["properties"] if p["id"] in {"unit", "mappings"}]
        assert panel["fieldConfig"]["defaults"].get("unit") or own, panel["title"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_variables_are_declared_and_used(board: Board) -> None:
    raw = parsed(board)
    declared = {variable["name"] for variable in raw["templating"]["list"]}
    used = {
        name
        for name in re.findall(r"\$\{?(\w+)", json.dumps(raw))
        if not name.startswith("__") and name not in {"2"}
    }
    assert used == declared


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_links_lead_to_dashboards_that_exist(board: Board) -> None:
    raw = parsed(board)
    assert {link["title"] for link in raw["links"]} == {"netdusk", "Runbooks"}
    for uid in re.findall(r'"/d/([\w-]+)', json.dumps(raw)):
        assert uid in UIDS
    variables = {board.uid: {v["name"] for v in parsed(board)["templating"]["list"]} for board in BOARDS}
    for url in re.findall(r'"(/d/[^"]+)"', json.dumps(raw)):
        uid = url.removeprefix("/d/").partition("?")[0]
        assert set(re.findall(r"var-(\w+)=", url)) <= variables[uid], url


@pytest.mark.parametrize("rule", [rule for rule in rules(ON_CALL) if "alert" in rule], ids=name_of)
def test_an_alert_leads_to_a_dashboard_that_takes_what_it_brings(rule: dict[str, Any]) -> None:
    path = rule["annotations"]["dashboard_url"].removeprefix(f"{ON_CALL.grafana}/d/")
    uid, _, query = path.partition("?")
    (board,) = (board for board in BOARDS if board.uid == uid)
    variables = {variable["name"] for variable in parsed(board)["templating"]["list"]}
    assert set(re.findall(r"var-(\w+)=", query)) <= variables


@pytest.mark.parametrize("found", ASKED, ids=lambda found: f"{found.board}-{found.panel}")
def test_expressions_ask_for_figures_that_exist(found: Asked) -> None:
    chosen = selectors(found.expr)
    assert chosen
    promql_parser.parse(found.expr)
    for selector in chosen:
        name = re.sub(r"_(bucket|count|sum)$", "", selector.name)
        assert name in FAMILIES or selector.name in FROM_ELSEWHERE, selector.name
        if name in FAMILIES:
            assert {matcher.name for matcher in selector.matchers.matchers} <= set(FAMILIES[name].labels)


def test_every_metric_about_the_world_is_on_a_dashboard() -> None:
    shown = {re.sub(r"_(bucket|count|sum)$", "", s.name) for found in ASKED for s in selectors(found.expr)}
    assert set(FAMILIES) - shown <= {"netdusk_incidents_total", "netdusk_restore_seconds"}


@pytest.mark.integration
@pytest.mark.parametrize("profile", ["observatory", "own"])
def test_jsonnet_reads_the_mixin(profile: str) -> None:
    parts = "[m.prometheusAlerts, m.prometheusRules, m.grafanaDashboards]"
    chosen = f"{{ _config+:: {{ profile: '{profile}' }} }}"
    code = f"local m = (import 'monitoring/mixin.libsonnet') + {chosen}; {parts}"
    done = subprocess.run(
        [program("jsonnet"), "-e", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    alerts, records, drawn = json.loads(done.stdout)
    texts = rule_files(ON_CALL)
    if profile == "own":
        del texts["netdusk-incidents.yaml"]
        texts |= own_rules(ON_CALL)
    read = [yaml.safe_load(text)["groups"] for text in texts.values()]
    made = [rule for groups in read for group in groups for rule in group["rules"]]
    for groups, kind in ((alerts, "alert"), (records, "record")):
        found = [rule for group in groups["groups"] for rule in group["rules"]]
        expected = [rule for rule in made if kind in rule]
        assert sorted(map(_text, found)) == sorted(map(_text, expected))
    assert drawn == {f"{board.uid}.json": parsed(board) for board in BOARDS}


def _text(rule: dict[str, Any]) -> str:
    return json.dumps(rule, sort_keys=True)


def schema(name: str) -> dict[str, Any]:
    path = SCHEMAS / f"{name}.json"
    assert path.is_file(), f"{path} is missing: `make servers` makes it"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.mark.integration
@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_grafanas_published_types_take_it(board: Board) -> None:
    raw = json.loads((ROOT / DASHBOARDS / f"{board.uid}.json").read_text())
    for annotation in raw["annotations"].get("list", []):
        for key in ("expr", "titleFormat"):  # a datasource's own fields, which the common types leave open
            del annotation[key]
    jsonschema.validate(raw, schema("dashboard"))
    for panel in raw["panels"]:
        if panel["type"] != "row":
            jsonschema.validate(panel["options"], schema(panel["type"]))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(raw | {"schemaVersion": "41"}, schema("dashboard"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"colorMode": "garish"}, schema("stat"))


@pytest.mark.integration
async def test_no_panel_is_empty_while_the_demonstration_plays(tmp_path: Path) -> None:
    """The real worker on a real broker, scraped by a real Prometheus; every expression, asked over that time."""
    settings, overrides = demo_settings(load(), "")
    rule_texts = {name: text for name, text in rule_files(ON_CALL).items() if "incidents" not in name}
    rule_paths = [*write(tmp_path, rule_texts), DRILL_RULES]
    started: list[Prometheus] = []

    async def scrape(house: Stack) -> None:
        target = house.worker_url.removeprefix("http://")
        prometheus = Prometheus(tmp_path, [target], rules=rule_paths, seconds=0.5)
        await asyncio.to_thread(prometheus.start)
        started.append(prometheus)

    try:
        async with Stack(settings, tmp_path / "house", overrides=overrides) as house:
            show = Show(scene(), Console(file=io.StringIO()))
            began = time.time()
            await run(house, show, speed=1200.0, seed=0, evenings=["2024-01-20"], ready=scrape)
            (prometheus,) = started
            empty = await asyncio.to_thread(without_data, prometheus, began, time.time())
    finally:
        for prometheus in started:
            prometheus.stop()
    assert not empty


def without_data(prometheus: Prometheus, began: float, ended: float) -> list[tuple[str, str, str]]:
    """The expressions that had no number in all that time."""
    found = []
    for question in ASKED:
        series = prometheus.query_range(question.expr, began, ended, 0.5)
        numbers = [value for one in series for _, value in one["values"] if not math.isnan(float(value))]
        if not numbers:
            found.append((question.board, question.panel, question.expr))
    return found
