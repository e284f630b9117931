"""The lab's matrix, for people: docs/lab.md between its marks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

from tests.lab.censors import CENSORS, Verdict
from tests.lab.country import PACE, WINDOW_SECONDS

PAGE: Final = Path(__file__).parents[2] / "docs/lab.md"
_HEADER: Final = (
    "| what the providers do | told as | mechanism | until told | at most | bar | in time | onset off by "
    "| until its end was told | right |",
    "|---|---|---|--:|--:|--:|---|--:|--:|---|",
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
    """Put the verdicts into the page's matrix; rows of other censors stay as they were.

    Of several runs a censor's row has the times in the middle of those that were right, and says how often it was
    right; where it was not, it shows one that went wrong. Runs that are not judged are counted apart.
    """
    text = PAGE.read_text()
    head, rest = text.split(_BEGIN, 1)
    before, tail = rest.split(_END, 1)
    rows = {line.split("|")[1].strip(): line for line in before.splitlines() if line.startswith("| ")}
    by_censor: dict[str, list[Verdict]] = {}
    for verdict in verdicts:
        by_censor.setdefault(verdict.censor.name, []).append(verdict)
    rows |= {name: row(runs) for name, runs in by_censor.items()}
    rows.pop("what the providers do", None)
    when = (
        f"Times in windows (of {WINDOW_SECONDS} s here, {PACE} times as fast as 60 s); "
        f"last run {datetime.now(UTC):%d %B %Y}.\n\n"
    )
    table = "\n".join([*_HEADER, *(rows[censor.name] for censor in CENSORS if censor.name in rows)])
    PAGE.write_text(f"{head}{_BEGIN}{when}{table}\n{_END}{tail}")


def row(runs: Sequence[Verdict]) -> str:
    """The matrix's row of one censor, of as many runs as there were."""
    counted = [verdict for verdict in runs if verdict.counts]
    wrong = [verdict for verdict in counted if verdict.faults()] or ([] if counted else list(runs))
    shown = wrong[0] if wrong else counted[0]
    incident = shown.incident
    alike = [verdict for verdict in counted if not verdict.faults()] or wrong
    told_, off, over = (
        _windows([getattr(verdict, name) for verdict in alike])
        for name in ("told_seconds", "onset_off_seconds", "over_seconds")
    )
    what = f"{incident.kind}, {incident.scope}" if incident else "nothing"
    mechanism = f"`{incident.mechanism.name}`" if incident and incident.mechanism else "none: silence"
    faults = "; ".join(shown.faults()) if shown.counts else _not_judged(shown)
    right = f"{len(counted) - len(wrong)} of {len(counted)}" if len(counted) > 1 else ""
    said = ": ".join(filter(None, (right, faults))) or "yes"
    if counted and len(counted) < len(runs):
        said += f" ({len(runs) - len(counted)} not judged: the machine did not keep up)"
    most = _windows([max((one.told_seconds for one in alike if one.told_seconds is not None), default=None)])
    in_time = f"{sum(run.in_time for run in counted)} of {len(counted)}"
    return (
        f"| {shown.censor.name} | {what} | {mechanism} | {told_} | {most} | {shown.censor.bar_windows} "
        f"| {in_time} | {off} | {over} | {said} |"
    )


def _windows(seconds: Sequence[float | None]) -> str:
    """The one in the middle, in windows; nothing where there is none."""
    known = [one / WINDOW_SECONDS for one in seconds if one is not None]
    return f"{median(known):.1f}" if known else ""
