"""The page in other languages: no phrase is forgotten, none goes past gettext, and what the CLDR gives is shown."""

from __future__ import annotations

import ast
import io
import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest
from babel.messages.catalog import Message
from babel.messages.extract import extract
from babel.messages.pofile import read_po
from babel.support import NullTranslations
from hypothesis import given
from hypothesis import strategies as st

from detectors.incidents.snapshots import Doubt
from detectors.readings import Says
from detectors.settings import IncidentSettings
from producers.countries import COUNTRIES
from producers.failures import Failure, Stage
from producers.names import visible
from streams.page import labels, languages
from streams.page.languages import LANGUAGES, REVIEWED, Language, language
from streams.page.observatory import State
from streams.publish.report import PATTERNS
from streams.records import (
    Annotation,
    AnnotationKind,
    Corroboration,
    Kind,
    Network,
    PlatformDetail,
    Reachability,
    Scope,
    Severity,
    Status,
)
from streams.words import failure_words, platform_name
from tests.effort import examples
from tests.streams.page.world import NOW, observatory
from tests.streams.publish.stories import ID, ONSET, incident

PAGE = Path(__file__).parents[3] / "streams" / "page"
KEYWORDS = {"_": None, "gettext": None, "counted": (1, 2)}
OTHERS = LANGUAGES[1:]


@cache
def phrases() -> set[Any]:
    """All that the page says: in templates, in code, and in the tables of labels."""
    found: set[Any] = set(labels.ALL) | set(languages._PATTERNS.values()) | languages.FAILURES
    for kind, pattern in (("jinja2.ext:babel_extract", "**/*.j2"), ("python", "**/*.py")):
        for path in PAGE.glob(pattern):
            with path.open("rb") as file:
                found |= {one[1] for one in extract(kind, file, keywords=KEYWORDS)}
    return {one if isinstance(one, str) else tuple(part for part in one if part) for one in found}


def messages(code: str) -> Iterator[Message]:
    catalog = read_po(io.BytesIO((PAGE / "locale" / f"{code}.po").read_bytes()), locale=code)
    for message in catalog:
        if message.id:
            yield message


def of(message: Message) -> list[str]:
    return [message.string] if isinstance(message.string, str) else list(message.string)


@pytest.mark.parametrize("code", OTHERS)
def test_every_phrase_has_words_in_every_language_and_none_is_left_over(code: str) -> None:
    asked = phrases()
    assert len(asked) > 150
    known = {tuple(one.id) if isinstance(one.id, list | tuple) else one.id: one for one in messages(code)}
    assert sorted(map(str, asked - known.keys())) == [], f"add them to streams/page/locale/{code}.po"
    assert sorted(map(str, known.keys() - asked)) == [], f"no page says these: take them out of {code}.po"
    assert [one.id for one in known.values() if not all(of(one))] == []
    assert code not in REVIEWED


@pytest.mark.parametrize("code", OTHERS)
def test_words_keep_the_places_of_what_is_filled_in(code: str) -> None:
    for message in messages(code):
        places = sorted(
            re.findall(r"%\(\w+\)s", message.id if isinstance(message.id, str) else message.id[1])
        )
        for text in of(message):
            assert sorted(re.findall(r"%\(\w+\)s", text)) == places, (code, message.id)
            assert "%" not in re.sub(r"%\(\w+\)s", "", text) or not places
            assert visible(text) == text, (code, message.id)


@pytest.mark.parametrize(
    ("table", "members"),
    [
        (labels.LABELS, State),
        (labels.STATUSES, Status),
        (labels.SEVERITIES, Severity),
        (labels.NOTES, AnnotationKind),
        (labels.SAID, Says),
        (labels.DOUBTS, Doubt),
    ],
)
def test_every_closed_list_has_words(table: Mapping[str, str], members: type[StrEnum]) -> None:
    assert set(table) == set(members)
    assert set(labels.PATTERNS) == set(PATTERNS)


def test_every_reading_of_the_evidence_has_a_label() -> None:
    names = {
        call.args[0].value
        for path in (PAGE.parents[1] / "detectors" / "incidents").glob("*.py")
        for call in ast.walk(ast.parse(path.read_text()))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "Fact"
        if isinstance(call.args[0], ast.Constant)
    }
    assert len(names) > 10 and names == labels.EVIDENCE.keys()


