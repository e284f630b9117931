"""What decides touches nothing: a closed list of what it may import, and no call that asks the machine for anything.

The contracts in pyproject.toml name what is forbidden. Whatever else there is in the world, nobody could name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Libraries that compute, and hold no socket, file, clock or log.
DETECTORS = frozenset(
    {
        "__future__",
        "array",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "detectors",
        "enum",
    }
    | {
        "functools",
        "hashlib",
        "importlib",
        "inspect",
        "itertools",
        "math",
        "msgspec",
        "numpy",
        "operator",
        "river",
    }
    | {"statistics", "types", "typing"}
)
#: What one file alone may import, and why.
EXCEPTIONS = {
    # River's detectors keep a generator of their own, seeded: it is stored and restored.
    "detectors/single/bank.py": {"random"},
    "detectors/single/chosen.py": {"random"},
    # A table's memory is given by pages, so that what is never written costs nothing.
    "detectors/columns/table.py": {"mmap"},
}
#: Calls that ask for the time, for chance, or for a file, by way of what may be imported.
ASKING = {"now", "utcnow", "today", "open", "print", "input", "urandom", "default_rng", "getenv"}
MODULES = sorted((ROOT / "detectors").rglob("*.py"))
PURE = [*MODULES, ROOT / "streams/machine.py", ROOT / "streams/words.py"]
PURE += [
    path
    for path in sorted((ROOT / "streams/step").rglob("*.py"))
    if path.name not in ("backtest.py", "asn_countries.py")
]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module).partition(".")[0]


def called(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name):
                yield node.func.id
            elif (
                isinstance(node.func, ast.Attribute)
                and isinstance(node.func.value, ast.Name)
                # A method of our own, such as `case.open()`, asks for nothing.
                and node.func.value.id in ("datetime", "date", "np", "os", "io")
            ):
                yield node.func.attr


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_detector_imports_what_computes_and_nothing_else(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    others = set(imported(tree_of(path))) - DETECTORS - EXCEPTIONS.get(name, set())
    assert not others, (
        f"{name} imports {sorted(others)}: does it compute? Then add it to DETECTORS, with the reason"
    )


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_decides_asks_for_no_time_no_chance_and_no_file(path: Path) -> None:
    assert not set(called(tree_of(path))) & ASKING


@pytest.mark.parametrize(
    "line",
    [
        "datetime.now(UTC)",
        "date.today()",
        "open('x')",
        "print(1)",
        "np.random.default_rng()",
        "random.random()",
    ],
)
def test_each_of_these_would_be_seen(line: str) -> None:
    tree = ast.parse(f"import random\n{line}\n")
    assert set(called(tree)) & ASKING or set(imported(tree)) - DETECTORS
