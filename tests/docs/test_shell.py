"""What is taken for a command, and for the same answer: small pages made up here."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.shell import Said, Shell, Step, agrees, steps

PAGE = """
```console
$ first   # with words
it says
  this
$ second \\
    goes on
```
```toml
third = "no command"
```
1. Indented.
   ```
   fourth 'over
   two lines'
   fifth |
     sixth
   ```
"""


def test_every_command_is_found_with_its_answer() -> None:
    assert list(steps(PAGE)) == [
        Step(3, "first   # with words", "it says\n  this"),
        Step(6, "second \\\n    goes on"),
        Step(14, "fourth 'over\ntwo lines'"),
        Step(16, "fifth |\n  sixth"),
    ]


@pytest.mark.parametrize(
    ("shown", "said", "figures_differ", "same"),
    [
        ("a  b", "a b\n", False, True),
        ("a b", "a c\n", False, False),
        ("a b", "a b\nmore\n", False, False),
        ("a b\nmore", "a b\n", False, False),
        ("took 12 ms", "took 9.5 ms", False, False),
        ("took 12 ms", "took 9.5 ms", True, True),
        ("took 12 ms", "took no ms", True, False),
        ("a …\nlast", "a b c\nlast", False, True),
        ("a …\nlast", "a\nlast", False, False),
        ("a\n…\nlast", "a\nb\nc\nlast", False, True),
        ("a\n…", "a\nb", False, True),
        ("a\n…\nlast", "a\nb\nc", False, False),
    ],
)
def test_answers_agree_but_for_what_is_left_open(
    shown: str, said: str, figures_differ: bool, same: bool
) -> None:
    assert agrees(shown, said, figures_differ=figures_differ) is same


@pytest.mark.integration
def test_a_shell_keeps_what_is_exported_and_ends_what_runs(tmp_path: Path) -> None:
    shell = Shell(tmp_path, {"PATH": "/usr/bin:/bin"})
    assert shell.run("export WORD=kept; false | true") == Said(1, "")
    assert shell.run('echo "$WORD"') == Said(0, "kept\n")
    assert shell.start("bash -c 'echo up; sleep 60'", "up").text == "up\n"
    assert [said.code for _, said in shell.stop()] == [241]  # SIGTERM, as a shell says it
    assert shell.start("bash -c 'echo down; exit 3'", "up") == Said(3, "down\n")