@pytest.mark.parametrize("code", LANGUAGES)
def test_what_the_cldr_gives_has_nothing_that_nobody_sees(code: str) -> None:
    lang, own = language(code), IncidentSettings()
    said = [lang.country(one, own) for one in COUNTRIES]
    said += [lang.listed(list("abcdefghij")[:count]) for count in range(1, 10)]
    said += [lang.percent(ratio) for ratio in (0.0, 0.07, 1.0, None)]
    said += [lang.number(number) for number in (-1, 0, 1234567)]
    said += [lang.moment(NOW + timedelta(days=31 * month)) for month in range(12)]
    said += [lang.duration(seconds) for seconds in (0, 60, 120, 8000, 400_000)]
    said += [lang.span(hours) for hours in (24, 168, 744, 8760)]
    said.append(lang.headline(incident(platforms=("x", "youtube", "facebook")), own))
    assert [text for text in said if visible(text) != text] == []


@pytest.mark.parametrize("code", OTHERS)
def test_ways_of_failing_are_told_in_the_language_as_far_as_it_has_them(code: str) -> None:
    lang = language(code)
    said = {failure_words(f"{stage}.{failure}").partition(": ")[2] for stage in Stage for failure in Failure}
    assert said >= languages.FAILURES
    reset = lang.failing("tls.connection_reset")
    assert reset.startswith("TLS: ") and reset != failure_words("tls.connection_reset")
    assert "503" in lang.failing("http.http_unexpected_status_code:503")
    assert lang.has_words_for("tls.connection_reset") and not lang.has_words_for("dns.my_own_error")
    assert lang.failing("dns.my_own_error") == failure_words("dns.my_own_error")
    assert lang.failing("odd") == "odd"


@examples(40)
@given(
    st.sampled_from(OTHERS),
    st.lists(st.sampled_from(("x", "facebook", "signal", "my-own")), min_size=1, max_size=4, unique=True),
    st.sampled_from(list(Kind)),
    st.sampled_from(list(Scope)),
    st.lists(st.sampled_from(("PK", "UG", "IR", "MM", "TR")), min_size=1, max_size=5, unique=True),
    st.integers(60, 3_000_000),
    st.booleans(),
    st.integers(1, 6),
    st.dictionaries(
        st.sampled_from(("x", "signal")), st.tuples(st.integers(1, 20), st.integers(21, 40)), max_size=2
    ),
)
def test_no_language_loses_a_name_or_a_figure_of_a_headline(
    code: str,
    platforms: list[str],
    kind: Kind,
    scope: Scope,
    countries: list[str],
    seconds: int,
    over: bool,
    count: int,
    addresses: dict[str, tuple[int, int]],
) -> None:
    networks = tuple(
        Network(asn=64500 + number, name=f"Carrier {number}", lost=0.9, onset=ONSET)
        for number in range(count)
    )
    worldwide = kind is Kind.GLOBAL
    one = incident(
        kind=kind,
        scope=Scope.GLOBAL if worldwide else scope,
        platforms=() if kind is Kind.CONNECTIVITY else tuple(platforms),
        country=None if worldwide else countries[0],
        countries=tuple(countries) if worldwide else (),
        networks=networks,
        networks_live=9,
        regions=(),
        platforms_detail=tuple(
            PlatformDetail(
                platform=name,
                onset=ONSET,
                reachability=Reachability(now=0.1, usual=0.9),
                targets=tuple(map(str, range(lost))),
                targets_watched=watched,
            )
            for name, (lost, watched) in addresses.items()
        ),
        status=Status.RESOLVED if over else Status.OPEN,
        resolved=ONSET + timedelta(seconds=seconds) if over else None,
        duration_seconds=seconds,
    )
    own, lang = IncidentSettings(), language(code)
    said = lang.headline(one, own)
    assert visible(said) == said and "%(" not in said
    for name in one.platforms:
        assert platform_name(name, own) in said
    if worldwide and len(countries) > 3:
        assert str(len(countries)) in said
    for place in [] if worldwide and len(countries) > 3 else countries if worldwide else countries[:1]:
        assert lang.country(place, own) in said
    if not worldwide and scope is not Scope.NATION_SCALE:
        if len(networks) > 3:
            assert str(len(networks)) in said and "9" in said
        else:
            assert all(network.name in said for network in networks)
    for platform, (lost, watched) in addresses.items():
        if platform in one.platforms:
            assert str(lost) in said and str(watched) in said
    if over:
        assert lang.duration(seconds) in said


def test_a_name_that_would_turn_a_list_is_shown_as_it_is() -> None:
    assert language("fa").listed(["a\u202eb", "c"]) == "a\\u202eb و c"


