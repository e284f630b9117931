"""The site of the docs: every page is in it, every link leads somewhere, every command on a page exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

from streams.cli import app

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


def pages_of(nav: Any) -> Iterator[str]:
    for item in nav if isinstance(nav, list) else nav.values():
        if isinstance(item, str):
            yield item
        else:
            yield from pages_of(item)


def test_every_page_is_on_the_site_once() -> None:
    named = list(pages_of(yaml.safe_load((ROOT / "mkdocs.yml").read_text())["nav"]))
    assert sorted(named) == [path.name for path in PAGES], "put the page into the nav of mkdocs.yml"


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every `netdusk ...` in a block for a shell, a continued line as one, without what the shell does with it."""
    for path in (*PAGES, ROOT / "README.md"):
        for block in re.findall(
            r"^```(?:console|sh)\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL
        ):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line.removeprefix("$ "), comments=True)
                if words[:1] == ["netdusk"]:
                    end = next(
                        (i for i, word in enumerate(words) if re.match(r"[|<>&;]|2>", word)), len(words)
                    )
                    yield path.name, words[:end]


@pytest.mark.parametrize(
    "page, words", list(commands()), ids=lambda value: value if isinstance(value, str) else None
)
def test_every_command_on_a_page_exists_with_its_options(page: str, words: list[str]) -> None:
    if len(words) == 1 or words[1].startswith("-"):
        return
    command: Any = get_command(app)
    rest = words[1:]
    while hasattr(command, "get_command"):
        inner = command.get_command(None, rest[0]) if rest else None
        if inner is None:
            inner, rest = command.get_command(None, "show"), ["", *rest]  # a group that shows by default
        assert inner is not None, f"{page}: {shlex.join(words)}"
        command, rest = inner, rest[1:]
    options = {
        option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)
    }
    used = {word.split("=")[0] for word in rest if re.match(r"-{1,2}[a-z]", word)}
    assert used - {"--help", "-h"} <= options, f"{page}: {shlex.join(words)}"


@pytest.mark.integration
def test_the_site_builds_and_no_link_leads_nowhere() -> None:
    build = [
        str(Path(sys.executable).parent / "zensical"),
        "build",
        "--strict",
        "--config-file",
        "mkdocs.yml",
    ]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert (ROOT / ".cache" / "site" / "own-services.html").is_file()
