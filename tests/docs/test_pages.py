"""Pages name what exists: links lead somewhere, files are where a page says, and words mean what the glossary says."""

from __future__ import annotations

import ast
import re
import tokenize
import tomllib
from pathlib import Path

import pytest

from producers.records import ProbeResult, decode

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("monitoring/*.md"))
    if path.name != "CHANGELOG.md"
)
#: Decisions are never rewritten: they name files as they were then.
CURRENT = [path for path in PAGES if "adr" not in path.parts]
ROOMS = ("detectors", "producers", "streams", "tools")
#: Words of ours that were given up for the field's. They come back as identifiers where nobody looks.
RETIRED = {"almanac", "crowded", "house", "jury", "lane", "lanes", "leash", "leashed"}

#: Most files have none of these words anywhere: only the others are taken apart.
_RETIRED = re.compile("|".join(sorted(RETIRED)), re.IGNORECASE)
#: Names that hold something of which nobody knows what.
EMPTY = {"found", "said", "held", "told", "at"}
# What may follow a name that is given to something; most files have no such place and need not be taken apart.
_EMPTY = re.compile(rf"\b({'|'.join(sorted(EMPTY))})\s*(?:[-+*/%@&|^<>=:,;)\]]|in\b|$)", re.MULTILINE)
#: How a docstring begins that points at another.
POINTING = ("The same", "Same ", "Likewise", "As above")

_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)")
_FILE = re.compile(r"`((?:detectors|producers|streams|tools|tests|benchmarks|monitoring|make)/[\w./-]+)`")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    broken = [link for link in _LINK.findall(page.read_text()) if not (page.parent / link).exists()]
    assert broken == []


@pytest.mark.parametrize("page", CURRENT, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_a_page_names_exist(page: Path) -> None:
    missing = [name for name in _FILE.findall(page.read_text()) if not (ROOT / name).exists()]
    assert missing == []


def test_the_example_of_a_record_is_one() -> None:
    page = (ROOT / "docs" / "producing.md").read_text()
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    record = decode(example.encode())
    assert isinstance(record, ProbeResult)
    assert record.failure == "connection_reset"


@pytest.mark.parametrize("room", ["detectors", "streams"])
def test_each_file_has_its_place_in_the_architecture(room: str) -> None:
    page = (ROOT / "docs" / "architecture.md").read_text().partition("## What lives where")[2]
    places = {name.rpartition("/")[2].partition(".")[0] for name in re.findall(r"`([\w./]+)`", page)}
    # Of these a row speaks as a whole: a file a command, a detector, a job.
    whole = {"commands", "local", "publish", "single", "names", "starting"}
    lacking = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / room).rglob("*.py*"))
        if path.suffix in (".py", ".pyx") and not path.stem.startswith("_") and not whole & set(path.parts)
        if path.stem not in places
    ]
    assert lacking == [], "say in a row of 'What lives where', docs/architecture.md, what it is for"


def test_the_glossary_says_each_term_once_and_in_order() -> None:
    rows = re.findall(r"^\| (.+?) \|", (ROOT / "docs" / "glossary.md").read_text(), re.M)[1:]
    assert rows == sorted(set(rows), key=str.lower)


@pytest.mark.parametrize("room", ("docs", *ROOMS))
def test_nobody_is_told_to_install_a_name_that_we_do_not_publish(room: str) -> None:
    """An index has no `netdusk`: whoever took the name would be installed."""
    wanted = re.compile(r"""pip3? install (?:[^`#\n]*[ '"])?netdusk[\['"\s]|[^m] install netdusk\[""")
    files = [
        path
        for pattern in ("*.py", "*.md")
        for path in (ROOT / room).rglob(pattern)
        if "adr" not in path.parts  # decisions are as they were
    ]
    assert files
    assert [str(path.relative_to(ROOT)) for path in files if wanted.search(path.read_text())] == []


def identifiers(path: Path) -> set[str]:
    if path.suffix == ".pyx":  # its comments and texts count too
        names = re.findall(r"[A-Za-z_]\w*", path.read_text())
    else:
        with path.open("rb") as file:
            names = [
                token.string for token in tokenize.tokenize(file.readline) if token.type == tokenize.NAME
            ]
    return {part for name in names for part in re.split(r"_|(?<=[a-z])(?=[A-Z])", name)}