@pytest.mark.parametrize(
    ("code", "seconds", "said"),
    [
        ("en", 19_740, "5 h 29 min"),
        ("ru", 19_740, "5 ч 29 мин"),
        ("ar", 19_740, "5 س 29 د"),
        ("fa", 180, "3 دقیقه"),
    ],
)
def test_lengths_of_time_are_told_in_the_units_of_the_language(code: str, seconds: int, said: str) -> None:
    assert language(code).duration(seconds) == said


@pytest.mark.parametrize(
    ("code", "count", "said"),
    [
        ("en", 1, "1 network"),
        ("en", 2, "2 networks"),
        ("ru", 1, "1 сеть"),
        ("ru", 2, "2 сети"),
        ("ru", 6, "6 сетей"),
    ],
)
def test_what_is_counted_takes_the_form_of_the_language(code: str, count: int, said: str) -> None:
    assert language(code).counted("%(n)s network", "%(n)s networks", count) == said


class Marked(Language):
    """A language in which every phrase is bracketed, and which has no names, numbers and times of its own."""

    def __init__(self) -> None:
        super().__init__("fr")
        self.words = Brackets()

    def country(self, code: str, settings: IncidentSettings) -> str:
        return ""

    def moment(self, time: datetime, form: str = "") -> str:
        return ""

    def duration(self, seconds: float) -> str:
        return ""

    def span(self, hours: int) -> str:
        return ""

    def listed(self, words: Any) -> str:
        return "".join(words)


class Brackets(NullTranslations):
    def gettext(self, message: str) -> str:
        return f"[{message}]"

    def ngettext(self, singular: str, plural: str, num: int) -> str:
        return f"[{plural}]"


class Reader(HTMLParser):
    """Collects what a reader sees in the page's language: not code, and not what is said to be English."""

    VOID = frozenset("meta link input br rect path circle".split())

    def __init__(self) -> None:
        super().__init__()
        self.open: list[tuple[str, bool]] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        hidden = tag in ("code", "pre", "script", "title", "textarea") or (tag != "html" and "lang" in given)
        if not (hidden or any(one for _, one in self.open)):
            self.said += [
                given.get(name) or "" for name in ("aria-label", "alt", "placeholder", "data-label")
            ]
        if tag not in self.VOID:
            self.open.append((tag, hidden))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in self.VOID:
            self.handle_starttag(tag, attrs)
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        while self.open and self.open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        if not any(hidden for _, hidden in self.open):
            self.said.append(data)


#: Names and units: what is the same in every language, or comes from the records.
NAMES = re.compile(
    r"UTC|Atom|JSON|Feed|API|CSV|PARQUET|PNG|BibTeX|Apache|netdusk|ISO|AS\d+|PK-PB|Punjab|\bms\b|\bs\b|min\b|ioda|"
    r"X \(Twitter\)|YouTube|Google|Facebook|Instagram|Example Carrier \w+|Carrier \w+|TLS|DNS|TCP|HTTP|"
    r"[\w.]+\.example\S*|English|Amna|A cable\.|PTI|[Rr]ally|https?|incidents?"
)


async def test_no_word_on_any_page_goes_past_gettext() -> None:
    said = Corroboration(source="ioda", says=Says.AGREES, signal="bgp", value=1.0, usual=9.0, time=NOW)
    note = Annotation(
        id="n", incident=ID, time=NOW, author="Amna", kind=AnnotationKind.CAUSE, text="A cable."
    )
    over = msgspec.structs.replace(incident(), id="pk-over", status=Status.RESOLVED, resolved=NOW)
    doubted = incident(confirmed=False, unconfirmed_reason="few_networks", corroboration=(said,))
    server = await observatory(doubted, over, more=(note,))
    site, lang = server.site, Marked()
    pages = {
        "now": site.now(lang, NOW),
        "country": site.country("PK", lang, NOW, by="network"),
        "incident": {**site.incident(ID, lang, NOW), "may_annotate": True},
        "incidents": site.incidents(lang, NOW, {}, 0),
        "about": site.about(lang, NOW),
        "platform": site.platform_page("x", lang, NOW),
        "network": site.network_page(64501, lang, NOW),
        "embed": site.country("PK", lang, NOW),
    }
    pages["empty"] = site.country("FR", lang, NOW)
    for name, values in pages.items():
        reader = Reader()
        reader.feed(server._render.page("country" if name == "empty" else name, values).decode())
        text, left = " ".join(reader.said), 1
        while left:  # a phrase may hold others
            text, left = re.subn(r"\[[^\[\]]*\]", " ", text)
        assert "[" not in text and len(reader.said) > 10
        bare = re.findall(r"[^\W\d_]{2,}", NAMES.sub(" ", text))
        assert bare == [], (name, bare)
