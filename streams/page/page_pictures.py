"""The charts of a page as pictures (PNG), with a heading that says what they show."""

from __future__ import annotations

import textwrap
from datetime import datetime, timedelta
from typing import Final

from producers.names import visible
from streams.page.history import ShelfError, chart_of, step_for
from streams.page.languages import Language, language
from streams.page.site import NotFoundError, Site
from streams.publish.draw import WIDE, svg
from streams.publish.share import png

#: Letters that fit over a picture of a chart, of its title and of the lines below.
_TITLE_LETTERS: Final = 72
_LINE_LETTERS: Final = 140


def country_png(
    site: Site,
    code: str,
    clock: datetime,
    span: tuple[datetime | None, datetime | None, str],
    *,
    asn: int | None = None,
    simulated: bool | None = None,
) -> bytes:
    """What was measured of a country, as its page draws it: `span` is from when to when, and what its lines are.

    Raises `ShelfError` where the archive can't be read, since half a picture would look like a gap; `NotFoundError`
    where nothing was measured.
    """
    lang, (start, end, by) = language("en"), span
    values = site.country(code, lang, clock, start, end, by)
    if site.history.failed:
        raise ShelfError
    begin, until = values["start"], values["end"]
    rows = site.history.rows(code, begin, until, by=by, asn=asn, simulated=simulated)
    if not rows:
        raise NotFoundError(f"{code}: nothing was measured in this time")
    made_up = "SIMULATED: " if rows[0].simulated else ""
    where = values["name"] if asn is None else f"{values['name']}, {site.network(asn)}"
    title = f"{made_up}{where}"
    chart = chart_of(
        rows,
        begin,
        until,
        step_for(begin, until),
        title=title,
        names=site.line_names(by),
        note=lambda own: site.line_note(own, lang),
    )
    head = heading(title, f"{begin:%d %B %Y, %H:%M} to {until:%d %B %Y, %H:%M} UTC", site.settings.page.title)
    return png(svg(chart, WIDE, standalone=True, head=head))


def platform_png(site: Site, name: str, lang: Language) -> bytes:
    """The last day of a platform in all countries. Raises `NotFoundError` where nobody measures it."""
    places = list(site.by_country(name))
    if not places:
        raise NotFoundError(f"{name}: nobody measures this platform here")
    chart = site.platform_chart(name, lang)
    end = max(place[2] for place in places)
    span = f"{end - timedelta(days=1):%d %B %Y, %H:%M} to {end:%d %B %Y, %H:%M} UTC"
    made_up = "SIMULATED: " if any(place[1] for place in places) else ""
    head = heading(f"{made_up}{site.platform(name)}", span, site.settings.page.title)
    return png(svg(chart, WIDE, standalone=True, head=head))


def heading(title: str, span: str, source: str) -> tuple[str, str, str]:
    """What stands over the picture of a chart, each as long as the picture is wide at most.

    >>> heading("Pakistan", "20 January 2024", "netdusk")[2]
    'Share of attempts that succeed. Dashed: what is usual. Red: what is missing of it. Source: netdusk'
    """
    measure = "Share of attempts that succeed. Dashed: what is usual. Red: what is missing of it."
    return (
        textwrap.shorten(visible(title), _TITLE_LETTERS, placeholder=" …"),
        span,
        textwrap.shorten(f"{measure} Source: {visible(source)}", _LINE_LETTERS, placeholder=" …"),
    )
