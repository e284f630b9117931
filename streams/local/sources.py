"""Every source of other people's measurements, in one table: who reads its answers, and how its service is asked.

A new source is a file in `producers/sources/`, a row here, and what `tests/streams/local/test_sources.py` asks for:
a row of the table in docs/ingest.md, and the name of its signals in `streams/words.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from producers.countries import COUNTRIES
from producers.sources import cloudflare, ioda, prometheus, ripe_atlas, tables, tor
from producers.sources.contract import Read
from producers.sources.ooni import api
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader
from streams.local.pulling import PullPlan, Requests
from streams.settings import SettingsError


@dataclass(frozen=True, slots=True)
class Options:
    """What a format may be told besides."""

    platforms: Platforms = field(default_factory=Platforms)
    mapping: Path | None = None
    country: str | None = None
    asn: int | None = None
    time: datetime | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceQuery:
    """What a service is asked for: the parts that its source knows, and every how many seconds."""

    countries: tuple[str, ...] = ()
    url: str | None = None
    measurements: tuple[int, ...] = ()
    mapping: Path | None = None
    every_seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pull:
    """How a service is asked: no oftener than it has anything new, and what for.

    `plan` raises SettingsError where the query lacks something that the source needs.
    """

    every_seconds: float
    plan: Callable[[str, SourceQuery], PullPlan]


@dataclass(frozen=True, slots=True)
class Source:
    """Who reads a source's answers, and how its service is asked; `pull` is None where there is no service.

    `reader` raises SettingsError where the options lack something that the source needs.
    """

    reader: Callable[[Options], Read]
    pull: Pull | None = None


# ---- who reads


def _ooni(options: Options) -> Read:
    return OoniReader(
        options.platforms, options.country, options.asn, options.time, options.simulated
    ).read_stream


def _prometheus(options: Options) -> Read:
    labels = prometheus.read_labels(options.mapping) if options.mapping else prometheus.Labels()
    return prometheus.PrometheusReader(labels, options.platforms).read


def _table(options: Options) -> Read:
    if options.mapping is None:
        raise SettingsError(
            'a table needs --map FILE, which says which column is what (docs/ingest.md, "Tables")'
        )
    return tables.TableReader(tables.read_mapping(options.mapping), options.platforms).read


def _atlas(options: Options) -> Read:
    if options.mapping is None:
        raise SettingsError("RIPE Atlas' results name no country: give RIPE's list of probes with --map FILE")
    try:
        probes = ripe_atlas.read_probes(options.mapping.read_bytes())
    except OSError as error:
        raise SettingsError(f"{options.mapping}: {error.strerror}; name a readable file") from error
    except ValueError as error:
        raise SettingsError(f"{options.mapping}: {error}") from error
    return ripe_atlas.AtlasReader(probes, options.platforms).read


# ---- how a service is asked


def _by_country(requests: Requests, api: str) -> Callable[[str, SourceQuery], PullPlan]:
    """How a service is asked that answers by country."""

    def plan(name: str, query: SourceQuery) -> PullPlan:
        asked = _mirrored(requests, api, query)
        return PullPlan(name, _countries(name, query), asked, reader_of(name, Options()))

    return plan


def _mirrored(requests: Requests, api: str, query: SourceQuery) -> Requests:
    """Requests of whoever stands in for the service: the same, with --url in the place of its API's address."""
    if query.url is None:
        return requests
    base = _web(query.url).rstrip("/")
    return lambda part, since, until: (url.replace(api, base, 1) for url in requests(part, since, until))


def _countries(name: str, query: SourceQuery) -> tuple[str, ...]:
    if not query.countries:
        raise SettingsError(f"{name}: name a country, with --country PK")
    countries = tuple(country.upper() for country in query.countries)
    for country in countries:
        # It becomes a part of a URL.
        if country not in COUNTRIES:
            raise SettingsError(f"--country {country}: no country's code; write it like PK (ISO 3166-1)")
    return countries


