"""A country's lines over any span: the last day from memory, everything before from the archive, where there is one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol, TypeVar

from streams.page.recent import STEP, Recent, RecentRow
from streams.publish.draw import ENGLISH, Chart, Line, Shade, Speech

_STEPS: Final = (300, 900, 1800, 3600, 10_800, 21_600, 86_400)
_STEPS_MAX: Final = 300
T = TypeVar("T")
#: No more is asked of the archive at once.
SPAN_MAX: Final = timedelta(days=400)


class ShelfError(Exception):
    """The archive can't be read now."""


class Shelf(Protocol):
    """What is asked of an archive: `streams.archive.reader.Archive`, behind its own clock and limits.

    Raises ShelfError where it can't be read.
    """

    def series(self, country: str, start: datetime, end: datetime, **how: Any) -> Sequence[Any]:
        """Rows of a series, as `Archive.series` gives them."""
        ...

    def bounds(self, country: str) -> tuple[datetime, datetime] | None:
        """From when to when there is something of a country; None where there is nothing."""
        ...

    def has_holes(self, country: str) -> bool:
        """Whether a file of a country was broken, so that what it held is missing."""
        ...


def step_for(start: datetime, end: datetime) -> int:
    """The finest step of which a span has no more than can be told apart."""
    length = (end - start).total_seconds()
    return next((step for step in _STEPS if length / step <= _STEPS_MAX), _STEPS[-1])


class History:
    """Where lines come from.

    Attributes
    ----------
    failed
        Whether the archive could not be read since this was last set to False: then something may be missing.
    holes
        Likewise, whether a file of it was broken.
    """

    def __init__(self, recent: Recent, shelf: Shelf | None) -> None:
        self.recent = recent
        self.shelf = shelf
        self.failed = False
        self.holes = False

    def begin(self) -> None:
        """Forget what was missing before: a page or an answer is begun."""
        self.failed = self.holes = False

    def bounds(self, country: str) -> tuple[datetime, datetime] | None:
        """From when to when there is something of a country."""
        spans = [span for span in (self.recent.span(country, self.recent.simulated(country)),) if span]
        if self.shelf is not None:
            kept = self._asked(lambda shelf: shelf.bounds(country))
            spans += [kept] if kept is not None else []
        if not spans:
            return None
        return min(span[0] for span in spans), max(span[1] for span in spans)

    def _asked(self, ask: Callable[[Shelf], T]) -> T | None:
        """What the archive says, or None where it can't be read."""
        assert self.shelf is not None
        try:
            return ask(self.shelf)
        except ShelfError:
            self.failed = True
            return None

    def rows(
        self,
        country: str,
        start: datetime,
        end: datetime,
        *,
        by: str = "platform",
        simulated: bool | None = None,
        platform: str | None = None,
        asn: int | None = None,
        step: int | None = None,
    ) -> list[RecentRow]:
        """The rows of a span, each step once: from the archive up to where memory begins."""
        recent = self.recent.simulated(country) if simulated is None else simulated
        step = max(STEP, step or step_for(start, end))
        step -= step % STEP
        span = self.recent.span(country, recent)
        if span is not None:
            simulated = recent  # where memory knows nothing, the archive says whether there are real results
        begin = end if span is None else _ceil(span[0], step)
        rows: list[RecentRow] = []
        if self.shelf is not None and start < begin:
            kept = self._asked(
                lambda shelf: shelf.series(
                    country,
                    start,
                    min(begin, end),
                    by=by,
                    step=step,
                    platform=platform,
                    asn=asn,
                    simulated=simulated,
                )
            )
            self.holes = self.holes or self.shelf.has_holes(country)
            rows += [
                RecentRow(**{name: getattr(row, name) for name in RecentRow.__struct_fields__})
                for row in kept or ()
            ]
        if begin < end or (self.shelf is None and span is not None):
            platforms = None if platform is None else [platform]
            first = start if self.shelf is None else max(start, begin)
            rows += self.recent.series(
                country, recent, first, end, by=by, platforms=platforms, asn=asn, step=step
            )
        return rows


def _ceil(moment: datetime, step: int) -> datetime:
    return datetime.fromtimestamp(-(-int(moment.timestamp()) // step) * step, UTC)


def chart_of(
    rows: Sequence[RecentRow],
    start: datetime,
    end: datetime,
    step: int,
    *,
    title: str,
    names: Any,
    note: Any,
    order: Sequence[str] = (),
    links: Any = None,
    shades: Sequence[Shade] = (),
    bad: frozenset[str] = frozenset(),
    offset: timedelta = timedelta(0),
    speech: Speech = ENGLISH,
) -> Chart:
    """Rows as a chart: a line a name, a gap where nothing was measured."""
    first = int(start.timestamp()) // step
    many = max(1, -(-int(end.timestamp()) // step) - first)
    lines: dict[str, tuple[list[float | None], list[float | None], list[float | None], list[RecentRow]]] = {}
    for row in rows:
        line = lines.setdefault(row.name, ([None] * many, [None] * many, [None] * many, []))
        place = int(row.time.timestamp()) // step - first
        if 0 <= place < many:
            line[0][place], line[1][place] = row.reachability, row.expected
            line[2][place] = row.expected_error
            line[3].append(row)
    known = [name for name in order if name in lines]
    return Chart(
        datetime.fromtimestamp(first * step, UTC),
        step,
        [
            Line(
                names(name),
                lines[name][0],
                lines[name][1],
                note(lines[name][3]),
                name in bad,
                None if links is None else links(name),
                lines[name][2],
            )
            for name in [*known, *(name for name in sorted(lines) if name not in known)]
        ],
        title,
        list(shades),
        offset,
        speech=speech,
    )
