"""Annotations that close an incident, until the log has come to them.

A worker that goes through a log again knows at once what people wrote about it later. An annotation is heeded only when
its incident is open and the log's clock has come near the moment at which it was written. So a replay closes an
incident about where the first run did.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from streams.records import Annotation, AnnotationKind

#: A desk closes a handful a day; whoever writes more gets no more memory.
_PENDING_MAX: Final = 10_000
#: So far the clock of whoever writes may be ahead of the log's.
_AHEAD_SECONDS: Final = 3600


class PendingClosings:
    """Closings by their incident, each taken once. No part of the state: the topic tells them again after a restart."""

    def __init__(self) -> None:
        self._by_incident: dict[str, Annotation] = {}

    def add(self, annotation: Annotation) -> None:
        """Keep an annotation that closes an incident. A later one of the same incident replaces it."""
        if annotation.kind is not AnnotationKind.CLOSED:
            return
        self._by_incident[annotation.incident] = annotation
        if len(self._by_incident) > _PENDING_MAX:
            del self._by_incident[next(iter(self._by_incident))]

    def take(self, open_incidents: Iterable[str], clock_seconds: float | None) -> list[Annotation]:
        """Those whose incident is open now and whose moment has come; they are forgotten here."""
        if not self._by_incident or clock_seconds is None:
            return []
        due = [
            annotation
            for incident in open_incidents
            if (annotation := self._by_incident.get(incident)) is not None
            and annotation.time.timestamp() <= clock_seconds + _AHEAD_SECONDS
        ]
        for annotation in due:
            del self._by_incident[annotation.incident]
        return sorted(due, key=lambda annotation: annotation.incident)


def closing_reason(annotation: Annotation) -> str:
    """Why an incident was closed, as its record and its sentence say it."""
    return annotation.text.strip().rstrip(".") or "closed by hand"
