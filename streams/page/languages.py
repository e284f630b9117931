"""Languages of the page: words by gettext, names, numbers and dates by the CLDR, through Babel.

English is whole. Of the others, all but the records' own sentences is translated, and marked as not reviewed until a
speaker has looked at them (`REVIEWED`); what is not translated is shown in English. The words stand in
`locale/LANGUAGE.po`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from importlib.resources import files
from typing import Final

from babel import Locale
from babel.dates import format_datetime
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal, format_percent
from babel.support import NullTranslations, Translations
from babel.units import format_unit

from detectors.incidents.snapshots import Doubt
from detectors.localtime import local_seconds
from detectors.settings import IncidentSettings
from producers.names import visible
from streams.names import region_name
from streams.records import Incident, Kind, Scope, Status
from streams.words import (
    NAMED_COUNTRIES_MAX,
    NAMED_NETWORKS_MAX,
    Extent,
    as_title,
    country_name,
    duration,
    extent_of,
    failure_words,
    headline,
    lost_addresses,
    platform_name,
    seconds_on_most,
    verb_of,
)

LANGUAGES: Final = ("en", "fr", "es", "ru", "ar", "fa", "ur")
#: Those at which a speaker has looked.
REVIEWED: Final = frozenset({"en"})
_LISTED_MAX: Final = 6
#: Ways of failing that a vantage meets; what is rarer stays as the records have it.
FAILURES: Final = frozenset(
    (
        "timed out",
        "closed early",
        "no such name",
        "a false address",
        "the server failed",
        "no answer",
        "refused",
        "connection reset",
        "connection refused",
        "host unreachable",
        "network unreachable",
        "failed handshake",
        "invalid certificate",
        "invalid hostname",
        "unknown authority",
        "unexpected body",
        "blockpage",
        "throttled",
    )
)
_FONTS: Final = {"ru": "libre-franklin-cyrillic.woff2"}
#: Marks that turn the direction of a text, as the CLDR has them between words; the page isolates words instead.
_TURNING: Final = str.maketrans("", "", "\u200e\u200f\u061c")


class Language:
    """One language of the page.

    Attributes
    ----------
    direction
        `ltr` or `rtl`.
    font
        What the headlines are set in, of `static/`.
    """

    def __init__(self, code: str) -> None:
        self.code = code
        self.locale = Locale.parse(code)
        self.direction = self.locale.text_direction
        self.name = (self.locale.get_display_name() or code).capitalize()
        self.reviewed = code in REVIEWED
        self.font = "vazirmatn.woff2" if self.direction == "rtl" else _FONTS.get(code, "source-serif.woff2")
        self.words = _words(code)

    def gettext(self, text: str) -> str:
        """A text in this language, or in English."""
        return str(self.words.gettext(text))

    def country(self, code: str, settings: IncidentSettings) -> str:
        """A country's name."""
        if self.code == "en" or code in settings.country_names:
            return country_name(code, settings.country_names)
        return self.locale.territories.get(code) or country_name(code, settings.country_names)

    def counted(self, one: str, many: str, count: int) -> str:
        """A number with what is counted, in the form that it takes in this language."""
        return str(self.words.ngettext(one, many, count)) % {"n": self.number(count)}

    def duration(self, seconds: float) -> str:
        """A length of time: in English the report's own words, else the language's own units."""
        text = duration(seconds)
        if self.code == "en":
            return text
        numbers = text.split(" ")[::2]
        return " ".join(
            self._amount(int(number), unit)
            for number, unit in zip(numbers, text.split(" ")[1::2], strict=True)
        )

    def span(self, hours: int) -> str:
        """A round length of time, short, for a link."""
        if hours % (365 * 24) == 0:
            return self._amount(hours // (365 * 24), "y")
        return self._amount(hours // 24, "d") if hours > 24 else self._amount(hours, "h")

    def _amount(self, number: int, unit: str) -> str:
        if self.code == "en":
            return f"{number} {unit}"
        return format_unit(number, _UNITS[unit], "short", locale=self.locale).translate(_TURNING)

    def listed(self, words: Sequence[str]) -> str:
        """Words as a sentence lists them. What nobody sees in them is shown, so that none turns the others."""
        words = [visible(word) for word in words]
        if len(words) > _LISTED_MAX + 1:
            words = [*words[:_LISTED_MAX], f"+{len(words) - _LISTED_MAX}"]
        return str(format_list(list(words), locale=self.locale)).translate(_TURNING)

    def percent(self, ratio: float | None) -> str:
        """A ratio as whole per cents; a dash for none."""
        if ratio is None:
            return "–"
        if self.code == "en":
            return f"{100 * ratio:.0f}\u00a0%"
        return format_percent(ratio, format="0 %", locale=self.locale).translate(_TURNING)

    def number(self, number: float) -> str:
        """A number with the language's own separators."""
        return format_decimal(number, locale=self.locale).translate(_TURNING)

    def moment(self, time: datetime, form: str = "d MMMM y, HH:mm") -> str:
        """A time, in UTC."""
        form = form.replace(", ", "، ") if self.direction == "rtl" else form
        return format_datetime(time.astimezone(UTC), form, tzinfo=UTC, locale=self.locale)

    def local(self, country: str, time: datetime) -> str:
        """The time of day on a country's own clocks."""
        seconds = local_seconds(country, int(time.timestamp()))
        return format_datetime(datetime.fromtimestamp(seconds, UTC), "HH:mm", tzinfo=UTC, locale=self.locale)

    def headline(self, incident: Incident, settings: IncidentSettings) -> str:
        """What happened in one line: in English the report's own, else made from translated pieces."""
        if self.code == "en":
            return as_title(headline(incident, settings))
        over = incident.status is Status.RESOLVED
        place = self._where(extent_of(incident, over=over), settings)
        lost = lost_addresses(incident)
        platforms = self.listed(
            [self._lost(platform_name(name, settings), lost.get(name)) for name in incident.platforms]
        )
        gettext = self.gettext
        if incident.kind is Kind.CONNECTIVITY:
            crowd = incident.unconfirmed_reason == Doubt.CROWD
            text = _PATTERNS["lost", "crowd" if crowd else ""]
        else:
            text = _pattern(incident, settings)
        text = gettext(text) % {"platforms": platforms, "place": place}
        if over:
            length = self.duration(seconds_on_most(incident))
            text = gettext("%(what)s (over after %(duration)s)") % {"what": text, "duration": length}
        return text

    def _lost(self, platform: str, addresses: tuple[int, int] | None) -> str:
        """A platform, or how many of its addresses are lost where others of it are well."""
        if addresses is None:
            return platform
        figures = {"n": self.number(addresses[0]), "all": self.number(addresses[1])}
        return self.gettext("%(n)s of %(all)s addresses of %(platform)s") % (figures | {"platform": platform})

    def _where(self, extent: Extent, settings: IncidentSettings) -> str:
        """Where an incident is, no less exact than the English headline has it."""
        gettext = self.gettext
        count, live = self.number(len(extent.networks)), self.number(extent.live)
        if settings.own_services and extent.networks:
            text = gettext("%(n)s of %(all)s of your networks")
            if extent.one_vantage_each:
                text = gettext("%(n)s of %(all)s of your vantages")
            return text % {"n": count, "all": live}
        if extent.kind is Kind.GLOBAL:
            if len(extent.countries) > NAMED_COUNTRIES_MAX:
                return self.counted("%(n)s country", "%(n)s countries", len(extent.countries))
            place = self.listed([self.country(code, settings) for code in extent.countries])
            if len(extent.countries) > 1:
                return place
            return gettext("%(place)s and from outside it") % {"place": place}
        country = self.country(extent.country or "", settings)
        if extent.regions and extent.scope in (Scope.NATION_SCALE, Scope.REGION):
            part = self.listed([region_name(code, settings.country_names) for code in extent.regions])
        elif extent.scope is Scope.NATION_SCALE or not extent.networks:
            return country
        elif len(extent.networks) <= NAMED_NETWORKS_MAX:
            part = self.listed(extent.networks)
        else:
            part = gettext("%(n)s of %(all)s networks") % {"n": count, "all": live}
        return f"{country} ({part})"

    def failing(self, mechanism: str) -> str:
        """Stage and failure in words, as far as this language has them."""
        text = failure_words(mechanism)
        stage, colon, words = text.partition(": ")
        if self.code == "en" or not colon:
            return text
        if words.startswith("status "):
            return f"{stage}: " + self.gettext("status %(code)s") % {"code": visible(words[7:])}
        return f"{stage}: {self.gettext(words)}"

    def has_words_for(self, mechanism: str) -> bool:
        """Whether a way of failing is told in this language, and not in English."""
        words = failure_words(mechanism).partition(": ")[2]
        return self.code == "en" or words in FAILURES or words.startswith("status ")


_UNITS: Final = {"min": "minute", "h": "hour", "d": "day", "y": "year"}
#: A headline by its verb and where it is true, as gettext finds it.
_PATTERNS: Final[Mapping[tuple[str, str], str]] = {
    ("lost", ""): "%(place)s: loss of connectivity",
    ("lost", "crowd"): "%(place)s: hardly any measurements",
    ("unreachable", ""): "%(place)s: %(platforms)s unreachable",
    ("disrupted", ""): "%(place)s: %(platforms)s disrupted",
    ("slowed down", ""): "%(place)s: %(platforms)s slowed down",
    ("disrupted", "nation"): "%(place)s: %(platforms)s disrupted across the country",
    ("restricted", "nation"): "%(place)s: %(platforms)s restricted across the country",
    ("disrupted", "part"): "%(place)s: %(platforms)s disrupted in part of the country",
    ("restricted", "part"): "%(place)s: %(platforms)s restricted in part of the country",
}


def _pattern(incident: Incident, settings: IncidentSettings) -> str:
    """What a headline says of platforms, with the verb of the English one: restricted, disrupted, unreachable."""
    verb = verb_of(incident, settings)
    if incident.kind is Kind.GLOBAL:
        return _PATTERNS[verb, ""]
    if verb in ("throttled", "slowed down"):
        return _PATTERNS["slowed down", ""]
    if verb == "unreachable":
        return _PATTERNS[verb, ""]
    return _PATTERNS[verb, "nation" if incident.scope is Scope.NATION_SCALE else "part"]


@lru_cache(maxsize=len(LANGUAGES))
def language(code: str) -> Language:
    """A language by its code; English for one that there is not."""
    return Language(code if code in LANGUAGES else "en")


def _words(code: str) -> NullTranslations:
    source = files("streams.page") / "locale" / f"{code}.po"
    if not source.is_file():
        return NullTranslations()
    catalog = read_po(io.BytesIO(source.read_bytes()), locale=code)
    packed = io.BytesIO()
    write_mo(packed, catalog)
    packed.seek(0)
    return Translations(packed)
