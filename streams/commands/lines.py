"""How a command speaks to people: as wide as the terminal; in a pipe, which has no width, every line whole."""

from __future__ import annotations

from typing import Final

from rich.console import Console
from rich.table import Table

_WHOLE: Final = 100_000


def console(*, stderr: bool = False) -> Console:
    """Return where to print. Brackets are brackets: names come from records and from people."""
    made = Console(stderr=stderr, markup=False)
    if not made.is_terminal:
        made.width = _WHOLE
    return made


def show_table(table: Table) -> None:
    """Print a table."""
    console().print(table)
