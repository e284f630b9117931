"""What decides touches nothing: a closed list of what it may import, and no call that asks the machine for anything.

The contracts in pyproject.toml name what is forbidden. Whatever else there is in the world, nobody could name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
#: Libraries that compute, and hold no socket, file, clock or log.
COMPUTE = frozenset(
    {
        "__future__",
        "array",
        "bisect",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "datetime",
        "enum",
        "functools",
        "hashlib",
        "hmac",
        "inspect",
        "itertools",
        "math",
        "msgspec",
        "numpy",
        "operator",
        "river",
        "statistics",
        "types",
        "typing",
    }
)
#: What one file alone may import, and why.
EXCEPTIONS = {
    # River's detectors keep a generator of their own, seeded: it is stored and restored. They are named in settings.
    "detectors/single/bank.py": {"random", "importlib"},
    "detectors/single/chosen.py": {"random", "importlib"},
    # The compiled steps may not be there.
    "detectors/columns/compiled.py": {"importlib"},
    # A table's memory is given by pages, so that what is never written costs nothing.
    "detectors/columns/table.py": {"mmap"},
    # Names of failures are interned, so that comparing two is cheap.
    "streams/step/rows.py": {"sys"},
    # Numbers and dates as a reader of the language writes them.
    "streams/words.py": {"babel"},
}
#: What asks for the time, for chance, for a file or for a module, by way of what may be imported.
ASKING = (
    *("__import__", "breakpoint", "eval", "exec", "input", "open", "print"),
    *("datetime.date.today", "datetime.datetime.now", "datetime.datetime.today", "datetime.datetime.utcnow"),
    *(
        "hashlib.file_digest",
        "numpy.fromfile",
        "numpy.genfromtxt",
        "numpy.load",
        "numpy.loadtxt",
        "numpy.memmap",
    ),
    *(
        "numpy.random",
        "numpy.save",
        "numpy.savetxt",
        "numpy.savez",
        "sys.modules",
        "sys.stderr",
        "sys.stdout",
    ),
)
DETECTORS = sorted((ROOT / "detectors").rglob("*.py"))
PURE = [*DETECTORS, ROOT / "streams/machine.py", ROOT / "streams/words.py"]
PURE += [
    path
    for path in sorted((ROOT / "streams/step").rglob("*.py"))
    # These two read files.
    if path.name not in ("backtest.py", "asn_countries.py")
]


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Each name that an import binds, and what it stands for."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                bound = alias.name if alias.asname else alias.name.partition(".")[0]
                yield alias.asname or bound, bound
        elif isinstance(node, ast.ImportFrom):
            yield from ((alias.asname or alias.name, f"{node.module}.{alias.name}") for alias in node.names)


def roots(tree: ast.AST) -> set[str]:
    return {whole.partition(".")[0] for _, whole in imported(tree)}


def asked(tree: ast.AST) -> set[str]:
    """What is named of `ASKING`, called or handed on, under whatever name it was imported."""
    bound = dict(imported(tree))
    names = {
        _whole(node, bound)
        for node in ast.walk(tree)
        if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load)
    }
    return {name for name in {*names, *bound.values()} for one in ASKING if f"{name}.".startswith(f"{one}.")}


def _whole(node: ast.expr, bound: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        return bound.get(node.id, node.id)
    # A method of our own, such as `case.open()`, asks for nothing.
    return f"{_whole(node.value, bound)}.{node.attr}" if isinstance(node, ast.Attribute) else "value"


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_decides_imports_what_computes_and_nothing_else(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    ours = {"detectors"} if path in DETECTORS else {"detectors", "producers", "streams"}
    others = roots(tree_of(path)) - COMPUTE - ours - EXCEPTIONS.get(name, set())
    assert not others, (
        f"{name} imports {sorted(others)}: does it compute? Then add it to COMPUTE, with the reason"
    )


@pytest.mark.parametrize("path", PURE, ids=lambda path: str(path.relative_to(ROOT)))
def test_what_decides_asks_for_no_time_no_chance_and_no_file(path: Path) -> None:
    assert not asked(tree_of(path)), (
        f"{path.name} asks the machine: what it needs comes with the log or the settings"
    )


@pytest.mark.parametrize(
    "lines",
    [
        "from datetime import datetime\ndatetime.now(UTC)",
        "from datetime import datetime as moment\nclock = moment.now",
        "import datetime\ndatetime.datetime.now()",
        "from datetime import date\ndate.today()",
        "open('x')",
        "print(1)",
        "__import__('time')",
        "read = eval",
        "import numpy as np\nnp.random.default_rng()",
        "from numpy.random import default_rng",
        "from numpy import random",
        "import numpy\nnumpy.load('x')",
        "import random\nrandom.random()",
        "import importlib\nimportlib.import_module('socket')",
        "def late():\n    from importlib import import_module",
        "from .. import clock",
    ],
)
def test_each_of_these_would_be_seen(lines: str) -> None:
    tree = ast.parse(lines)
    assert asked(tree) or roots(tree) - COMPUTE


def test_a_method_of_our_own_asks_for_nothing() -> None:
    assert not asked(ast.parse("case.open()\nreachability.now\nself.today()\ncases[0].now()"))
