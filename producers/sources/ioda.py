"""IODA's API, version 2: signals, alerts and events of countries, regions and networks, as Signals.

The shapes are those of the API's own document (https://api.ioda.inetintel.cc.gatech.edu/v2/): `signals/raw` has one
series a data source (`bgp`, `ping-slash24`, `merit-nt`, `gtr` ...), `outages/alerts` one entry a change of level,
`outages/events` one a stretch of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final
from urllib.parse import urlencode

from producers.signals import Signal
from producers.sources.contract import Item, RefusalReason, RowError, check_stretch, document, each, epoch

SOURCE: Final = "ioda"
API: Final = "https://api.ioda.inetintel.cc.gatech.edu/v2"
_DASHBOARD: Final = "https://ioda.inetintel.cc.gatech.edu"
#: An alert's level, as the signal's value: 1 is an outage, 0 is none.
_LEVELS: Final = {"critical": 1.0, "warning": 1.0, "normal": 0.0}


def read(name: str, stream: IO[bytes]) -> Iterator[Item]:
    """Signals of one answer of the API."""
    return each(document(name, stream, lambda answer: _rows(name, answer)), _signals)


def requests(country: str, since: float, until: float) -> Iterator[str]:
    """The URLs that a pull asks for: the country's raw signals, and what IODA itself alerts of."""
    span = urlencode({"from": int(since), "until": int(until)})
    yield f"{API}/signals/raw/country/{country}?{span}"
    yield f"{API}/outages/alerts?entityType=country&entityCode={country}&{span}"


def _rows(name: str, answer: Any) -> Iterator[tuple[str, Any]]:
    kind = str(answer.get("type") or "")
    if answer.get("error"):
        raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"the API's own error: {answer['error']}")
    number = 0
    for part in answer["data"]:
        for row in part if isinstance(part, list) else [part]:
            yield f"{name}[{number}]", (kind, row)
            number += 1


def _signals(content: tuple[str, Any]) -> Iterator[Signal]:
    _, row = content
    if "values" in row:
        yield from _series(row)
    elif "level" in row:
        yield _alert(row)
    elif "start" in row and "duration" in row:
        yield from _event(row)
    else:
        raise RowError(RefusalReason.NOT_A_MEASUREMENT, "neither a series, an alert nor an event")


def _place(kind: str, code: str, attrs: Any = None) -> dict[str, Any]:
    """Country, and part or network, of an entity: IODA's regions have numbers of its own."""
    match kind:
        case "country":
            return {"country": code}
        case "asn" | "geoasn":
            country = (attrs or {}).get("country_code") or (code.partition("-")[2] if "-" in code else None)
            if not country:
                raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"network {code} without a country")
            return {"country": country, "asn": int(code.partition("-")[0])}
        case "region":
            country = (attrs or {}).get("country_code")
            if not country:
                raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"region {code} without a country")
            return {"country": country, "part": code}
    raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"an entity of kind {kind!r}")


def _series(row: Any) -> Iterator[Signal]:
    place = _place(row["entityType"], row["entityCode"], row.get("entityAttrs"))
    if row["values"] and not any(isinstance(value, int | float) for value in row["values"]):
        raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"{row['datasource']}: no number in the series")
    start, step = int(row["from"]), int(row["step"])
    if step <= 0:
        raise RowError(
            RefusalReason.INVALID, f"{row['datasource']}: step {step}, and readings follow each other"
        )
    url = f"{_DASHBOARD}/{row['entityType']}/{row['entityCode']}?from={start}&until={row['until']}"
    name = row["datasource"] + (f".{row['subtype']}" if row.get("subtype") else "")
    for index, value in enumerate(row["values"]):
        if isinstance(value, int | float):
            time = epoch(start + index * step)
            yield Signal(source=SOURCE, time=time, name=name, value=float(value), url=url, **place)


def _judgement(what: str, datasource: Any) -> str:
    """What it is called: by its data source, for they judge apart and often at the same moment."""
    return what + (f".{datasource}" if datasource else "")


def _alert(row: Any) -> Signal:
    entity = row["entity"]
    place = _place(entity["type"], entity["code"], entity.get("attrs"))
    if row["level"] not in _LEVELS:
        raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"level {row['level']!r}")
    time = epoch(row["time"])
    url = f"{_DASHBOARD}/{entity['type']}/{entity['code']}?from={int(row['time']) - 86_400}&until={int(row['time'])}"
    name = _judgement("alert", row.get("datasource"))
    return Signal(source=SOURCE, time=time, name=name, value=_LEVELS[row["level"]], url=url, **place)


def _event(row: Any) -> Iterator[Signal]:
    kind, _, code = row["location"].partition("/")
    place = _place(kind, code)
    start, seconds = int(row["start"]), int(row["duration"])
    url = f"{_DASHBOARD}/{kind}/{code}?from={start}&until={start + seconds}"
    name = _judgement("outage", row.get("datasource"))
    begin, end = epoch(start), epoch(start + seconds)
    check_stretch(begin, end)
    for time, value in ((begin, 1.0), (end, 0.0)):
        yield Signal(source=SOURCE, time=time, name=name, value=value, url=url, **place)
