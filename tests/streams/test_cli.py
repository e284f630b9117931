"""The help of every command: all that was written for it, and nothing that no command here has."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from streams.cli import COMMANDS, app


def commands() -> Iterator[tuple[list[str], Any]]:
    """Every command, and every command of a group, with the words that call it."""
    root: Any = get_command(app)
    for name in COMMANDS:
        command = root.get_command(None, name)
        yield [name], command
        for below, found in getattr(command, "commands", {}).items():
            yield [name, below], found


@pytest.mark.parametrize(
    "words, command", [pytest.param(*found, id=" ".join(found[0])) for found in commands()]
)
def test_each_option_is_told_in_full(words: list[str], command: Any) -> None:
    done = CliRunner().invoke(app, [*words, "--help"], env={"COLUMNS": "300", "TERMINAL_WIDTH": "300"})
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    for parameter in command.params:
        assert " ".join((parameter.help or "").split()) in said, f"write a help for {parameter.name}"
    assert "completion" not in said, "give its typer.Typer `add_completion=False`, as the others do"


def test_help_loads_nothing_that_it_does_not_need() -> None:
    """`netdusk --help` is what people meet first: a tenth of a second, not a third."""
    code = (
        "import sys\n"
        "sys.argv = ['netdusk', '--help']\n"
        "from streams.cli import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    heavy = {'pydantic', 'structlog', 'numpy', 'rich', 'aiokafka', 'msgspec'} & set(sys.modules)\n"
        "    sys.stderr.write(','.join(sorted(heavy)))\n"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stderr == ""
    assert "check-config" in ended.stdout


def test_a_mistyped_command_is_told_what_may_be_meant() -> None:
    near = CliRunner().invoke(app, ["histroy"])
    assert near.exit_code == 2
    assert "No such command 'histroy'. Did you mean 'history'?" in near.output
    far = CliRunner().invoke(app, ["qqqq"])
    assert far.exit_code == 2
    assert "No such command 'qqqq'." in far.output and "mean" not in far.output