def _ask_ooni(name: str, query: SourceQuery) -> PullPlan:
    if query.url is not None:
        raise SettingsError(f"{name}: its lists lead to OONI's own hosts alone; leave --url out")
    read = reader_of(name, Options())
    return PullPlan(name, _countries(name, query), api.requests, read, api.is_list, api.follow)


def _web(url: str) -> str:
    try:
        parts = urlsplit(url)
        if "@" in parts.netloc:
            raise SettingsError(
                "--url: leave name and password out, they would stand in logs; "
                "write them as name:password into a file for --login-file"
            )
        # Reading a port checks it.
        good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        good = False
    if not good:
        raise SettingsError(f"--url {url}: no address of the web; write it like http://localhost:9090")
    return url


def _ask_prometheus(name: str, query: SourceQuery) -> PullPlan:
    if query.url is None:
        raise SettingsError(f"{name}: say where it is, with --url http://localhost:9090")
    url = _web(query.url)
    labels = prometheus.read_labels(query.mapping) if query.mapping else prometheus.Labels()
    reader = prometheus.PrometheusReader(labels)
    return PullPlan(
        name,
        (url,),
        reader.requests,
        reader.read,
        halves=reader.halves,
        overlap_seconds=_SCRAPE_SECONDS_MAX,
        reach_seconds=reader.reach_seconds,
        empty="does this Prometheus scrape blackbox_exporter, and is `only` right (--map)?",
    )


def _ask_atlas(name: str, query: SourceQuery) -> PullPlan:
    if not query.measurements:
        raise SettingsError(f"{name}: name a measurement, with --measurement 7000")
    read = reader_of(name, Options(mapping=query.mapping))
    requests = _mirrored(
        lambda part, since, until: ripe_atlas.requests(int(part), since, until), ripe_atlas.API, query
    )
    return PullPlan(name, tuple(map(str, query.measurements)), requests, read)


#: A scrape is there as soon as it is over, and hardly one takes longer.
_SCRAPE_SECONDS_MAX: Final = 120.0

SOURCES: Final[dict[str, Source]] = {
    "ooni": Source(_ooni, Pull(every_seconds=300.0, plan=_ask_ooni)),
    # Its targets are scraped one after the other: there is always something new, and a live worker waits for nothing.
    "prometheus": Source(_prometheus, Pull(every_seconds=5.0, plan=_ask_prometheus)),
    "table": Source(_table),
    "ioda": Source(lambda _: ioda.read, Pull(every_seconds=300.0, plan=_by_country(ioda.requests, ioda.API))),
    "cloudflare": Source(
        lambda _: cloudflare.read,
        Pull(every_seconds=300.0, plan=_by_country(cloudflare.requests, cloudflare.API)),
    ),
    "ripe-atlas": Source(_atlas, Pull(every_seconds=60.0, plan=_ask_atlas)),
    "tor": Source(lambda _: tor.read, Pull(every_seconds=21_600.0, plan=_by_country(tor.requests, tor.API))),
}
#: Those that have a service to ask.
PULLS: Final[dict[str, Pull]] = {name: one.pull for name, one in SOURCES.items() if one.pull is not None}


def reader_of(name: str, options: Options) -> Read:
    """Who reads a format. Raises SettingsError for one that is unknown, or lacks what it needs."""
    if name not in SOURCES:
        raise SettingsError(f"format {name!r}: there are {', '.join(SOURCES)}")
    try:
        return SOURCES[name].reader(options)
    except (prometheus.LabelError, tables.MappingError) as error:
        raise SettingsError(str(error)) from error


def pull_of(name: str) -> Pull:
    """How a source's service is asked. Raises SettingsError for one that has none."""
    if name not in PULLS:
        raise SettingsError(f"source {name!r}: there are {', '.join(PULLS)}")
    return PULLS[name]
