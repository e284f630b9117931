"""Draws the diagram of an incident's life from the table of its moves: `python -m tools.diagrams`.

The document holds it between two marks; everything else in it is written by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from detectors.incidents.moves import MOVES, Phase

BEGIN: Final = "<!-- moves: drawn by python -m tools.diagrams -->"
END: Final = "<!-- end of moves -->"
DOCUMENT: Final = Path(__file__).parent.parent / "docs" / "incidents.md"


def diagram() -> str:
    """The moves as Mermaid draws them: the event on each arrow, and what is told of it."""
    lines = ["```mermaid", "stateDiagram-v2", f"  [*] --> {Phase.SUSPECTED}: bad"]
    for (phase, event), step in MOVES.items():
        target = "[*]" if step.phase is Phase.GONE else step.phase.value
        announcement = f" / {step.told}" if step.told is not None else ""
        lines.append(f"  {phase} --> {target}: {event}{announcement}")
    lines.append("```")
    return "\n".join(lines)


def redrawn(text: str) -> str:
    """The document with its diagram as the table has it. Raises ValueError where its marks are missing."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"no diagram's place: the document needs the lines {BEGIN!r} and {END!r}")
    return f"{before}{BEGIN}\n{diagram()}\n{END}{after}"


def main() -> None:
    """Write the diagram into its document."""
    DOCUMENT.write_text(redrawn(DOCUMENT.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main()
