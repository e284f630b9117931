"""Writes `detectors/zones.py`: local time and weekends of countries, from tzdata (PyPI) and the CLDR that Babel brings.

The table is part of the code, so that the same version decides the same on every machine, whatever zone files it has.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.core import get_global

FIRST, LAST = datetime(2012, 1, 1, tzinfo=UTC), datetime(2040, 1, 1, tzinfo=UTC)
#: Where a country has several zones, the one in which most of its people live.
MOST_PEOPLE = {
    "AR": "America/Argentina/Buenos_Aires", "AU": "Australia/Sydney", "BR": "America/Sao_Paulo",
    "CA": "America/Toronto", "CD": "Africa/Kinshasa", "CL": "America/Santiago", "CN": "Asia/Shanghai",
    "CY": "Asia/Nicosia", "DE": "Europe/Berlin", "EC": "America/Guayaquil", "ES": "Europe/Madrid",
    "FM": "Pacific/Pohnpei", "GL": "America/Nuuk", "ID": "Asia/Jakarta", "KI": "Pacific/Tarawa",
    "KZ": "Asia/Almaty", "MH": "Pacific/Majuro", "MN": "Asia/Ulaanbaatar", "MX": "America/Mexico_City",
    "MY": "Asia/Kuala_Lumpur", "NZ": "Pacific/Auckland", "PF": "Pacific/Tahiti", "PG": "Pacific/Port_Moresby",
    "PS": "Asia/Hebron", "PT": "Europe/Lisbon", "RU": "Europe/Moscow", "UA": "Europe/Kyiv",
    "US": "America/New_York", "UZ": "Asia/Tashkent", "VN": "Asia/Ho_Chi_Minh",
}  # fmt: skip
#: Where the CLDR has no weekend of a country's own: Friday and Sunday in Brunei, Saturday alone in Nepal.
WEEKENDS = {"BN": (4, 6), "NP": (5,)}


def offsets(name: str) -> tuple[tuple[int, int], ...]:
    """From when on, seconds since 1970, local time is how many seconds ahead of UTC."""
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as file:
        zone = ZoneInfo.from_file(file)

    def ahead(moment: datetime) -> int:
        return int((moment.astimezone(zone).utcoffset() or timedelta()).total_seconds())

    steps, day = [(0, ahead(FIRST))], FIRST
    while day < LAST:
        following = day + timedelta(days=1)
        if ahead(following) != ahead(day):
            low, high = day, following
            while high - low > timedelta(minutes=1):
                middle = low + (high - low) // 2
                low, high = (middle, high) if ahead(middle) == ahead(day) else (low, middle)
            changed = round(high.timestamp() / 900) * 900
            steps.append((changed, ahead(following)))
        day = following
    return tuple(steps)


def weekend(country: str) -> tuple[int, ...]:
    """Days of the weekend, Monday 0."""
    if country in WEEKENDS:
        return WEEKENDS[country]
    try:
        locale = Locale.parse(f"und_{country}")
    except (UnknownLocaleError, ValueError):
        return (5, 6)
    start, end = locale.weekend_start, locale.weekend_end
    return tuple(sorted((start + i) % 7 for i in range((end - start) % 7 + 1)))


def table() -> str:
    """The module's text."""
    zones: dict[tuple[tuple[int, int], ...], int] = {}
    rows = []
    for country, names in sorted(get_global("territory_zones").items()):
        if len(country) != 2 or not country.isalpha():
            continue
        name = MOST_PEOPLE.get(country, names[0])
        try:
            number = zones.setdefault(offsets(name), len(zones))
        except FileNotFoundError:
            continue
        rows.append(f'    "{country}": ({number}, {weekend(country)}),  # {name}')
    lines = [
        '"""Local time and weekends of countries. Written by `python -m tools.zones`; don\'t edit."""',
        "",
        "from __future__ import annotations",
        "",
        "from typing import Final",
        "",
        "#: From when on (seconds since 1970) local time is how many seconds ahead of UTC.",
        "OFFSETS: Final[tuple[tuple[tuple[int, int], ...], ...]] = (",
        *(f"    {steps}," for steps in zones),
        ")",
        "#: By country: its place among the offsets, and the days of its weekend (Monday 0).",
        "COUNTRIES: Final[dict[str, tuple[int, tuple[int, ...]]]] = {",
        *rows,
        "}",
    ]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    path = Path("detectors/zones.py")
    path.write_text(table())
    print(path)  # noqa: T201
