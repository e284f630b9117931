"""The commands of a page, a shell that runs them one after the other, and what holds its answers against the page's.

Knows no page, and no command.
"""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

SHELLS: Final = ("console", "sh", "bash", "")
#: A command whose comment says so shows figures of one machine or one day: any other figure agrees with them.
FIGURES_DIFFER: Final = re.compile(r"# .*\bfigures differ\b")
#: In what is shown, stands for anything within a line; on a line of its own, for any lines.
ANYTHING: Final = "…"

# Fences, in their order: what is between two of them is no block.
_FENCED: Final = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_HELD: Final = (sys.executable, "-m", "streams.local.child", "SIGTERM")
_FIGURE: Final = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass(frozen=True)
class Step:
    """A command of a page, as printed, and what the page shows as its answer (None: nothing is shown)."""

    line: int
    command: str
    shown: str | None = None


def steps(text: str) -> Iterator[Step]:
    """Every command in the blocks for a shell: continued lines, open quotes and open pipes as one.

    Where a block has prompts, lines without one are what is answered.
    """
    for block in _FENCED.finditer(text):
        indent, language, body = block.groups()
        if language not in SHELLS:
            continue
        first = text[: block.start(3)].count("\n") + 1
        yield from _steps_of([line.removeprefix(indent) for line in body.splitlines()], first)


def _steps_of(lines: list[str], first: int) -> Iterator[Step]:
    prompts = any(line.startswith("$ ") for line in lines)
    command: list[str] = []
    shown: list[str] = []
    began = first

    def done() -> Iterator[Step]:
        if command:
            yield Step(began, "\n".join(command), "\n".join(shown) if shown else None)

    for number, line in enumerate(lines, first):
        if command and is_open("\n".join(command)):
            command.append(line)
        elif not prompts or line.startswith("$ "):
            yield from done()
            command, shown, began = [line.removeprefix("$ ")] if line.strip() else [], [], number
        else:
            assert command, f"line {number}: an answer before any command"
            shown.append(line)
    assert not command or not is_open("\n".join(command)), command
    yield from done()


def is_open(command: str) -> bool:
    """Whether a shell would wait for another line."""
    lexer = shlex.shlex(command, posix=True)
    lexer.whitespace_split = True
    try:
        words = list(lexer)
    except ValueError:
        return True
    return command.endswith("\\") or bool(words and words[-1] in ("|", "||", "&&"))


def agrees(shown: str, said: str, *, figures_differ: bool = False) -> bool:
    """Whether what a command said is what a page shows, but for the width of gaps and what the page leaves open."""
    pattern = ""
    for line in _plain(shown).splitlines():
        if line == ANYTHING:
            pattern += r"(?:.*\n)*"
            continue
        parts = [_words(part, figures_differ) for part in line.split(ANYTHING)]
        pattern += ".*".join(parts) + r"\n"
    return re.fullmatch(pattern, _plain(said)) is not None


def _words(text: str, figures_differ: bool) -> str:
    if not figures_differ:
        return re.escape(text)
    return _FIGURE.pattern.join(re.escape(part) for part in re.split(_FIGURE, text))


def _plain(text: str) -> str:
    lines = (" ".join(line.split()) for line in text.splitlines())
    return "".join(f"{line}\n" for line in lines if line)


@dataclass(frozen=True)
class Said:
    """How a command ended, and all that it said."""

    code: int
    text: str


class Shell:
    """A shell in a folder. What is exported stays for the next command; what was started in the background runs on."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self.folder = folder
        self._environment = dict(environment)
        self._state = folder / ".exported"
        self._running: list[tuple[str, subprocess.Popen[bytes], Path]] = []

    def run(self, command: str, *, seconds: float = 240) -> Said:
        """Run it to its end."""
        script = (
            f"{self._before()}{command}\ncode=$?\nexport -p > {shlex.quote(str(self._state))}\nexit $code\n"
        )
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", script],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=seconds,
        )
        return Said(done.returncode, done.stdout)

    def start(self, command: str, until: str, *, seconds: float = 120) -> Said:
        """Start what runs until it is stopped; returns when it has said `until`, or has ended."""
        log = self.folder / f".said-{len(self._running)}"
        with log.open("wb") as output:
            process = subprocess.Popen(
                # It ends with the tests, whoever ends them.
                [*_HELD, "bash", "-c", f"{self._before()}exec {command}\n"],
                cwd=self.folder,
                env=self._environment,
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._running.append((command, process, log))
        end = time.monotonic() + seconds
        while process.poll() is None and time.monotonic() < end:
            if re.search(until, log.read_text(errors="replace")):
                return Said(0, log.read_text(errors="replace"))
            time.sleep(0.05)
        return Said(process.poll() or -1, log.read_text(errors="replace"))

    def stop(self, *, seconds: float = 30) -> Iterator[tuple[str, Said]]:
        """End in order what runs still; yields each command with how it ended."""
        while self._running:
            command, process, log = self._running.pop()
            if process.poll() is None:
                process.terminate()
            try:
                code = process.wait(seconds)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                code = process.wait()
            assert process.stdin is not None
            process.stdin.close()
            yield command, Said(code, log.read_text(errors="replace"))

    def _before(self) -> str:
        return f". {shlex.quote(str(self._state))}\n" if self._state.exists() else ""
