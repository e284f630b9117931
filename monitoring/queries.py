"""What the dashboards ask, as a person who looks at them would: variables chosen, one expression after the other."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from monitoring.dashboards.parts import Board


class Asked(NamedTuple):
    """One expression of one panel."""

    board: str
    panel: str
    type: str
    unit: str
    legend: str
    instant: bool
    expr: str


def parsed(board: Board) -> dict[str, Any]:
    """The dashboard as Grafana reads it."""
    dashboard: dict[str, Any] = json.loads(board.written())
    return dashboard


def asked(board: Board, chosen: Mapping[str, str]) -> Iterator[Asked]:
    """Every expression of its panels and annotations. Raises KeyError for a variable that `chosen` has not."""
    raw = parsed(board)
    for panel in raw["panels"]:
        unit = panel.get("fieldConfig", {}).get("defaults", {}).get("unit", "")
        for target in panel.get("targets", []):
            yield Asked(
                board.uid,
                panel["title"],
                panel["type"],
                unit,
                target.get("legendFormat", ""),
                bool(target.get("instant")),
                fill_in(target["expr"], chosen),
            )
    for annotation in raw["annotations"].get("list", []):
        expr = fill_in(annotation["expr"], chosen)
        yield Asked(board.uid, annotation["name"], "annotation", "", "", False, expr)


def fill_in(expr: str, chosen: Mapping[str, str]) -> str:
    """Put the chosen values in the place of variables.

    >>> fill_in('up{job=~"$job"}[$__rate_interval]', {"job": "a|b", "__rate_interval": "1m"})
    'up{job=~"a|b"}[1m]'
    """
    return re.sub(r"\$(\w+)", lambda variable: chosen[variable[1]], expr)
