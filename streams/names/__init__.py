"""Names of regions and networks for people to read, beside their codes. What has no name keeps its code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files


@lru_cache(maxsize=1)
def _regions() -> Mapping[str, str]:
    text = (files("streams.names") / "regions.json").read_text(encoding="utf-8")
    names: dict[str, str] = json.loads(text)
    return names


def region_name(code: str, own: Mapping[str, str]) -> str:
    """Return a region's English name: the operator's, else the CLDR's, else the code.

    >>> region_name("PK-PB", {}), region_name("PK-PB", {"PK-PB": "The Punjab"}), region_name("PK-99", {})
    ('Punjab', 'The Punjab', 'PK-99')
    """
    return own.get(code) or _regions().get(code) or code


def region_label(code: str, own: Mapping[str, str]) -> str:
    """Return a region's name with its code, as tables and charts have it.

    >>> region_label("PK-PB", {}), region_label("PK-99", {})
    ('Punjab (PK-PB)', 'PK-99')
    """
    name = region_name(code, own)
    return code if name == code else f"{name} ({code})"
