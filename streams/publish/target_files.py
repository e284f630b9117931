"""Targets out of what monitoring has already: blackbox_exporter's modules, and Prometheus' scrape configurations.

A module says what a good answer is, a scrape configuration whom it is asked of. What has no counterpart here is said,
and not made up. Needs PyYAML where the text is read; nothing is fetched.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import ValidationError

from producers.complaints import complaints
from producers.probe.target_text import platform_name, platforms_of, target_text
from producers.probe.targets import Target

_PROBERS: Final = ("http", "tcp")
_HEEDED_TCP: Final = {"tls", "tls_config", "preferred_ip_protocol", "ip_protocol_fallback"}


@dataclass(frozen=True, slots=True)
class Found:
    """One target as a targets file has it: the name of its service, its URL, further keys as TOML."""

    platform: str
    url: str
    keys: Mapping[str, str]


@dataclass(slots=True)
class TargetFile:
    """What came of the files, and a line for each thing that has no counterpart."""

    targets: list[Found] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)


def read(modules: Mapping[str, Any], scrapes: list[Mapping[str, Any]], platform: str | None) -> TargetFile:
    """Targets of every scrape configuration that asks by one of these modules (blackbox.yml, parsed).

    `platform` is the name for all; without it, a target's own label `platform` or `service`, else its host (and port,
    where a host has several). What can't be a target is left out by itself, with what is wrong with it.
    """
    reading = TargetFile()
    seen: set[str] = set()
    for scrape in scrapes:
        job = str(scrape.get("job_name", "?"))
        names = _list(_mapping(scrape.get("params")).get("module"))
        if not names:
            continue  # it scrapes metrics, and asks nobody through blackbox_exporter
        if any(key.endswith("_sd_configs") for key in scrape):
            reading.left_out.append(f"job {job}: discovers its targets; write them as static_configs")
        for name in names:
            module = _mapping(modules.get(str(name)))
            if not module:
                reading.left_out.append(f"job {job}: module {name} is in no blackbox.yml that was given")
                continue
            for address, labels in _addresses(scrape):
                _take(reading, seen, job, str(name), module, address, labels, platform)
    unnamed = [one.url for one in reading.targets if not one.platform]
    called = dict(zip(unnamed, platforms_of(unnamed), strict=True))
    reading.targets = [replace(one, platform=one.platform or called[one.url]) for one in reading.targets]
    reading.left_out = list(dict.fromkeys(reading.left_out))  # a module is told once, however many it asks
    return reading


def _take(
    reading: TargetFile,
    seen: set[str],
    job: str,
    name: str,
    module: Mapping[str, Any],
    address: str,
    labels: Mapping[str, Any],
    platform: str | None,
) -> None:
    prober = str(module.get("prober", ""))
    if prober not in _PROBERS:
        reading.left_out.append(f"job {job}, {address}: prober {prober} has no counterpart here")
        return
    how = _mapping(module.get(prober))
    url = _url(prober, how, address)
    keys, unheeded = _http(how) if prober == "http" else ({}, sorted(how.keys() - _HEEDED_TCP))
    if unheeded:
        reading.left_out.append(f"module {name}: {', '.join(unheeded)} not heeded")
    if (seconds := _seconds(module.get("timeout"))) is not None:
        keys["timeout_seconds"] = f"{seconds:g}"
    if _mapping(how.get("tls_config")).get("insecure_skip_verify") is True:
        keys["verify"] = "false"
    named = platform or _name_of(labels) or ""
    try:
        Target.model_validate(tomllib.loads(target_text(named or "x", url, keys))["target"][0])
    except ValidationError as error:
        reading.left_out.append(f"job {job}: {next(complaints(error, Target, lambda path: ''))}")
        return
    if url in seen:
        return
    seen.add(url)
    reading.targets.append(Found(named, url, keys))


def _name_of(labels: Mapping[str, Any]) -> str:
    return next(
        (name for key in ("platform", "service") if (name := platform_name(str(labels.get(key, ""))))), ""
    )


def _http(how: Mapping[str, Any]) -> tuple[dict[str, str], list[str]]:
    keys: dict[str, str] = {}
    # blackbox_exporter takes 2xx where nothing is said, and follows redirects; a redirect of ours is an answer.
    statuses = [int(code) for code in _list(how.get("valid_status_codes")) if str(code).isdecimal()]
    if statuses:
        keys["statuses"] = str(sorted(statuses))
    elif how.get("follow_redirects", not how.get("no_follow_redirects", False)):
        keys["statuses"] = '["2xx", "3xx"]'
    else:
        keys["statuses"] = '["2xx"]'
    heeded = {
        "valid_status_codes", "follow_redirects", "no_follow_redirects", "preferred_ip_protocol", "tls_config",
        "ip_protocol_fallback", "method",
    }  # fmt: skip
    unheeded = sorted(how.keys() - heeded)
    if str(how.get("method", "GET")).upper() != "GET":
        unheeded.append(f"method {how['method']} (a probe asks by GET)")
    return keys, unheeded


def _url(prober: str, how: Mapping[str, Any], address: str) -> str:
    if prober == "http":
        return address if "://" in address else f"http://{address}"
    plain = address.split("://", 1)[-1]
    return f"{'tls' if how.get('tls') else 'tcp'}://{plain}"


def _addresses(scrape: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for group in _list(scrape.get("static_configs")):
        for address in _list(_mapping(group).get("targets")):
            yield str(address), _mapping(_mapping(group).get("labels"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _seconds(text: Any) -> float | None:
    units = {"ms": 0.001, "s": 1.0, "m": 60.0}
    for unit, size in units.items():
        if (
            isinstance(text, str)
            and text.endswith(unit)
            and text[: -len(unit)].replace(".", "", 1).isdecimal()
        ):
            return float(text[: -len(unit)]) * size
    return None
