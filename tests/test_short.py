"""A function is short enough to be read at once: what is longer names its steps, each a function of its own."""

import ast
import re
from pathlib import Path

import pytest

_LINES_MAX = 60
_ROOT = Path(__file__).parents[1]
_ROOMS = ("producers", "detectors", "streams", "tools", "benchmarks")
_DEF = re.compile(r"^( *)(?:async )?def ", re.MULTILINE)


def _may_be_long(text: str) -> bool:
    """Whether a function may be too long, by how its lines are indented. To read all files as Python takes a second."""
    for begin in _DEF.finditer(text):
        end = re.compile(rf"^ {{0,{len(begin[1])}}}[\w@#]", re.MULTILINE).search(text, begin.end())
        if text.count("\n", begin.end(), end.start() if end else len(text)) > _LINES_MAX:
            return True
    return False


def _long(text: str) -> dict[str, int]:
    """Lines of the functions that are too long, their docstrings counted and what they are called with not."""
    bodies = {
        node.name: (node.end_lineno or 0) - node.body[0].lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    return {name: lines for name, lines in bodies.items() if lines > _LINES_MAX}


@pytest.mark.parametrize("room", _ROOMS)
def test_no_function_is_long(room: str) -> None:
    texts = {path: path.read_text("utf-8") for path in sorted((_ROOT / room).rglob("*.py"))}
    assert texts
    long = {
        f"{path.relative_to(_ROOT)}: {name}": lines
        for path, text in texts.items()
        if _may_be_long(text)
        for name, lines in _long(text).items()
    }
    assert long == {}


@pytest.mark.parametrize(("lines", "long"), [(60, {}), (61, {"outer": 61})])
def test_a_long_one_would_be_seen(lines: int, long: dict[str, int]) -> None:
    """Also where shorter ones stand within it, and a line of a text at the margin."""
    inner = '    def inner():\n        return """\n<p>\n"""\n'
    text = "class Of:\n    pass\n\n\ndef outer():\n" + inner + "    pass\n" * (lines - 4) + "\n\nAFTER = 1\n"
    assert (_long(text) if _may_be_long(text) else {}) == long
