"""The site of the docs: every page is in it, every link leads somewhere, every command on a page exists."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml
from click import ClickException
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


#: Fences, in their order: what is between two of them is no block.
_FENCED = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_SHELLS = ("console", "sh", "bash", "")


def statements(block: str) -> Iterator[list[str]]:
    """Every simple command of a block: continued lines and open quotes as one, pipes and lists taken apart.

    Where a block has prompts, lines without one are what is answered.
    """
    prompts = re.search(r"^ *\$ ", block, re.MULTILINE)
    open_lines = ""
    for line in block.splitlines():
        if prompts and not open_lines and not line.lstrip().startswith("$ "):
            continue
        open_lines += re.sub(r"^\s*(?:\$ )?", "", line)
        if open_lines.endswith("\\"):
            open_lines = open_lines[:-1]
            continue
        lexer = shlex.shlex(open_lines, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # a quote that a later line closes
            open_lines += "\n"
            continue
        open_lines = ""
        for is_end, part in groupby(words, key=lambda word: bool(re.fullmatch(r"[|&;]+", word))):
            if not is_end:
                yield list(part)
    assert open_lines == "", open_lines


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every `netdusk ...` in a block for a shell, on any page, indented or not, without where the shell sends it."""
    others = ("*.md", "docs/runbooks/*.md", "monitoring/*.md", "helm/*/*.md")
    for path in (*PAGES, *(path for pattern in others for path in ROOT.glob(pattern))):
        for language, block in _FENCED.findall(path.read_text()):
            for words in statements(block) if language in _SHELLS else ():
                if words[0].rpartition("/")[2] == "netdusk":
                    end = next(
                        (i for i, word in enumerate(words) if re.fullmatch(r"[<>]+", word)), len(words)
                    )
                    yield path.name, words[1:end]


COMMANDS = tuple(commands())


@cache
def command_of(name: str | None) -> Any:
    """A command with its parameters, or a group; all of netdusk without a name. Built once for hundreds of words."""
    return get_command(app) if name is None else command_of(None).get_command(None, name)


def below(command: Any, name: str) -> Any:
    """The command of a group that has this name, or `None`."""
    return command_of(name) if command is command_of(None) else command.get_command(None, name)


@pytest.mark.parametrize("page", sorted({page for page, _ in COMMANDS}))
def test_every_command_on_a_page_is_one_that_netdusk_takes(page: str) -> None:
    """By the parser itself: options, kinds of values, what has to be there. Nothing is run."""
    for words in [words for name, words in COMMANDS if name == page]:
        if words and not words[0].startswith("-"):
            parse(page, words)


def parse(page: str, words: list[str]) -> None:
    """Have a command parsed. Fails where netdusk would not take it."""
    command = command_of(None)
    name, rest = "netdusk", words
    while hasattr(command, "get_command"):
        inner = below(command, rest[0]) if rest else None
        if inner is None:  # a group that shows by default
            inner, rest = below(command, "show"), ["", *rest]
        assert inner is not None, f"{page}: {shlex.join(words)}"
        command, name, rest = inner, rest[0], rest[1:]
    try:
        command.make_context(name, list(rest))
    except ClickException as error:
        pytest.fail(f"{page}: netdusk {shlex.join(words)}: {error.format_message()}")


def mentioned() -> Iterator[tuple[str, str]]:
    """Every `netdusk ...` within a sentence or a table, on pages that are kept up to date."""
    for path in (*PAGES, *ROOT.glob("*.md"), *ROOT.glob("docs/runbooks/*.md"), ROOT / "monitoring/README.md"):
        if path.name != "CHANGELOG.md":
            for words in re.findall(r"`(netdusk [^`]+)`", _FENCED.sub("", path.read_text())):
                if "COMMAND" not in words:
                    yield path.name, " ".join(words.split())


MENTIONED = tuple(mentioned())


@pytest.mark.parametrize("page", sorted({page for page, _ in MENTIONED}))
def test_every_command_in_a_sentence_is_one_of_ours_with_options_that_it_has(page: str) -> None:
    """There it may be shortened, so it is not parsed whole: the command and each option have to exist."""
    for words in sorted({words for name, words in MENTIONED if name == page}):
        look_up(page, words)


def look_up(page: str, words: str) -> None:
    """Look a command and its options up. Fails where there is none of these."""
    command = command_of(None)
    rest = re.sub(r"[\[\]|]", " ", words).split()[1:]
    while hasattr(command, "get_command") and rest and not rest[0].startswith("-"):
        inner = below(command, rest[0]) or below(command, "show")
        assert inner is not None, f"{page}: {words}"
        command, rest = inner, rest[1:]
    if hasattr(command, "get_command") and (shown := below(command, "show")):
        command = shown
    known = {one for parameter in command.params for one in (*parameter.opts, *parameter.secondary_opts)}
    given = {word.partition("=")[0].rstrip(",") for word in rest if re.match(r"--?[a-z]", word)}
    assert given <= known | {"-h", "--help"}, f"{page}: {words}"


def test_pages_with_steps_have_their_commands_read() -> None:
    """What is indented under a step, continued, piped or quoted over two lines is found."""
    found = {shlex.join(words[:2]) for page, words in commands() if page in ("start-data.md", "ingest.md")}
    assert {"ingest ooni", "backtest results.jsonl", "history UG", "ingest prometheus", "pull ioda"} <= found


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
