"""The lab's matrix, for people: docs/lab.md between its marks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from tests.lab.censors import CENSORS, Verdict
from tests.lab.country import PACE, WINDOW_SECONDS

PAGE: Final = Path(__file__).parents[2] / "docs/lab.md"
_HEADER: Final = (
    "| what the providers do | told as | mechanism | until told | onset off by | until its end was told | right |",
    "|---|---|---|--:|--:|--:|---|",
)
_BEGIN, _END = "<!-- matrix: make lab -->\n", "<!-- end of the matrix -->"


def told(verdict: Verdict) -> str:
    """One verdict in one line."""
    incident = verdict.incident
    if incident is None or verdict.told_seconds is None:
        return "nothing was told"
    mechanism = incident.mechanism.name if incident.mechanism else "silence"
    over = "not told" if verdict.over_seconds is None else f"{verdict.over_seconds:.0f} s"
    return (
        f"{incident.kind}, {incident.scope}, {mechanism}, told after {verdict.told_seconds:.0f} s, "
        f"end after {over}, onset off by {verdict.onset_off_seconds or 0:.0f} s"
    )


def _not_judged(verdict: Verdict) -> str:
    return (
        f"not judged: {verdict.abroad_failed} of {verdict.abroad} attempts from abroad failed by themselves"
    )


def write(verdicts: Sequence[Verdict]) -> None:
    """Put the verdicts into the page's matrix; rows of other censors stay as they were."""
    text = PAGE.read_text()
    head, rest = text.split(_BEGIN, 1)
    before, tail = rest.split(_END, 1)
    rows = {line.split("|")[1].strip(): line for line in before.splitlines() if line.startswith("| ")}
    rows |= {verdict.censor.name: _row(verdict) for verdict in verdicts}
    rows.pop("what the providers do", None)
    when = (
        f"Times in windows (of {WINDOW_SECONDS} s here, {PACE} times as fast as 60 s); "
        f"last run {datetime.now(UTC):%d %B %Y}.\n\n"
    )
    table = "\n".join([*_HEADER, *(rows[censor.name] for censor in CENSORS if censor.name in rows)])
    PAGE.write_text(f"{head}{_BEGIN}{when}{table}\n{_END}{tail}")


def _row(verdict: Verdict) -> str:
    incident = verdict.incident
    windows = (verdict.told_seconds, verdict.onset_off_seconds, verdict.over_seconds)
    told_, off, over = ("" if seconds is None else f"{seconds / WINDOW_SECONDS:.1f}" for seconds in windows)
    what = f"{incident.kind}, {incident.scope}" if incident else "nothing"
    mechanism = f"`{incident.mechanism.name}`" if incident and incident.mechanism else "none: silence"
    faults = "; ".join(verdict.faults()) if verdict.counts else _not_judged(verdict)
    return f"| {verdict.censor.name} | {what} | {mechanism} | {told_} | {off} | {over} | {faults or 'yes'} |"
