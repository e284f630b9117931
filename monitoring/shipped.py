"""Everything that is written from here, by its path in the repository."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from monitoring.alerts import netdusk, own, world
from monitoring.config import DRILL, ON_CALL, Config
from monitoring.dashboards.country import country
from monitoring.dashboards.incident import incident
from monitoring.dashboards.netdusk import itself
from monitoring.dashboards.overview import overview
from monitoring.dashboards.parts import Board
from monitoring.model import Group, rule_file
from monitoring.rules import netdusk as records

ROOT: Final = Path(__file__).parents[1]
RULES: Final = "helm/netdusk/files/rules"
OWN_RULES: Final = "helm/netdusk/files/own"
STARTING: Final = "streams/local/starting"
DASHBOARDS: Final = "helm/netdusk/files/dashboards"


def rule_groups(config: Config) -> Mapping[str, list[Group]]:
    """The groups, by the name of the file in which they stand."""
    return {
        "netdusk-incidents": world.groups(config),
        "netdusk-self": [*records.groups(config), *netdusk.groups(config)],
        "netdusk-canary": [*records.canary(config), *netdusk.canary(config)],
    }


def rule_files(config: Config) -> dict[str, str]:
    """The rule files of one flavour, by name."""
    return {f"{name}.yaml": rule_file(groups, config) for name, groups in rule_groups(config).items()}


def own_rules(config: Config) -> dict[str, str]:
    """The rule file for services of one's own, by name: in the place of netdusk-incidents.yaml."""
    return {"netdusk-own.yaml": rule_file(own.groups(config), config)}


def starting_files() -> dict[str, str]:
    """What `netdusk init` hands out, by path: it is in the wheel, and this folder is not."""
    texts = rule_files(ON_CALL) | own_rules(ON_CALL)
    texts["alertmanager-observatory.yml"] = (ROOT / "monitoring/alertmanager/alertmanager.yml").read_text()
    texts["alertmanager-own.yml"] = (ROOT / "monitoring/alertmanager/own.yml").read_text()
    return {f"{STARTING}/{name}": text for name, text in texts.items()}


def boards(config: Config) -> list[Board]:
    """The dashboards."""
    return [overview(config), country(config), incident(config), itself(config)]


def files() -> dict[str, str]:
    """Path and text of every file that `python -m monitoring` writes."""
    texts = {f"{RULES}/{name}": text for name, text in rule_files(ON_CALL).items()}
    # A folder is what one installation loads: the observatory's incidents, or one's own services.
    for name, text in (rule_files(ON_CALL) | own_rules(ON_CALL)).items():
        if name != "netdusk-incidents.yaml":
            texts[f"{OWN_RULES}/{name}"] = text
    texts |= starting_files()
    texts["monitoring/drill/netdusk-incidents.yaml"] = rule_files(DRILL)["netdusk-incidents.yaml"]
    by_name = rule_groups(ON_CALL) | {"netdusk-own": own.groups(ON_CALL)}
    groups = {name: [group.written(ON_CALL) for group in made] for name, made in by_name.items()}
    texts["monitoring/mixin-groups.json"] = json.dumps(groups, indent=2) + "\n"
    texts |= {f"{DASHBOARDS}/{board.uid}.json": board.written() for board in boards(ON_CALL)}
    return texts
