"""Records a command in a terminal as a moving picture: `python -m tools.recording PICTURE.svg COMMAND ...`.

What stands in the picture is what the command wrote, as far as it fits a terminal. It plays faster than the command
ran, and says how much. Whoever has asked for less motion sees its last state.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Final, NamedTuple

from rich.style import Style
from rich.terminal_theme import DIMMED_MONOKAI
from rich.text import Text

COLUMNS, ROWS = 100, 32
#: Seconds of the command that one state of the picture stands for, and seconds for which it is shown.
EVERY: Final = 2.0
SHOWN: Final = 0.5
#: The last state is shown for as long as so many.
LAST: Final = 12
WIDE, HIGH, MARGIN = 7.8, 17.0, 14.0
_CONTROL: Final = re.compile(r"\x1b\[(\d*)([AK])|\x1b\[\?\d+[hl]|[\r\n]")


class Chunk(NamedTuple):
    """What came from a command, and when, in seconds since it began."""

    at: float
    text: str


class State(NamedTuple):
    """What stood in the terminal from some second on: its lines, with their colours' codes."""

    at: float
    lines: tuple[str, ...]


class Screen:
    """As much of a terminal as Rich asks of one: lines, up, erase.

    >>> screen = Screen()
    >>> screen.feed("one\\r\\ntwo\\r\\x1b[2K\\x1b[1A\\x1b[2Kthree")
    >>> screen.lines
    ['three', '']
    """

    def __init__(self) -> None:
        self.lines = [""]
        self._row = 0

    def feed(self, text: str) -> None:
        """Take in what a command wrote."""
        place = 0
        for control in _CONTROL.finditer(text):
            self._put(text[place : control.start()])
            place = control.end()
            if control.group(0) == "\n":
                self._row += 1
                if self._row == len(self.lines):
                    self.lines.append("")
            elif control.group(2) == "A":
                self._row = max(0, self._row - int(control.group(1) or 1))
            elif control.group(2) == "K":
                self.lines[self._row] = ""
        self._put(text[place:])

    def _put(self, text: str) -> None:
        self.lines[self._row] += text


