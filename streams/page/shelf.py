"""The archive as the page asks it: what it says of a span is remembered for a while, for files don't change often."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from streams.archive.reader import Archive, By
from streams.archive.store import Store
from streams.records import Annotation, Incident

_SECONDS: Final = 60.0
_KEPT_MAX: Final = 200


class ArchiveShelf:
    """An archive behind a small memory."""

    def __init__(self, store: Store) -> None:
        self.archive = Archive(store)
        self._kept: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def _remembered(self, key: Any, ask: Any) -> Any:
        now = time.monotonic()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < _SECONDS:
            return kept[1]
        answer = ask()
        self._kept[key] = (now, answer)
        while len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)
        return answer

    def bounds(self, country: str) -> tuple[datetime, datetime] | None:
        """From the first day to the end of the last one; None where there is none."""

        def ask() -> tuple[datetime, datetime] | None:
            days = self.archive.days(country)
            if not days:
                return None
            first, last = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (days[0], days[-1]))
            return first, last + timedelta(days=1)

        span: tuple[datetime, datetime] | None = self._remembered(("bounds", country), ask)
        return span

    def series(self, country: str, start: datetime, end: datetime, **how: Any) -> Sequence[Any]:
        """Rows of a series; `by` is `platform`, `network`, `region` or `all`."""
        by = how.pop("by", "platform")
        if by == "all":
            by = "platform"
        key = (country, start, end, by, tuple(sorted(how.items())))
        rows: Sequence[Any] = self._remembered(
            key, lambda: self.archive.series(country, start, end, by=By(by), **how)
        )
        return rows

    def incidents(self) -> list[Incident]:
        """Every snapshot that is kept."""
        return self.archive.incidents()

    def annotations(self) -> list[Annotation]:
        """Every annotation that is kept."""
        return self.archive.annotations()
