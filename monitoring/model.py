"""Rules as values, and how they are written down. Knows no metric."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from monitoring.config import Config


@dataclass(frozen=True, kw_only=True)
class Record:
    """A recording rule."""

    name: str
    expr: str

    def written(self, config: Config) -> dict[str, Any]:
        """As a rule file has it."""
        return {"record": self.name, "expr": self.expr}


@dataclass(frozen=True, kw_only=True)
class Alert:
    """An alerting rule.

    `wait_seconds` is its `for`, `keep_seconds` its `keep_firing_for`. `link` is a dashboard's path with its variables,
    a template of Prometheus'.
    """

    name: str
    expr: str
    severity: str
    summary: str
    description: str
    link: str
    wait_seconds: float = 0
    keep_seconds: float = 0
    labels: Mapping[str, str] = field(default_factory=dict)

    def written(self, config: Config) -> dict[str, Any]:
        """As a rule file has it."""
        rule: dict[str, Any] = {
            "alert": self.name,
            "expr": self.expr,
            "for": config.wait(self.wait_seconds),
            "keep_firing_for": config.wait(self.keep_seconds),
            "labels": {"severity": self.severity, **self.labels},
            "annotations": {
                "summary": self.summary,
                "description": self.description,
                "runbook_url": f"{config.runbooks}/{self.name}.md",
                "dashboard_url": f"{config.grafana}{self.link}",
            },
        }
        if rule["keep_firing_for"] == "0s":
            del rule["keep_firing_for"]
        return rule


@dataclass(frozen=True)
class Group:
    """Rules that are evaluated one after the other: a later one sees what an earlier one has just said."""

    name: str
    rules: tuple[Record | Alert, ...]

    def written(self, config: Config) -> dict[str, Any]:
        """As a rule file has it."""
        return {"name": self.name, "rules": [rule.written(config) for rule in self.rules]}


class _Dumper(yaml.SafeDumper):
    """Strings of several lines as blocks: an expression is to be read."""


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def rule_file(groups: Iterable[Group], config: Config) -> str:
    """The text of a rule file."""
    body = yaml.dump(
        {"groups": [group.written(config) for group in groups]},
        Dumper=_Dumper,
        sort_keys=False,
        width=1000,
        allow_unicode=True,
    )
    return f"# Written by `python -m monitoring`; edit monitoring/ instead.\n{body}"
