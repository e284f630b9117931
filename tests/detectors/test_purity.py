"""What decides touches nothing: a closed list of what it may import, and no call that asks the machine for anything.

The contracts in pyproject.toml name what is forbidden. Whatever else there is in the world, nobody could name.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
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


@pytest.fixture(scope="module")
def trees() -> Mapping[Path, ast.Module]:
    return {path: ast.parse(path.read_text()) for path in PURE}


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
    asking = tuple(f"{one}." for one in ASKING)
    return {name for name in {*names, *bound.values()} if f"{name}.".startswith(asking)}


def _whole(node: ast.expr, bound: Mapping[str, str]) -> str:
    if isinstance(node, ast.Name):
        return bound.get(node.id, node.id)
    # A method of our own, such as `case.open()`, asks for nothing.
    return f"{_whole(node.value, bound)}.{node.attr}" if isinstance(node, ast.Attribute) else "value"


def strangers(path: Path, tree: ast.Module) -> set[str]:
    """What a file imports beyond what it may."""
    ours = {"detectors"} if path in DETECTORS else {"detectors", "producers", "streams"}
    return roots(tree) - COMPUTE - ours - EXCEPTIONS.get(str(path.relative_to(ROOT)), set())


def test_what_decides_imports_what_computes_and_nothing_else(trees: Mapping[Path, ast.Module]) -> None:
    others = {
        str(path.relative_to(ROOT)): sorted(found)
        for path, tree in trees.items()
        if (found := strangers(path, tree))
    }
    assert others == {}, "does it compute? Then add it to COMPUTE, with the reason"


def test_what_decides_asks_for_no_time_no_chance_and_no_file(trees: Mapping[Path, ast.Module]) -> None:
    asking = {
        str(path.relative_to(ROOT)): sorted(names) for path, tree in trees.items() if (names := asked(tree))
    }
    assert asking == {}, "these ask the machine: what they need comes with the log or the settings"


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
