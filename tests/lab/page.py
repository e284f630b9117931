"""The lab's matrix, for people: docs/lab.md between its marks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Final

import msgspec
from msgspec import Struct

from tests.lab.censors import CENSORS, Verdict
from tests.lab.country import PACE, WINDOW_SECONDS

PAGE: Final = Path(__file__).parents[2] / "docs/lab.md"
_HEADER: Final = (
    "| what the providers do | told as | mechanism | until told | at most | bar | in time | onset off by "
    "| until its end was told | right |",
    "|---|---|---|--:|--:|--:|---|--:|--:|---|",
)
_BEGIN, _END = "<!-- matrix: make lab -->\n", "<!-- end of the matrix -->"


class Kept(Struct, frozen=True):
    """A verdict as it is kept in a file of results, a line each: times are in windows."""

    censor: str
    bar: int
    pace: int
    day: str
    country: str
    #: Whether it says anything of netdusk.
    counts: bool
    faults: tuple[str, ...]
    #: Kind and scope; nothing where nothing was told.
    what: str
    mechanism: str
    told: float | None
    onset_off: float | None
    over: float | None
    abroad: int
    abroad_failed: int

    @property
    def in_time(self) -> bool:
        """Whether it was told within the median that is asked for its kind."""
        return self.told is not None and self.told <= self.bar


def kept(verdict: Verdict) -> Kept:
    """A verdict as it is kept."""
    incident = verdict.incident
    return Kept(
        verdict.censor.name,
        verdict.censor.bar_windows,
        PACE,
        f"{datetime.now(UTC):%Y-%m-%d}",
        verdict.country,
        verdict.counts,
        tuple(verdict.faults()),
        f"{incident.kind}, {incident.scope}" if incident else "",
        (incident.mechanism.name if incident.mechanism else "silence") if incident else "",
        *(
            None if seconds is None else round(seconds / WINDOW_SECONDS, 2)
            for seconds in (verdict.told_seconds, verdict.onset_off_seconds, verdict.over_seconds)
        ),
        verdict.abroad,
        verdict.abroad_failed,
    )


def read(path: Path) -> list[Kept]:
    """The verdicts of a file of results."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [msgspec.json.decode(line, type=Kept) for line in lines]


def append(path: Path, verdict: Kept) -> None:
    """Add a verdict to a file of results."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab") as file:
        file.write(msgspec.json.encode(verdict) + b"\n")


def line(verdict: Kept) -> str:
    """One verdict in one line."""
    word = "right" if not verdict.faults else "WRONG" if verdict.counts else "void "
    said = "; ".join(verdict.faults) or (
        f"{verdict.what}, {verdict.mechanism}, told after {verdict.told:.1f} windows, "
        f"end after {verdict.over:.1f}, onset off by {verdict.onset_off:.1f}"
    )
    late = "" if verdict.in_time or verdict.faults else f", LATER than {verdict.bar}"
    busy = (
        f" (abroad {verdict.abroad_failed} of {verdict.abroad} failed by themselves)"
        if verdict.abroad_failed
        else ""
    )
    return f"{word}  {verdict.censor}: {said}{late}{busy} ({verdict.country})"


def write(verdicts: Sequence[Kept]) -> None:
    """Put the verdicts into the page's matrix; rows of other censors stay as they were."""
    text = PAGE.read_text()
    head, rest = text.split(_BEGIN, 1)
    before, tail = rest.split(_END, 1)
    rows = {line.split("|")[1].strip(): line for line in before.splitlines() if line.startswith("| ")}
    by_censor: dict[str, list[Kept]] = {}
    for verdict in verdicts:
        by_censor.setdefault(verdict.censor, []).append(verdict)
    rows |= {name: row(runs) for name, runs in by_censor.items()}
    table = "\n".join([*_HEADER, *(rows[censor.name] for censor in CENSORS if censor.name in rows)])
    PAGE.write_text(f"{head}{_BEGIN}{heading(verdicts)}\n\n{table}\n{_END}{tail}")


def heading(verdicts: Sequence[Kept]) -> str:
    """What stands above the matrix: when it was made, at which pace, and how many verdicts it has."""
    windows = " and ".join(f"{60 // pace} s" for pace in sorted({one.pace for one in verdicts}))
    counted = [one for one in verdicts if one.counts]
    right = sum(not one.faults for one in counted)
    day = datetime.strptime(max(one.day for one in verdicts), "%Y-%m-%d").replace(tzinfo=UTC)
    return (
        f"{right} of {len(counted)} verdicts are right, {sum(one.in_time for one in counted)} in time; "
        f"{len(verdicts) - len(counted)} do not count.\nTimes in windows of {windows}, which stand for 60 s; "
        f"last run {day.day} {day:%B %Y}."
    )


def row(runs: Sequence[Kept]) -> str:
    """The matrix's row of one censor, of as many runs as there were.

    It has the times in the middle of those that were right, and says how often it was right; where it was not, it
    shows one that went wrong. Runs that are not judged are counted apart.
    """
    counted = [verdict for verdict in runs if verdict.counts]
    wrong = [verdict for verdict in counted if verdict.faults] or ([] if counted else list(runs))
    shown = wrong[0] if wrong else counted[0]
    alike = [verdict for verdict in counted if not verdict.faults] or wrong
    told, off, over = (
        _middle([getattr(verdict, name) for verdict in alike]) for name in ("told", "onset_off", "over")
    )
    mechanism = {"silence": "none: silence", "": ""}.get(shown.mechanism, f"`{shown.mechanism}`")
    faults = "; ".join(shown.faults) if shown.counts else _not_judged(shown)
    said = ": ".join(filter(None, (f"{len(counted) - len(wrong)} of {len(counted)}", faults)))
    if counted and len(counted) < len(runs):
        said += f" ({len(runs) - len(counted)} not judged: the machine did not keep up)"
    most = max((one.told for one in alike if one.told is not None), default=None)
    in_time = f"{sum(run.in_time for run in counted)} of {len(counted)}"
    return (
        f"| {shown.censor} | {shown.what or 'nothing'} | {mechanism} | {told} | {_middle([most])} | {shown.bar} "
        f"| {in_time} | {off} | {over} | {said} |"
    )


def _not_judged(verdict: Kept) -> str:
    return (
        f"not judged: {verdict.abroad_failed} of {verdict.abroad} attempts from abroad failed by themselves"
    )


def _middle(windows: Sequence[float | None]) -> str:
    """The one in the middle; nothing where there is none."""
    known = [one for one in windows if one is not None]
    # A zero without a sign.
    return f"{round(median(known), 1) + 0.0:.1f}" if known else ""
