"""A person's word on an incident, from the form of its page."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from streams.page.api import QueryError
from streams.publish.pages import link_words
from streams.records import Annotation, AnnotationKind, check_note


def note_of(form: Mapping[str, Any], incident: str, time: datetime) -> Annotation:
    """The note that a form asks to be written. Raises `QueryError`, or ValueError for what no person would write."""
    kind = str(form.get("kind", ""))
    if kind not in {one.value for one in AnnotationKind} - {AnnotationKind.CLOSED.value}:
        raise QueryError(f"kind = {kind[:40]!r}: choose cause, link or false_alarm")
    url = str(form.get("url", "")).strip() or None
    note = Annotation(
        id=uuid4().hex,
        incident=incident,
        time=time,
        author=str(form.get("author", "")).strip(),
        kind=AnnotationKind(kind),
        text=str(form.get("text", "")).replace("\r\n", "\n").strip(),
        url=url,
    )
    if not note.author:
        raise QueryError("author: say who writes")
    check_note(note)
    if url is not None and link_words(url) is None:
        raise QueryError(f"url = {url[:40]!r}: an address like https://news.example/story")
    return note
