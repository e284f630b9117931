"""The shipped configuration of Alertmanager, with its receivers on a test's webhook and its waits made short."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from monitoring.config import duration
from monitoring.shipped import ROOT

ALERTMANAGER: Final = ROOT / "monitoring" / "alertmanager" / "alertmanager.yml"
#: Rules for simulated incidents whose minutes pass in a moment, as `netdusk demo` plays them.
DRILL_RULES: Final = ROOT / "monitoring" / "drill" / "netdusk-incidents.yaml"
_WAITS: Final = ("group_wait", "group_interval", "repeat_interval")
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def alertmanager_config(url: str, *, pace: float = 1.0, simulated: bool = False) -> dict[str, Any]:
    """The shipped configuration, parsed.

    Parameters
    ----------
    url
        Of the webhook: a receiver `http://pager.example/...` becomes `{url}pager`.
    pace
        Factor on every wait.
    simulated
        Whether simulated incidents reach the pager: only where the phone is a test's.
    """
    config: dict[str, Any] = yaml.safe_load(ALERTMANAGER.read_text())
    for receiver in config["receivers"]:
        for webhook in receiver.get("webhook_configs", []):
            webhook["url"] = f"{url}{(urlsplit(webhook['url']).hostname or '').partition('.')[0]}"
    routes = config["route"]["routes"]
    if simulated:
        config["route"]["routes"] = [r for r in routes if 'simulated="true"' not in r["matchers"]]
    for route in [config["route"], *config["route"]["routes"]]:
        for wait in _WAITS:
            if wait in route:
                route[wait] = duration(seconds(route[wait]) * pace)
    return config


def seconds(text: str) -> float:
    """What a duration of Prometheus' says.

    >>> seconds("1m"), seconds("1h30m")
    (60.0, 5400.0)
    """
    return sum(float(number) * _UNITS[unit] for number, unit in re.findall(r"(\d+)(ms|s|m|h)", text))


def write(folder: Path, files: dict[str, str]) -> list[Path]:
    """Put texts into files."""
    paths = []
    for name, text in files.items():
        path = folder / name
        path.write_text(text)
        paths.append(path)
    return paths
