"""Tor Metrics' table of users by country (`userstats-relay-country.csv`, and the one of bridges), as Signals.

One row a day and country: `date,country,users,lower,upper,frac`, comments with `#`
(https://metrics.torproject.org/stats.html). `lower` and `upper` are what its own detector of censorship expects;
their middle is the signal's `usual`. The table of bridges has neither: its users are counted apart, as `bridge_users`,
and those of one transport or version as `bridge_users.obfs4`. It comes with a delay of days: it tells what was, not
what is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import IO, Any, Final

from producers.signals import Signal
from producers.sources.contract import Item, RefusalReason, Refused, RowError, each, epoch, moment
from producers.sources.csv_rows import csv_rows

SOURCE: Final = "tor_metrics"
API: Final = "https://metrics.torproject.org"
_NEEDED: Final = {"date", "country", "users"}


def read(name: str, stream: IO[bytes]) -> Iterator[Item]:
    """Signals of one table."""
    return each(_rows(name, stream), _signals)


def requests(country: str, since: float, until: float) -> Iterator[str]:
    """The URL that a pull asks for."""
    span = f"start={epoch(since):%Y-%m-%d}&end={epoch(until):%Y-%m-%d}"
    yield f"{API}/userstats-relay-country.csv?{span}&country={country.lower()}"


def _rows(name: str, stream: IO[bytes]) -> Iterator[Any]:
    header: list[str] | None = None
    for number, cells in csv_rows(stream):
        if isinstance(cells, RowError):
            yield Refused(cells.reason, str(cells), f"{name}:{number}")
        elif cells[0].startswith("#"):
            continue
        elif header is None:
            header = cells
            if missing := sorted(_NEEDED - set(header)):
                why = f"no column {', '.join(missing)}: it is no table of Tor's users by country"
                yield Refused(RefusalReason.NOT_A_MEASUREMENT, why, f"{name}:{number}")
                return
        else:
            yield f"{name}:{number}", dict(zip(header, cells, strict=False))


def _signals(row: dict[str, str]) -> Iterator[Signal]:
    if missing := sorted(_NEEDED - row.keys()):
        raise RowError(RefusalReason.NOT_A_MEASUREMENT, f"no cell of {', '.join(missing)}")
    country = row["country"].upper()
    if not country or country == "??":
        raise RowError(RefusalReason.NO_PLACE_OR_TIME, f"country {row['country']!r}")
    lower, upper = row.get("lower"), row.get("upper")
    kind = "relay" if "lower" in row else "bridge"
    of_some = [part for part in (row.get("transport"), row.get("version")) if part]
    yield Signal(
        source=SOURCE,
        country=country,
        time=moment(row["date"]),
        name=".".join(("users" if kind == "relay" else "bridge_users", *of_some)),
        value=float(row["users"]),
        usual=(float(lower) + float(upper)) / 2 if lower and upper else None,
        url=f"{API}/userstats-{kind}-country.html?country={country.lower()}",
    )
