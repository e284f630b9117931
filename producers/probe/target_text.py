"""Targets as text: one [[target]] of a targets file, and names for services that have only a URL. Asks nobody."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence

from producers.names import PLATFORM_MAX
from producers.probe.asked import Endpoint
from producers.probe.targets import Target


def platforms_of(urls: Sequence[str]) -> list[str]:
    """A name for each service out of its URL: its host without `www`; the port too where a host has several.

    Two ports of one host are two services: under one name, the one that is down would be a part of the other.

    >>> platforms_of(["https://www.shop.example/", "tcp://db.example:5432", "tcp://db.example:6379", "http://[::1]/"])
    ['shop.example', 'db.example-5432', 'db.example-6379', 'ip6-1']
    """
    places = [(place.host.removeprefix("www."), place.port) for place in map(_place, urls)]
    ports: dict[str, set[int]] = {}
    for host, port in places:
        ports.setdefault(host, set()).add(port)
    return [
        platform_name(host, f"-{port}" if len(ports[host]) > 1 else "") or "service" for host, port in places
    ]


def _place(url: str) -> Endpoint:
    return Target(platform="x", url=url).place


def platform_name(text: str, end: str = "") -> str:
    """The nearest name that a platform may have, `end` at its end; empty where nothing of the text may stand in one.

    >>> platform_name("Shop API"), platform_name("2001:db8::7", "-22"), platform_name("店")
    ('shop-api', 'ip6-2001-db8-7-22', '')
    """
    plain = re.sub(r"[^a-z0-9._-]+", "-", text.lower()).strip("-._")
    if ":" in text and plain:
        plain = f"ip6-{plain}"
    return f"{plain[: PLATFORM_MAX - len(end)]}{end}" if plain else ""


def target_text(platform: str, url: str, more: Mapping[str, str] | None = None) -> str:
    """One [[target]] of a targets file; `more` are keys with their values as TOML."""
    target = Target(platform=platform, url=url)
    lines = ["[[target]]", f'platform = "{platform}"', f"url = {json.dumps(url)}"]
    lines += [f"{key} = {value}" for key, value in (more or {}).items()]
    if target.is_at_a_private_place and "private" not in (more or {}):
        lines.append("private = true  # an address that only your own network has")
    return "\n".join([*lines, ""])