def test_how_an_extra_is_installed_stands_in_one_place() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for path in (ROOT / "streams").rglob("*.py"):
        text = path.read_text()
        if path.name != "errors.py":
            assert "` where netdusk's source is" not in text, f"{path.name}: say it by streams.errors.install"
        for extra in re.findall(r"""\binstall\(["'](\w+)["']\)""", text):
            assert extra in extras, f"{path.name}: there is no extra {extra}"


@pytest.mark.parametrize("room", ROOMS)
def test_retired_words_stay_away(room: str) -> None:
    used = {
        f"{path.relative_to(ROOT)}: {word}"
        for path in (ROOT / room).rglob("*.py*")
        if path.suffix in (".py", ".pyx") and _RETIRED.search(path.read_text())
        for word in {name.lower() for name in identifiers(path)} & RETIRED
    }
    assert used == set()


def stored(path: Path) -> set[str]:
    """Names that the functions of a module give to what they hold."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names: set[str] = set()
    walked: list[ast.AST] = [ast.parse(path.read_text())]
    while walked:
        node = walked.pop()
        if not isinstance(node, functions):
            walked += ast.iter_child_nodes(node)
            continue
        names |= {
            name.id
            for name in ast.walk(node)
            if isinstance(name, ast.Name) and isinstance(name.ctx, ast.Store)
        }
    return names


@pytest.mark.parametrize(
    "line",
    [
        "found = 1",
        "found: int = 1",
        "found += 1",
        "found //= 2",
        "found, more = 1, 2",
        "more, found = 1, 2",
        "(more, found) = 1, 2",
        "[more, found] = 1, 2",
        "*found, more = 1, 2",
        "if found := 1: pass",
        "more = [1 for found in ()]",
        "for found in (): pass",
        "with open('x') as found: pass",
        "with (open('x') as found, open('y') as more): pass",
        "more = found = 1",
    ],
)
def test_each_way_to_give_a_name_would_be_seen(line: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(f"def function():\n    {line}\n")
    assert _EMPTY.search(path.read_text())
    assert stored(path) & EMPTY == {"found"}


@pytest.mark.parametrize("room", ROOMS)
def test_a_local_says_what_it_holds(room: str) -> None:
    """Of `found` nobody knows what: a name is the noun of what was found."""
    empty = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / room).rglob("*.py")
        if _EMPTY.search(path.read_text())
        for name in stored(path) & EMPTY
    }
    assert empty == set()


@pytest.mark.parametrize("room", ROOMS)
def test_a_comment_stands_above_what_it_is_of(room: str) -> None:
    behind = re.compile(r"= \($\n\s+[^\n#()]+  # [^\n]+\n\s*\)$", re.MULTILINE)
    brackets = {
        f"{path.relative_to(ROOT)}: {match.group().splitlines()[1].strip()}"
        for path in (ROOT / room).rglob("*.py")
        for match in behind.finditer(path.read_text())
    }
    assert not brackets, "write the comment above, and the value without brackets"


@pytest.mark.parametrize("room", ROOMS)
def test_a_docstring_says_itself_what_it_is_of(room: str) -> None:
    """Who reads "The same of a machine" has to know which line stood above it when it was written."""
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    pointing = {
        f"{path.relative_to(ROOT)}: {node.name}"
        for path in (ROOT / room).rglob("*.py")
        if any(words in path.read_text() for words in POINTING)
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, kinds) and (ast.get_docstring(node) or "").startswith(POINTING)
    }
    assert pointing == set()


def test_a_class_name_stands_for_one_thing() -> None:
    """Whoever adds one takes a name that no other public class of the package has, and finds it by one search."""
    where: dict[str, list[str]] = {}
    for room in ("streams", "producers", "detectors"):
        for path in sorted((ROOT / room).rglob("*.py")):
            for name in re.findall(r"^class ([A-Z]\w*)", path.read_text(), re.MULTILINE):
                where.setdefault(name, []).append(str(path.relative_to(ROOT)))
    assert {name: paths for name, paths in where.items() if len(paths) > 1} == {}
