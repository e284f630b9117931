"""The world map as SVG: a shape a country, by its state. Built from Natural Earth by `tools/map/`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from itertools import accumulate
from typing import Any, Final

from streams.page.observatory import CALM, ORDER, CountryStanding, State
from streams.publish.draw import shown

#: So many countries are named on the map, the worst first.
NAMES_MAX: Final = 8
_NAME_SIZE: Final = 27
_LETTER: Final = 0.56 * _NAME_SIZE
#: A country and what lies around it: margin by its own size, least width and shape of the picture.
_AROUND: Final = 0.55
_LEAST: Final = 110.0
_SHAPE: Final = 4 / 3
#: Parts this much smaller than a country's largest, or this far from it (by its size), do not widen the view: France is
#: shown without Guiana.
_PART: Final = 0.04
_FAR: Final = 1.0
_STEPS: Final = re.compile(r"([Mlz])|(-?\d+)")


@dataclass(frozen=True, slots=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    @property
    def area(self) -> float:
        return max(1.0, self.right - self.left) * max(1.0, self.bottom - self.top)

    def meets(self, other: _Box) -> bool:
        return (
            self.left < other.right
            and other.left < self.right
            and self.top < other.bottom
            and other.top < self.bottom
        )

    def gap(self, other: _Box) -> float:
        """How far away another one is, by the wider of both ways."""
        return max(
            0.0,
            other.left - self.right,
            self.left - other.right,
            other.top - self.bottom,
            self.top - other.bottom,
        )

    def around(self, other: _Box) -> _Box:
        return _Box(
            min(self.left, other.left),
            min(self.top, other.top),
            max(self.right, other.right),
            max(self.bottom, other.bottom),
        )


@lru_cache(maxsize=1)
def _world() -> dict[str, Any]:
    made: dict[str, Any] = json.loads((files("streams.page") / "static" / "world.json").read_bytes())
    return made


def drawn() -> frozenset[str]:
    """The countries that have a shape."""
    return frozenset(_world()["countries"])


def svg(
    standings: Iterable[CountryStanding],
    title: str,
    text: Callable[[CountryStanding], str],
    link: Callable[[str], str],
    name: Callable[[str], str] = str,
) -> str:
    """The map. Only countries of which something is known are links; the worst are drawn last, over the others.

    `text` says a standing in words, `link` gives a country's address, `name` its name; the worst are named.
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
        label = shown(text(standing))
        if shape["small"]:
            path += f'<circle class="s-{state}" cx="{shape["x"]}" cy="{shape["y"]}" r="9"/>'
        shapes.append(f'<a href="{shown(link(code))}" aria-label="{label}"><title>{label}</title>{path}</a>')
        if state not in CALM:
            points.append(f'<circle class="p-{state}" cx="{shape["x"]}" cy="{shape["y"]}" r="22"/>')
    return (
        f'<svg class="map" viewBox="0 0 {world["width"]} {world["height"]}" role="group" '
        f'aria-label="{shown(title)}"><defs><pattern id="hatch" width="12" height="12" '
        'patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="h-a" width="12" height="12"/>'
        f'<rect class="h-b" width="6" height="12"/></pattern></defs>{"".join(points)}{"".join(shapes)}'
        f"{_names(known.values(), name)}</svg>"
    )


def locator(code: str, state: str, name: str) -> str:
    """Where a country is: itself by its state (or `over`) among its neighbours; empty where it has no shape."""
    shape = _world()["countries"].get(code)
    if shape is None:
        return ""
    view = _view(code)
    shapes = [
        f'<path class="{f"s-{state} here" if other == code else "s-land"}" d="{_world()["countries"][other]["d"]}"/>'
        for other in sorted(_boxes(), key=lambda one: one == code)
        if any(box.meets(view) for box in _boxes()[other])
    ]
    width, height = view.right - view.left, view.bottom - view.top
    if shape["small"]:
        shapes.append(
            f'<circle class="s-{state} here" cx="{shape["x"]}" cy="{shape["y"]}" r="{width / 40:.1f}"/>'
        )
    return (
        f'<svg class="locator" viewBox="{view.left:.0f} {view.top:.0f} {width:.0f} {height:.0f}" role="img" '
        f'aria-label="{shown(name)}">{"".join(shapes)}</svg>'
    )


@lru_cache(maxsize=1)
def _boxes() -> dict[str, list[_Box]]:
    """What each country's parts cover."""
    return {code: _parts(shape["d"]) for code, shape in _world()["countries"].items()}


def _parts(path: str) -> list[_Box]:
    """The boxes around the parts of a path of `M`, `l` and `z` alone.

    >>> [(box.left, box.top, box.right, box.bottom) for box in _parts("M10 10l4 0-2 3zM1 2l-1 1z")]
    [(10.0, 10.0, 14.0, 13.0), (0.0, 2.0, 1.0, 3.0)]
    """
    boxes = []
    for part in path.split("M")[1:]:
        numbers = [float(number) for _, number in _STEPS.findall(part) if number]
        xs, ys = list(accumulate(numbers[::2])), list(accumulate(numbers[1::2]))
        boxes.append(_Box(min(xs), min(ys), max(xs), max(ys)))
    return boxes


def _view(code: str) -> _Box:
    """What a picture of a country covers: its large parts and something around them."""
    shape = _world()["countries"][code]
    parts = _boxes()[code] or [_Box(shape["x"], shape["y"], shape["x"], shape["y"])]
    largest = max(box.area for box in parts)
    box = max(parts, key=lambda part: part.area)
    for part in sorted(parts, key=box.gap):
        if (
            part.area >= _PART * largest
            and box.gap(part) <= _FAR * (box.right - box.left + box.bottom - box.top) / 2
        ):
            box = box.around(part)
    width = max(
        _LEAST, (box.right - box.left) * (1 + _AROUND), (box.bottom - box.top) * (1 + _AROUND) * _SHAPE
    )
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    return _Box(x - width / 2, y - width / _SHAPE / 2, x + width / 2, y + width / _SHAPE / 2)


def _names(standings: Iterable[CountryStanding], name: Callable[[str], str]) -> str:
    """Names of the worst, where they hide no other name."""
    world = _world()
    placed: list[_Box] = []
    out = []
    worst = [
        one
        for one in sorted(standings, key=lambda one: (ORDER[one.state], one.country))
        if one.state not in CALM and one.country in world["countries"]
    ]
    for one in worst[:NAMES_MAX]:
        words = name(one.country)
        parts = _boxes()[one.country]
        x, y = float(world["countries"][one.country]["x"]), float(world["countries"][one.country]["y"])
        main = max(parts, key=lambda box: box.area, default=_Box(x, y, x, y))
        wide = _LETTER * len(words)
        for left, base in (
            (max(main.right, x + 24) + 8, y + 9),
            (min(main.left, x - 24) - 8 - wide, y + 9),
            (x - wide / 2, max(main.bottom, y + 24) + 26),
            (x - wide / 2, min(main.top, y - 24) - 8),
        ):
            box = _Box(left, base - _NAME_SIZE, left + wide, base + 6)
            inside = (
                box.left >= 0
                and box.right <= world["width"]
                and box.top >= 0
                and box.bottom <= world["height"]
            )
            if inside and not any(box.meets(other) for other in placed):
                placed.append(box)
                out.append(
                    f'<text class="m-name" direction="ltr" aria-hidden="true" x="{left:.0f}" y="{base:.0f}" '
                    f'font-size="{_NAME_SIZE}">{shown(words)}</text>'
                )
                break
    return "".join(out)
