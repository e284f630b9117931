"""What nothing names is dead: constants, functions and classes that stand in one place, where they are made."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("detectors", "producers", "streams", "tools", "monitoring")
#: Where a name may be used.
ELSEWHERE = ("tests", "benchmarks")
_WORD = re.compile(r"\w+")
# Most files make no name that stands once, and need not be taken apart.
_MADE = re.compile(r"^(?:(?:    )?(?:async )?def|class) (\w+)|^(\w+)\s*[:=]", re.MULTILINE)


def made(tree: ast.Module) -> Iterator[str]:
    """The names that a module makes for itself and others, and those of its classes' methods."""
    for node in tree.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id
        elif isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.decorator_list:
            yield node.name
        elif isinstance(node, ast.ClassDef):
            yield node.name
            if not node.bases:  # what a library calls by name stands in a class of its own kind
                yield from (
                    inner.name
                    for inner in node.body
                    if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef) and not inner.decorator_list
                )


@pytest.fixture(scope="module")
def counted() -> Counter[str]:
    """How often each word stands in all sources."""
    words: Counter[str] = Counter()
    for room in (*ROOMS, *ELSEWHERE):
        for path in (ROOT / room).rglob("*"):
            if path.suffix in (".py", ".pyx", ".j2", ".toml"):
                words.update(_WORD.findall(path.read_text()))
    words.update(_WORD.findall((ROOT / "pyproject.toml").read_text()))
    return words


@pytest.mark.parametrize("room", ROOMS)
def test_nothing_is_made_that_nothing_names(room: str, counted: Counter[str]) -> None:
    dead = {
        f"{path.relative_to(ROOT)}: {name}"
        for path in (ROOT / room).rglob("*.py")
        for text in [path.read_text()]
        if any(counted[one or other] == 1 for one, other in _MADE.findall(text))
        for name in made(ast.parse(text))
        if counted[name] == 1 and not re.fullmatch(r"__\w+__", name)
    }
    assert not dead, "take it out, or use it"


def test_each_kind_of_name_is_seen() -> None:
    module = ast.parse(
        "A: int = 1\nB = 2\ndef c(): ...\nclass D:\n    def e(self): ...\n@app.command()\ndef f(): ..."
    )
    assert list(made(module)) == ["A", "B", "c", "D", "e"]
