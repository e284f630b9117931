"""The archive as the page asks it: what it says of a span is remembered for a while, for files don't change often.

It may stand on another machine, which fails or hangs. Nobody waits for it for long, and after a failure it is left
alone for a while: what is in memory is shown all the same.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

import structlog

from streams.archive.reader import Archive, By
from streams.archive.store import Store
from streams.page.history import ShelfError
from streams.records import Annotation, Incident

log = structlog.get_logger()

_SECONDS: Final = 60.0
_KEPT_MAX: Final = 200
#: Somebody waits so long for an answer, and after a failure nobody asks for so long.
_ANSWER_SECONDS: Final = 8.0
_REST_SECONDS: Final = 30.0
T = TypeVar("T")


class ArchiveShelf:
    """An archive behind a small memory.

    Parameters
    ----------
    clock
        Seconds that only go on.
    """

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.archive = Archive(store)
        self._clock = clock
        self._rests_until = 0.0
        self._hanging: threading.Thread | None = None
        self._kept: OrderedDict[Any, tuple[float, Any]] = OrderedDict()

    def _remembered(self, key: Any, ask: Any) -> Any:
        now = self._clock()
        kept = self._kept.get(key)
        if kept is not None and now - kept[0] < _SECONDS:
            return kept[1]
        answer = self._asked(ask)
        self._kept[key] = (now, answer)
        while len(self._kept) > _KEPT_MAX:
            self._kept.popitem(last=False)
        return answer

    def _asked(self, ask: Callable[[], T]) -> T:
        """Ask the archive, for a while. Raises ShelfError."""
        if self._clock() < self._rests_until or (self._hanging is not None and self._hanging.is_alive()):
            raise ShelfError
        answers: list[T] = []
        errors: list[BaseException] = []

        def work() -> None:
            try:
                answers.append(ask())
            except Exception as error:
                errors.append(error)

        thread = threading.Thread(target=work, name="archive", daemon=True)
        thread.start()
        thread.join(_ANSWER_SECONDS)
        if answers:
            return answers[0]
        self._hanging = thread
        self._rests_until = self._clock() + _REST_SECONDS
        why = str(errors[0]) if errors else f"no answer within {_ANSWER_SECONDS:.0f} s"
        log.error("the archive can't be read; what is in memory is shown", why=why[:300])
        raise ShelfError from (errors[0] if errors else None)

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

    def has_holes(self, country: str) -> bool:
        """Whether a file of a country was broken."""
        return any(f"/country={country}/" in path for path in self.archive.broken)

    def incidents(self) -> list[Incident]:
        """Every snapshot that is kept."""
        return self.archive.incidents()

    def annotations(self) -> list[Annotation]:
        """Every annotation that is kept."""
        return self.archive.annotations()
