"""Cloudflare Radar's outage annotations and traffic anomalies, as Signals: 1 where one begins, 0 where it is over.

The shapes are those of its API's reference (https://developers.cloudflare.com/api/resources/radar/): `annotations` or
`annotations/outages` with `result.annotations[]`, `traffic_anomalies` with `result.trafficAnomalies[]`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final
from urllib.parse import quote

from producers.records import NAME_MAX
from producers.signals import Signal
from producers.sources.contract import (
    Item,
    RefusalReason,
    RowError,
    check_stretch,
    document,
    each,
    epoch,
    moment,
)

SOURCE: Final = "cloudflare_radar"
API: Final = "https://api.cloudflare.com/client/v4/radar"
_PAGE: Final = "https://radar.cloudflare.com/outage-center"


def read(name: str, stream: IO[bytes]) -> Iterator[Item]:
    """Signals of one answer of the API."""
    return each(document(name, stream, lambda answer: _rows(name, answer)), _signals)


def requests(country: str, since: float, until: float) -> Iterator[str]:
    """The URLs that a pull asks for; they need a token, as `Authorization: Bearer`."""
    span = "&".join(
        f"{key}={quote(epoch(moment).isoformat())}"
        for key, moment in (("dateStart", since), ("dateEnd", until))
    )
    yield f"{API}/annotations/outages?location={country}&{span}&format=json"
    yield f"{API}/traffic_anomalies?location={country}&{span}&format=json"


def _rows(name: str, answer: Any) -> Iterator[tuple[str, Any]]:
    if answer.get("success") is False:
        raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"the API's own error: {answer.get('errors')}")
    result = answer.get("result", answer)
    for key in ("annotations", "trafficAnomalies"):
        for number, row in enumerate(result.get(key) or ()):
            yield f"{name}#{key}[{number}]", (key, row)


def _signals(content: tuple[str, Any]) -> Iterator[Signal]:
    key, row = content
    if key == "annotations":
        if row.get("eventType", "OUTAGE") != "OUTAGE":
            raise RowError(RefusalReason.OTHER_TEST, str(row["eventType"]))
        name, places = "outage", _outage_places(row)
        if (row.get("outage") or {}).get("outageType") == "REGIONAL":
            # An outage of a part of a country is none of the country. Which part, if anything, its scope says.
            places = [{**place, "part": _part(row)} for place in places]
        url = row.get("linkedUrl") or _PAGE
    else:
        if row.get("status") == "FALSE_POSITIVE":
            raise RowError(RefusalReason.MEASUREMENT_FAILED, "withdrawn by the source")
        name, places, url = "traffic_anomaly", [_anomaly_place(row)], _PAGE
    if not places:
        raise RowError(RefusalReason.NO_PLACE_OR_TIME, "no location")
    begin, end = moment(row["startDate"]), moment(row["endDate"]) if row.get("endDate") else None
    if end is not None:
        check_stretch(begin, end)
    placed = [place for place in places if place["country"] is not None]
    for place in placed:
        yield Signal(source=SOURCE, time=begin, name=name, value=1.0, url=url, **place)
        if end is not None:
            yield Signal(source=SOURCE, time=end, name=name, value=0.0, url=url, **place)
    if lost := [str(place["asn"]) for place in places if place["country"] is None]:
        raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"no country is told of AS{', AS'.join(lost)}")


def _part(row: Any) -> str:
    return " ".join(str(row.get("scope") or "").split())[:NAME_MAX] or "a region"


def _outage_places(row: Any) -> list[dict[str, Any]]:
    """Countries; where networks are named, these alone: the country of one is None if it is not told."""
    countries = row.get("locations") or []
    asns = row.get("asns") or []
    if not asns:
        return [{"country": code} for code in countries]
    # Which network is in which country, only the details say.
    if len(countries) > 1:
        homes = {str(one["asn"]): _home(one) for one in row.get("asnsDetails") or []}
        placed = [(homes.get(str(asn)), asn) for asn in asns]
        return [{"country": code if code in countries else None, "asn": int(asn)} for code, asn in placed]
    return [{"country": code, "asn": int(asn)} for code in countries for asn in asns]


def _home(network: Any) -> str | None:
    """The country of a network: `locations` before 2025, `location` since."""
    place = network.get("location") or network.get("locations")
    return place["code"] if place else None


def _anomaly_place(row: Any) -> dict[str, Any]:
    if row.get("type") == "AS":
        network = row["asnDetails"]
        country = _home(network)
        if country is None:
            raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"network {network['asn']} without a country")
        return {"country": country, "asn": int(network["asn"])}
    return {"country": row["locationDetails"]["code"]}
