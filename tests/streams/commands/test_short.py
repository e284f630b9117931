"""A command says which options there are and names its steps; each step is a function of its own."""

import ast
from pathlib import Path

import pytest

from streams import commands

_LINES_MAX = 60
_COMMANDS = sorted(Path(commands.__path__[0]).glob("*.py"))


@pytest.mark.parametrize("path", _COMMANDS, ids=lambda path: path.stem)
def test_no_function_of_a_command_is_long(path: Path) -> None:
    bodies = {
        node.name: (node.end_lineno or 0) - node.body[0].lineno + 1
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: lines for name, lines in bodies.items() if lines > _LINES_MAX} == {}
