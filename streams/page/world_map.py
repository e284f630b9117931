"""The world map as SVG: a shape a country, by its state. Built from Natural Earth by `tools/map/`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any

from streams.page.observatory import ORDER, Standing, State


@lru_cache(maxsize=1)
def _world() -> dict[str, Any]:
    made: dict[str, Any] = json.loads((files("streams.page") / "static" / "world.json").read_bytes())
    return made


def drawn() -> frozenset[str]:
    """The countries that have a shape."""
    return frozenset(_world()["countries"])


def svg(
    standings: Iterable[Standing], title: str, text: Callable[[Standing], str], link: Callable[[str], str]
) -> str:
    """The map. Only countries of which something is known are links; the worst are drawn last, over the others.

    `text` says a standing in words, `link` gives a country's address.
    """
    world = _world()
    shapes, points = [], []
    known = {one.country: one for one in standings}
    order = sorted(
        world["countries"],
        key=lambda code: -ORDER[known[code].state] if code in known else -ORDER[State.UNKNOWN],
    )
    for code in order:
        shape = world["countries"][code]
        standing = known.get(code)
        state = State.UNKNOWN if standing is None else standing.state
        path = f'<path class="s-{state}" d="{shape["d"]}"/>' if shape["d"] else ""
        if standing is None or (state is State.UNKNOWN and standing.coverage is None):
            shapes.append(path)
            continue
        label = escape(text(standing))
        if shape["small"]:
            path += f'<circle class="s-{state}" cx="{shape["x"]}" cy="{shape["y"]}" r="9"/>'
        shapes.append(f'<a href="{escape(link(code))}" aria-label="{label}"><title>{label}</title>{path}</a>')
        if state not in (State.WELL, State.UNKNOWN):
            points.append(f'<circle class="p-{state}" cx="{shape["x"]}" cy="{shape["y"]}" r="22"/>')
    return (
        f'<svg class="map" viewBox="0 0 {world["width"]} {world["height"]}" role="group" '
        f'aria-label="{escape(title)}"><defs><pattern id="hatch" width="12" height="12" '
        'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="h-a" width="12" height="12"/>'
        f'<rect class="h-b" width="6" height="12"/></pattern></defs>{"".join(points)}{"".join(shapes)}</svg>'
    )
