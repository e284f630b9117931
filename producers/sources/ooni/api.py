"""What a pull asks OONI's API for: a list of measurements, then each of them (https://api.ooni.io/apidocs/)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlencode

import msgspec

from producers.sources.contract import NO_JSON, epoch
from producers.sources.ooni.apps import APPS

API: Final = "https://api.ooni.io/api/v1"
#: The API's names: one may lead to the other.
HOSTS: Final = frozenset(("api.ooni.io", "api.ooni.org"))
TESTS: Final = ("web_connectivity", *APPS)
_PAGE: Final = 200


def requests(country: str, since: float, until: float) -> Iterator[str]:
    """The lists of what was measured since, a test each."""
    for test in TESTS:
        query = {
            "probe_cc": country,
            "test_name": test,
            "since": f"{epoch(since):%Y-%m-%dT%H:%M:%SZ}",
            "until": f"{epoch(until):%Y-%m-%dT%H:%M:%SZ}",
            "limit": _PAGE,
            "order": "asc",
        }
        yield f"{API}/measurements?{urlencode(query)}"


def follow(answer: bytes) -> Iterator[str]:
    """What a list leads to: each measurement, and the next page. Raises ValueError for what is no list."""
    try:
        document = msgspec.json.decode(answer)
        for one in document["results"]:
            if isinstance(one.get("measurement_url"), str):
                yield one["measurement_url"]
        following = (document.get("metadata") or {}).get("next_url")
    except (*NO_JSON, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no list of measurements: {error!r}") from error
    if isinstance(following, str):
        yield following


def is_list(url: str) -> bool:
    """Whether a URL leads to a list, and not to a measurement."""
    return url.partition("?")[0].endswith("/measurements")
