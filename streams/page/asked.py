"""What is asked for, read from a request: its language, times, filters, and the form of the answer."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode

from aiohttp import web

from producers.countries import COUNTRIES
from streams.page.api import QueryError, moment
from streams.page.languages import LANGUAGES, Language, language
from streams.records import Kind, Severity

#: Forms of an answer by their media types, the one that is wanted where nothing is said first.
FORMS: Final = {
    "json": "application/json",
    "csv": "text/csv",
    "parquet": "application/vnd.apache.parquet",
}
_ACCEPT_MAX: Final = 1000


def form_of(request: web.Request) -> str:
    """The form that the Accept of a request likes best."""
    return form_by(request.headers.get("Accept", "")[:_ACCEPT_MAX])


@lru_cache(maxsize=256)
def form_by(header: str) -> str:
    """The form that an Accept likes best (RFC 9110, 12.5.1); JSON where it says nothing of any of them.

    >>> [form_by(text) for text in ("", "*/*", "text/html", "text/csv;q=0", "text/csv, */*;q=0.1", "text/*")]
    ['json', 'json', 'json', 'json', 'csv', 'csv']
    """
    weights = {}
    for part in header.lower().split(","):
        name, _, more = part.partition(";")
        number = re.fullmatch(r"\s*q=([01](?:\.\d*)?)\s*", more.rpartition(";")[2] or "q=1")
        weights[name.strip()] = float(number[1]) if number else 1.0
    liked = {
        form: weights.get(kind, weights.get(f"{kind.partition('/')[0]}/*", weights.get("*/*", 0.0)))
        for form, kind in FORMS.items()
    }
    return max(liked, key=lambda form: liked[form])  # of equals the first


@lru_cache(maxsize=256)
def takes_gzip(header: str) -> bool:
    """Whether an Accept-Encoding allows gzip (RFC 9110, 12.5.3).

    >>> takes_gzip("br, gzip"), takes_gzip("gzip;q=0"), takes_gzip("*;q=0.5"), takes_gzip("br")
    (True, False, True, False)
    """
    weights = {}
    for part in header.lower().split(","):
        name, _, weight = part.partition(";")
        number = weight.strip().removeprefix("q=")
        weights[name.strip()] = not re.fullmatch(r"0(\.0*)?", number)
    return weights.get("gzip", weights.get("x-gzip", weights.get("*", False)))


#: What pages, pictures and feeds are asked by. Anything else in an address changes nothing of them.
_ASKED_BY: Final = frozenset(
    "lang from to by asn country platform status severity kind page simulated".split()
)


def query_of(request: web.Request) -> str:
    """What is asked for, in one order, without what nothing depends on."""
    return urlencode(
        sorted((name, text) for name, text in request.query.items() if name in _ASKED_BY and text)
    )


def key_of(kind: str, request: web.Request) -> str:
    """What an answer is remembered by."""
    query = query_of(request)
    return f"{kind} {request.path}?{query}" if query else f"{kind} {request.path}"


def language_of(request: web.Request) -> Language:
    """The language that is asked for. Raises QueryError."""
    code = request.query.get("lang") or "en"
    if code not in LANGUAGES:
        raise QueryError(f"lang = {code[:20]!r}: choose from {', '.join(LANGUAGES)}")
    return language(code)


def span_of(request: web.Request) -> tuple[datetime | None, datetime | None, str]:
    """From when to when a page is asked for, and what its lines are. Raises QueryError."""
    moments: list[datetime | None] = []
    for name in ("from", "to"):
        text = request.query.get(name)
        try:
            moments.append(moment(text) if text else None)
        except ValueError as error:
            raise QueryError(f"{name} = {(text or '')[:40]!r}: {error}") from error
    start, end = moments
    if start is not None and end is not None and not timedelta(0) < end - start <= timedelta(days=400):
        raise QueryError("from, to: the first has to be before the second, by 400 days at most")
    by = request.query.get("by", "platform")
    if by not in ("platform", "network", "region"):
        raise QueryError(f"by = {by[:40]!r}: choose platform, network or region")
    return start, end, by


def network_of(request: web.Request) -> int | None:
    """The network that is asked for, if any. Raises QueryError."""
    text = request.query.get("asn", "")
    if not text:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > 4_294_967_295:
        raise QueryError(f"asn = {text[:20]!r}: a network's number, from 0 to 4294967295")
    return int(text)


def simulated_of(request: web.Request) -> bool | None:
    """Whether what is asked for is made up, if that is said. Raises QueryError."""
    text = request.query.get("simulated", "")
    if text not in ("", "true", "false"):
        raise QueryError(f"simulated = {text[:20]!r}: choose true or false")
    return text == "true" if text else None


def _country_code(text: str) -> str:
    if text not in COUNTRIES:
        raise ValueError("a country code of ISO 3166-1 alpha-2 in capitals, like PK")
    return text


def filters_of(request: web.Request) -> dict[str, Any]:
    """What incidents are chosen by. An empty filter is none. Raises QueryError."""
    filters: dict[str, Any] = {}
    for name, make in (
        ("country", _country_code),
        ("platform", str),
        ("status", str),
        ("severity", Severity),
        ("kind", Kind),
    ):
        text = request.query.get(name, "")
        if text:
            try:
                filters[name] = make(text[:128])
            except ValueError as error:
                raise QueryError(f"{name} = {text[:40]!r}: {error}") from error
    if filters.get("status", "open") not in ("open", "resolved"):
        raise QueryError("status: choose open or resolved")
    return filters
