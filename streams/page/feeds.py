"""Incidents as feeds: Atom (RFC 4287) and JSON Feed 1.1. An entry changes with each snapshot, and keeps its name."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from streams.page.languages import language
from streams.page.observatory import ShownIncident
from streams.publish.draw import shown
from streams.settings import Settings

ENTRIES_MAX: Final = 50
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def _title(case: ShownIncident, settings: Settings) -> str:
    last = case.last
    marks = ("SIMULATED: " if last.simulated else "") + ("False alarm: " if case.false_alarm else "")
    return marks + language("en").headline(last, settings.incidents)


def _updated(case: ShownIncident) -> datetime:
    return max([case.last.updated, *(note.time for note in case.notes)])


def atom(cases: Sequence[ShownIncident], settings: Settings, url: str, query: str) -> bytes:
    """The newest incidents as an Atom feed; `query` is what they were chosen by, as its address has it."""
    page = settings.page
    own = f"{url}/feed.atom{f'?{query}' if query else ''}"
    newest = max((_updated(case) for case in cases), default=_EPOCH)
    out = [
        '<?xml version="1.0" encoding="utf-8"?>\n<feed xmlns="http://www.w3.org/2005/Atom">',
        f"<id>{shown(own)}</id><title>{shown(page.title)}</title><updated>{_stamp(newest)}</updated>",
        f'<link rel="self" href="{shown(own)}"/>',
        f'<link rel="alternate" type="text/html" href="{shown(url)}/"/>',
        f"<author><name>{shown(page.title)}</name></author>",
    ]
    for case in cases[:ENTRIES_MAX]:
        last = case.last
        own_url = f"{url}/incident/{last.id}"
        out.append(
            f"<entry><id>{shown(own_url)}</id><title>{shown(_title(case, settings))}</title>"
            f"<updated>{_stamp(_updated(case))}</updated><published>{_stamp(last.detected)}</published>"
            f'<link rel="alternate" type="text/html" href="{shown(own_url)}"/>'
            f'<category term="{shown(last.severity)}"/><category term="{shown(last.status)}"/>'
            f"<summary>{shown(last.summary)}</summary></entry>"
        )
    out.append("</feed>\n")
    return "\n".join(out).encode()


def json_feed(cases: Sequence[ShownIncident], settings: Settings, url: str, query: str) -> bytes:
    """Return the incidents as a JSON feed."""
    page = settings.page
    items: list[dict[str, Any]] = [
        {
            "id": f"{url}/incident/{case.last.id}",
            "url": f"{url}/incident/{case.last.id}",
            "title": _title(case, settings),
            "content_text": case.last.summary,
            "image": f"{url}/incident/{case.last.id}.png",
            "date_published": _stamp(case.last.detected),
            "date_modified": _stamp(_updated(case)),
            "tags": [case.last.severity.value, case.last.status.value, *case.last.platforms],
            "_netdusk": {
                "simulated": case.last.simulated,
                "confirmed": case.last.confirmed,
                "false_alarm": case.false_alarm is not None,
                "country": case.last.country,
                "seq": case.last.seq,
            },
        }
        for case in cases[:ENTRIES_MAX]
    ]
    return msgspec.json.encode(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": page.title,
            "home_page_url": f"{url}/",
            "feed_url": f"{url}/feed.json{f'?{query}' if query else ''}",
            "items": items,
        }
    )


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
