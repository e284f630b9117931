"""What is imported by a name that is a value: `lint-imports` reads statements, so no contract sees it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("detectors", "monitoring", "producers", "streams", "tools")
#: Who may, and why no contract is broken by it.
BY_NAME = {
    # A class of River's, which the settings name.
    "detectors/single/bank.py",
    "detectors/single/chosen.py",
    # The compiled half of its own folder, which may not be there.
    "detectors/columns/compiled.py",
    # A command's file, when the command is asked for: `streams.cli` stands above all commands.
    "streams/cli.py",
    "tools/reference.py",
    # A prober of `producers.probe`, when a target needs it.
    "streams/local/probing.py",
}
LOADERS = {"__import__", "eval", "exec", "import_module", "run_module", "run_path", "spec_from_file_location"}


def loads(source: str) -> bool:
    """Whether a module may be loaded whose name no import statement has."""
    if not any(loader in source for loader in LOADERS):  # most files; parsing all takes seconds
        return False
    names = {
        name
        for node in ast.walk(ast.parse(source))
        for name in (
            [node.id]
            if isinstance(node, ast.Name)
            else [node.attr]
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name | ast.Attribute)
            else [alias.name for alias in node.names]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    return bool(names & LOADERS)


def test_who_imports_by_a_name_stands_in_the_table() -> None:
    by_name = {
        str(path.relative_to(ROOT))
        for room in ROOMS
        for path in (ROOT / room).rglob("*.py")
        if loads(path.read_text())
    }
    assert by_name == BY_NAME, (
        "an import by name is seen by no contract: write an import statement (in the function, where it must come "
        "late), or add the file to BY_NAME with the reason why no contract is broken"
    )


@pytest.mark.parametrize(
    "source",
    [
        "from importlib import import_module",
        "import importlib\nimportlib.import_module('time')",
        "import importlib as i\nload = i.import_module",
        "__import__('aiokafka')",
        "exec('import time')",
        "import runpy\nrunpy.run_module('tests')",
        "from importlib.util import spec_from_file_location as place",
    ],
)
def test_each_way_is_seen(source: str) -> None:
    assert loads(source)


def test_a_statement_is_no_import_by_name() -> None:
    assert not loads("import importlib.metadata\nfrom importlib.resources import files\nfiles('streams')")
