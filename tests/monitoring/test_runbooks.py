"""Each alert's runbook is there, asks three questions, and its commands are ones that exist."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import promql_parser
import pytest
from typer.main import get_command

from monitoring.shipped import ROOT
from streams.cli import app
from streams.engine.families import FAMILIES
from tests.monitoring.test_rules import EVERY_ALERT, selectors

RUNBOOKS: Final = ROOT / "docs" / "runbooks"
ONCALL: Final = ROOT / "docs" / "oncall.md"
#: Programs of others that a runbook may call; each is in the Debian packages that the tests run on, or everywhere.
OTHERS: Final = {"promtool", "amtool", "curl", "kcat"}
SECTIONS: Final = ["What it means", "Is it real", "What to tell whom", "How it ends"]


def commands(path: Path) -> Iterator[list[str]]:
    for block in re.findall(r"```\n(.*?)```", path.read_text(), re.DOTALL):
        for line in block.splitlines():
            if line.strip():
                yield shlex.split(line)


EVERY_COMMAND: Final = [
    (path.stem, command) for path in sorted(RUNBOOKS.glob("*.md")) for command in commands(path)
]


def test_every_alert_has_one_and_nothing_else_has() -> None:
    assert {path.stem for path in RUNBOOKS.glob("*.md")} == EVERY_ALERT
    assert set(re.findall(r"\(runbooks/(\w+)\.md\)", ONCALL.read_text())) == EVERY_ALERT


@pytest.mark.parametrize("name", sorted(EVERY_ALERT))
def test_it_says_what_is_asked_of_it(name: str) -> None:
    text = (RUNBOOKS / f"{name}.md").read_text()
    assert text.startswith(f"# {name}\n")
    assert re.findall(r"^## (.*)$", text, re.MULTILINE) == SECTIONS
    real = text.partition("## Is it real")[2].partition("\n## ")[0]
    steps = re.findall(r"^\d\. .*?(?=^\d\. |\Z)", real, re.MULTILINE | re.DOTALL)
    assert len(steps) == 3
    assert all("```" in step for step in steps)


@pytest.mark.parametrize("name, command", EVERY_COMMAND, ids=[f"{name}-{c[0]}" for name, c in EVERY_COMMAND])
def test_its_commands_exist(name: str, command: list[str]) -> None:
    words = command[: command.index("#")] if "#" in command else command
    if words[0] != "netdusk":
        assert words[0] in OTHERS
        if words[:2] in (["promtool", "query"], ["promtool", "test"]):
            asks_for_what_exists(words[-1])
        return
    root: Any = get_command(app)
    found = root.get_command(None, words[1])
    assert found is not None, f"netdusk {words[1]}"
    if hasattr(found, "get_command"):
        # A group: the command that is named, or the one that is meant where none is.
        found = found.get_command(None, words[2] if len(words) > 2 else "show") or found.get_command(
            None, "show"
        )
    options = {option for parameter in found.params for option in parameter.opts}
    assert {word for word in words[2:] if word.startswith("-")} <= options


OTHER_FIGURES: Final = {
    "ALERTS",
    "process_cpu_seconds_total",
    "netdusk_probe_certificate_expiry_timestamp_seconds",
}


def asks_for_what_exists(expr: str) -> None:
    assert promql_parser.parse(expr)
    for selector in selectors(expr):
        name = re.sub(r"_(bucket|count|sum)$", "", selector.name)
        assert name in FAMILIES or selector.name in OTHER_FIGURES, selector.name
        if name in FAMILIES:
            assert {matcher.name for matcher in selector.matchers.matchers} <= set(FAMILIES[name].labels)


@pytest.mark.parametrize("path", [ONCALL, ROOT / "monitoring" / "README.md", *sorted(RUNBOOKS.glob("*.md"))])
def test_links_lead_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[\w-]+)?\)", path.read_text()):
        assert (path.parent / target).exists(), target
