"""What an archiver says about itself on its own /metrics. Knows no broker and no store."""

from __future__ import annotations

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge

#: Every metric, and what it says; docs/history.md has the same.
METRICS: Final = {
    "netdusk_archive_files": "Files that were put.",
    "netdusk_archive_rows": "Rows in them.",
    "netdusk_archive_store_failures": "Turns that ended because the store failed; each was begun again.",
    "netdusk_archive_store_up": "1, or 0 while the archiver waits for a store that has failed.",
    "netdusk_archive_last_put_timestamp_seconds": "When all that had come was in the archive last, since 1970.",
}


class ArchiveMetrics:
    """Counts what was put, and how often the store failed."""

    def __init__(self, registry: CollectorRegistry) -> None:
        names = iter(METRICS.items())
        self._files = Counter(*next(names), registry=registry)
        self._rows = Counter(*next(names), registry=registry)
        self._failures = Counter(*next(names), registry=registry)
        self._up = Gauge(*next(names), registry=registry)
        self._last = Gauge(*next(names), registry=registry)
        self._told = (0, 0)
        self._up.set(1)

    def put(self, files: int, rows: int, now: float) -> None:
        """All that has come is put: `files` and `rows` since the start, at a moment (seconds since 1970)."""
        self._files.inc(files - self._told[0])
        self._rows.inc(rows - self._told[1])
        self._told = (files, rows)
        self._up.set(1)
        self._last.set(now)

    def store_failed(self) -> None:
        """The store has failed, and is waited for."""
        self._failures.inc()
        self._up.set(0)