def record(command: Sequence[str]) -> list[Chunk]:
    """Run a command in a terminal of its own. Raises CalledProcessError where it fails."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
    began = time.monotonic()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS)}
    chunks = []
    with subprocess.Popen(  # noqa: S603  whoever calls this names the command
        command, stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs, env=environment
    ) as running:
        os.close(theirs)
        while True:
            try:
                read = os.read(ours, 1 << 16)
            except OSError:  # the other end is closed
                break
            if not read:
                break
            chunks.append(Chunk(time.monotonic() - began, read.decode("utf-8", "replace")))
    os.close(ours)
    if running.returncode:
        raise subprocess.CalledProcessError(running.returncode, command)
    return chunks


def states(chunks: Iterable[Chunk], every: float = EVERY) -> Iterator[State]:
    """What stood in the terminal at the end of each so many seconds, where something has changed; and at last."""
    screen, begins = Screen(), 0.0
    shown: tuple[str, ...] = ()
    for chunk in chunks:
        if chunk.at >= begins + every:
            if (lines := _seen(screen.lines)) != shown:
                yield State(begins, lines)
                shown = lines
            begins = chunk.at - chunk.at % every
        screen.feed(chunk.text)
    if (lines := _seen(screen.lines)) != shown:
        yield State(begins, lines)


def _seen(lines: Sequence[str]) -> tuple[str, ...]:
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    return tuple(lines[-ROWS:])


def picture(shown: Sequence[State], command: str, seconds: float) -> str:
    """Draw the states as one SVG that plays them in turn, for ever. Raises ValueError where there is none."""
    if not shown:
        raise ValueError(f"{command} wrote nothing")
    rows = max(len(state.lines) for state in shown)
    width, height = COLUMNS * WIDE + 2 * MARGIN, (rows + 2) * HIGH + 2 * MARGIN
    numbers: dict[str, int] = {}
    drawn = []
    for number, state in enumerate(shown):
        uses = [
            f'<use href="#l{numbers.setdefault(line, len(numbers))}" y="{(row + 2) * HIGH:.0f}"/>'
            for row, line in enumerate(state.lines)
            if line.strip()
        ]
        drawn.append(f'<g transform="translate(0 {number * height:.0f})">{"".join(uses)}</g>')
    length = len(shown) + LAST
    moves = [
        f"{100 * number / length:.3f}%{{transform:translateY({-number * height:.0f}px)}}"
        for number in range(len(shown))
    ]
    last = f"translateY({-(len(shown) - 1) * height:.0f}px)"
    faster = seconds / (len(shown) * SHOWN)
    head = f"$ {command}   ({seconds:.0f} s, played {faster:.0f} times as fast)"
    lines = "".join(f'<g id="l{number}">{_line(line)}</g>' for line, number in numbers.items())
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" role="img" '
        f'aria-label="Recording of {escape(command)}" font-size="13" '
        f'font-family="ui-monospace, SFMono-Regular, Menlo, DejaVu Sans Mono, monospace">\n'
        f"<style>text{{white-space:pre}}.p{{animation:p {length * SHOWN:.1f}s step-end infinite}}"
        f"@keyframes p{{{''.join(moves)}100%{{transform:{last}}}}}"
        f"@media (prefers-reduced-motion:reduce){{.p{{animation:none;transform:{last}}}}}</style>\n"
        f"<defs>{lines}</defs>\n"
        f'<rect width="100%" height="100%" rx="8" fill="#14171c"/>\n'
        f'<svg x="{MARGIN:.0f}" y="{MARGIN:.0f}" width="{width - 2 * MARGIN:.0f}" '
        f'height="{height - 2 * MARGIN:.0f}"><text y="{HIGH - 5:.0f}" fill="#9aa3b2">{escape(head)}</text>'
        f'<g class="p">{"".join(drawn)}</g>'
        f"</svg>\n</svg>\n"
    )


def _line(line: str) -> str:
    """One line as SVG: each stretch of one style where its columns are."""
    text = Text.from_ansi(line)
    parts = []
    for begin, words, style in _stretches(text):
        ink, ground = _colours(style)
        if ground is not None:
            parts.append(
                f'<rect x="{begin * WIDE:.1f}" y="0" width="{len(words) * WIDE:.1f}" height="{HIGH}" fill="{ground}"/>'
            )
        if words := words.rstrip():
            bold = ' font-weight="700"' if style.bold else ""
            parts.append(
                f'<text x="{begin * WIDE:.1f}" y="{HIGH - 5:.0f}" textLength="{len(words) * WIDE:.1f}" '
                f'fill="{ink}"{bold}>{escape(words)}</text>'
            )
    return "".join(parts)


def _stretches(text: Text) -> Iterator[tuple[int, str, Style]]:
    """The stretches of one style: where each begins, its words and the style."""
    bounds = sorted({0, len(text), *(span.start for span in text.spans), *(span.end for span in text.spans)})
    for begin, end in pairwise(bounds):
        styles = [span.style for span in text.spans if span.start <= begin and end <= span.end]
        yield (
            begin,
            text.plain[begin:end],
            Style.combine([Style(), *(one for one in styles if isinstance(one, Style))]),
        )


def _colours(style: Style) -> tuple[str, str | None]:
    theme = DIMMED_MONOKAI
    ink = style.color.get_truecolor(theme).hex if style.color is not None else "#e6e9ef"
    ground = style.bgcolor.get_truecolor(theme).hex if style.bgcolor is not None else None
    if style.dim and style.color is None:
        ink = "#9aa3b2"
    return ink, ground


def main(target: str, *command: str) -> None:
    """Record the command, and write its picture."""
    chunks = record(command)
    shown = " ".join([Path(command[0]).name, *command[1:]])
    Path(target).write_text(picture(list(states(chunks)), shown, chunks[-1].at if chunks else 0.0), "utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
