"""Every sentence that a reader sees of an incident, and the words in it; the reason of an update alone comes as words.

Sentences say what was measured, in the manner of network observatories, and never who did it. A topic record's summary,
a report's headline and a terminal's line all come from here, so that no two of them disagree. Decides nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from babel import Locale

from detectors.incidents.moves import Announcement
from detectors.incidents.news import CONFIRMED, NOT_CONFIRMED
from detectors.incidents.snapshots import FLOWS_SHARE, Doubt, Fact, Kind, Restoration, Scope, Snapshot
from detectors.readings import Says, Witness
from detectors.settings import IncidentSettings
from detectors.single.signals import is_event
from streams.names import region_name
from streams.pseudonyms import network_name
from streams.records import AnnotationKind, Incident, Status

PLATFORM_NAMES: Final = {
    "x": "X (Twitter)",
    "facebook": "Facebook",
    "instagram": "Instagram",
    "youtube": "YouTube",
    "whatsapp": "WhatsApp",
    "telegram": "Telegram",
    "tiktok": "TikTok",
    "signal": "Signal",
    "wikipedia": "Wikipedia",
    "google": "Google",
}
#: Mechanisms that change the verb of the sentence; all others leave it at "restricted".
_VERBS: Final = {"http.throttled": "throttled"}
#: Each failure as people read it after its step ("TLS: connection reset"): OONI's strings are made for programs.
FAILURE_WORDS: Final[Mapping[str, str]] = {
    "address_family_not_supported": "address family not supported",
    "address_in_use": "address in use",
    "address_not_available": "address not available",
    "connection_aborted": "connection aborted",
    "connection_already_closed": "connection already closed",
    "connection_refused": "connection refused",
    "connection_reset": "connection reset",
    "destination_address_required": "destination address required",
    "host_unreachable": "host unreachable",
    "interrupted": "interrupted",
    "invalid_argument": "invalid argument",
    "message_size": "message too long",
    "network_down": "network down",
    "network_reset": "network reset",
    "network_unreachable": "network unreachable",
    "no_buffer_space": "no buffer space",
    "no_protocol_option": "no such protocol option",
    "not_a_socket": "not a socket",
    "not_connected": "not connected",
    "operation_would_block": "operation would block",
    "permission_denied": "permission denied",
    "protocol_not_supported": "protocol not supported",
    "timed_out": "timed out",
    "wrong_protocol_type": "wrong protocol type",
    "android_dns_cache_no_data": "nothing in Android's cache",
    "dns_bogon_error": "a false address",
    "dns_no_answer": "no answer",
    "dns_non_recoverable_failure": "a failure for good",
    "dns_nxdomain_error": "no such name",
    "dns_refused_error": "refused",
    "dns_reply_with_wrong_query_id": "an answer to another question",
    "dns_server_misbehaving": "an answer that can't be read",
    "dns_servfail_error": "the server failed",
    "dns_temporary_failure": "a failure for now",
    "eof_error": "closed early",
    "generic_timeout_error": "timed out",
    "unknown_failure": "unknown failure",
    "quic_incompatible_version": "no common version",
    "ssl_failed_handshake": "failed handshake",
    "ssl_invalid_certificate": "invalid certificate",
    "ssl_invalid_hostname": "invalid hostname",
    "ssl_unknown_authority": "unknown authority",
    "http_invalid_redirect_location_host": "a redirect that leads nowhere",
    "http_request_failed": "no HTTP answer",
    "http_unexpected_redirect_url": "a redirect elsewhere",
    "http_unexpected_status_code": "unexpected status",
    "json_parse_error": "JSON that can't be read",
    "blockpage": "blockpage",
    "throttled": "throttled",
    "http_unexpected_body": "unexpected body",
}
#: What a person's note is called.
NOTED: Final = {
    AnnotationKind.CAUSE: "cause",
    AnnotationKind.LINK: "link",
    AnnotationKind.FALSE_ALARM: "false alarm",
    AnnotationKind.CLOSED: "closed by a person",
}
#: A sentence names so many things at most, and counts the rest.
LISTED_MAX: Final = 12
#: A longer name is cut in a sentence; the record has it whole.
NAME_MAX: Final = 64
#: Fewer results than this are counted: two of them are no "50 %".
RESULTS_FEW: Final = 10
_MOST: Final = 0.5
#: A platform that was back so many seconds before the others is named at the end with its own duration.
_LONG_BEFORE: Final = 600
#: "Fully" is said only of what half an hour or more of results shows.
_RESTORED: Final = {Restoration.FULL: "fully restored", Restoration.PART: "restored in part"}
#: What answers less often than this is unreachable.
_HARDLY: Final = 0.1
#: What is nearer to its usual than this shows no loss by itself.
_NEAR: Final = 0.05
#: How changes begin in a reason that are in no other part of a sentence.
_UNSAID: Final = ("severity now ", CONFIRMED, NOT_CONFIRMED, "coincides ")
#: From this share of good answers on, a control answers.
_ANSWERS: Final = 0.5
#: Where fewer than half of the other platforms' series are well, or two fifths of the failures are answers with a
#: status of 500 to 599, nobody need have chosen.
_OTHERS_WELL: Final = 0.5
_SERVERS: Final = 0.4
#: More countries or networks than this are counted instead of named: a sentence with four of them can't be read aloud.
NAMED_COUNTRIES_MAX: Final = 3
NAMED_NETWORKS_MAX: Final = 3
#: Countries that English names with an article, besides all islands and territories.
_WITH_ARTICLE: Final = frozenset("AE BS CF DO GB GM IM IO KM MV NL PH SC US VA".split())


# Names


@lru_cache(maxsize=1)
def _territories() -> Mapping[str, str]:
    return dict(Locale("en").territories)


def country_name(code: str, own: Mapping[str, str]) -> str:
    """Return the country's English name: the operator's, else the CLDR's, else the code.

    >>> country_name("PK", {})
    'Pakistan'
    """
    return own.get(code) or _territories().get(code) or code


def _named_within(code: str, own: Mapping[str, str]) -> str:
    """Return a country's name as it stands within an English sentence.

    >>> _named_within("GB", {}), _named_within("PK", {}), _named_within("GB", {"GB": "Britain"})
    ('the United Kingdom', 'Pakistan', 'Britain')
    """
    name = country_name(code, own)
    article = code not in own and (code in _WITH_ARTICLE or name.endswith((" Islands", " Territories")))
    return f"the {name}" if article else name


def platform_name(name: str, settings: IncidentSettings) -> str:
    """Return a platform's name as people write it: the operator's, else ours, else the code.

    >>> platform_name("youtube", IncidentSettings())
    'YouTube'
    """
    known = settings.platform_names.get(name) or PLATFORM_NAMES.get(name) or name
    return known if len(known) <= NAME_MAX else f"{known[:NAME_MAX]}…"


def place_name(country: str | None, settings: IncidentSettings) -> str:
    """Return the country's name, or `several countries` where an incident has none of its own."""
    return "several countries" if country is None else country_name(country, settings.country_names)


def _place_within(country: str | None, settings: IncidentSettings) -> str:
    return place_name(None, settings) if country is None else _named_within(country, settings.country_names)


def listed(words: Sequence[str]) -> str:
    """Return words as a sentence lists them.

    >>> listed(["X", "Facebook", "YouTube"])
    'X, Facebook and YouTube'
    >>> listed([str(number) for number in range(1, 21)])
    '1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 and 8 more'
    """
    if len(words) > LISTED_MAX + 1:
        words = [*words[:LISTED_MAX], f"{len(words) - LISTED_MAX} more"]
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else list(words))


# Numbers and times


def ordinal(number: int) -> str:
    """Return a place in an order, in words up to the tenth.

    >>> ordinal(2), ordinal(11), ordinal(21), ordinal(102), ordinal(113)
    ('second', '11th', '21st', '102nd', '113th')
    """
    words = "first second third fourth fifth sixth seventh eighth ninth tenth".split()
    if 0 < number <= len(words):
        return words[number - 1]
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"


def counted(number: int) -> str:
    """Return a number as a sentence has it, in words up to ten.

    >>> counted(1), counted(10), counted(11)
    ('one', 'ten', '11')
    """
    words = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return words[number] if number < len(words) else str(number)


def duration(seconds: float) -> str:
    """Return a length of time as people say it; half a minute counts as one.

    >>> duration(95), duration(150), duration(7 * 3600 + 1500), duration(50 * 3600)
    ('2 min', '3 min', '7 h 25 min', '2 d 2 h')
    """
    minutes = math.floor(seconds / 60 + 0.5)
    if minutes < 90:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    hours = round(minutes / 60)
    return f"{hours // 24} d {hours % 24} h"


def clock(seconds: int) -> str:
    """Return the time of day of a moment in seconds since 1970.

    >>> clock(1705758060)
    '13:41 UTC'
    """
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M UTC")


def since_when(onset: int, now: int) -> str:
    """Return since when something goes on: the time of day, and from the second day on the date and for how long.

    >>> since_when(1705758060, 1705758600), since_when(1705758060, 1707745260)
    ('since 13:41 UTC', 'since 20 January 2024, 13:41 UTC (23 days)')
    """
    days = (now - onset) // 86_400
    if not days:
        return f"since {clock(onset)}"
    began = datetime.fromtimestamp(onset, UTC)
    return f"since {began.day} {began:%B %Y}, {clock(onset)} ({days} day{'' if days == 1 else 's'})"


# Sentences

#: Most networks of a country that fell so much later than the first have a time of their own in its sentence.
_MUCH_LATER: Final = 300


@dataclass(frozen=True, slots=True)
class Extent:
    """How far an incident reaches, as a headline needs it. `networks` are the names of those that lost something."""

    kind: Kind
    scope: Scope
    country: str | None
    countries: tuple[str, ...]
    regions: tuple[str, ...]
    networks: tuple[str, ...]
    networks_live: int
    vantages: int = 0

    @property
    def live(self) -> int:
        """Networks that report; those that lost something are among them."""
        return max(self.networks_live, len(self.networks))

    @property
    def one_vantage_each(self) -> bool:
        """Whether each network has one vantage."""
        return self.vantages <= self.live


def extent_of(incident: Snapshot | Incident, *, over: bool) -> Extent:
    """Return how far an incident reaches; once it is `over`, networks and regions that are back belong to it still."""
    lost = [network for network in incident.networks if network.recovered is None or over]
    restored = incident.regions_back if isinstance(incident, Snapshot) else incident.regions_restored
    if incident.scope is Scope.NATION_SCALE or not lost:
        lost = list(incident.networks)
    return Extent(
        kind=incident.kind,
        scope=incident.scope,
        country=incident.country,
        countries=tuple(incident.countries),
        regions=tuple(region for region in incident.regions if over or region not in restored),
        networks=tuple(network_name(network.asn, network.name) for network in lost),
        networks_live=incident.networks_live,
        vantages=incident.vantages,
    )


def _where(extent: Extent, settings: IncidentSettings, *, brief: bool = False) -> str:
    """`brief` leaves out on how many networks a nation-scale incident rests: for headlines."""
    if settings.own_services and extent.networks:
        return _from_vantages(extent)
    if extent.kind is Kind.GLOBAL:
        return _worldwide([_named_within(code, settings.country_names) for code in extent.countries])
    country = _place_within(extent.country, settings)
    count = len(extent.networks)
    of_networks = f"on {count} of {extent.live} networks"
    regions = listed([region_name(code, settings.country_names) for code in extent.regions])
    if extent.scope is Scope.NATION_SCALE:
        across = f"across {country}, in {regions}" if extent.regions else f"across {country}"
        return across if brief else f"{across} {of_networks}"
    if extent.scope is Scope.REGION and extent.regions:
        return f"in {regions}, {country}"
    if not count:
        return f"in {country}"
    if count <= NAMED_NETWORKS_MAX:
        return f"in {country} on {listed(extent.networks)}"
    return f"in {country} {of_networks}"


def _worldwide(countries: Sequence[str]) -> str:
    """Where it is lost for all the world; in one country it is the controls, outside of it, that say so.

    >>> _worldwide(["Nepal"]), _worldwide(["Iran", "Nepal"]), _worldwide(["Iran", "Iraq", "Mali", "Nepal"])
    ('in Nepal and from outside it', 'in Iran and Nepal', 'in 4 countries')
    """
    if len(countries) > NAMED_COUNTRIES_MAX:
        return f"in {len(countries)} countries"
    if not countries:
        return "in several countries"
    return f"in {listed(countries)}" if len(countries) > 1 else f"in {countries[0]} and from outside it"


def _from_vantages(extent: Extent) -> str:
    """Whoever watches services of their own is told of vantages, where each has a network to itself, or of networks."""
    what = "vantages" if extent.one_vantage_each else "networks"
    return f"from {len(extent.networks)} of {extent.live} of your {what}"


def verb_of(incident: Snapshot | Incident, settings: IncidentSettings) -> str:
    """Return what a sentence says of the platforms: no more than was measured.

    "Restricted" and "throttled" speak of a choice among platforms. Where all that is watched is lost, there was none;
    nor where the platform's own servers answer with an error, or where several countries fail alike.
    """
    if isinstance(incident, Snapshot):
        mechanism, left, over = incident.mechanism, incident.reachability, incident.resolved is not None
    else:
        mechanism = incident.mechanism.name if incident.mechanism else None
        left, over = incident.reachability.now, incident.status is Status.RESOLVED
    slow = mechanism in _VERBS
    if incident.kind is Kind.GLOBAL:
        return "unreachable" if left < _HARDLY and not over else "disrupted"
    if settings.own_services and not slow:
        return "unreachable"
    if _is_all_that_is_watched(incident) or _is_no_choice(incident):
        return "slowed down" if slow else "disrupted"
    return _VERBS.get(mechanism or "", "restricted")


def _is_all_that_is_watched(incident: Snapshot | Incident) -> bool:
    """Whether no other platform is watched on the networks of an incident with several platforms."""
    facts = incident.facts if isinstance(incident, Snapshot) else incident.evidence
    several = incident.kind is Kind.PLATFORM and len(incident.platforms) > 1
    return several and bool(facts) and all(fact.name != "selectivity" for fact in facts)


def _is_no_choice(incident: Snapshot | Incident) -> bool:
    """Whether nobody need have chosen: most others there fail too, servers err, or countries fail alike."""
    facts = incident.facts if isinstance(incident, Snapshot) else incident.evidence
    values = {fact.name: fact.value for fact in facts if fact.value is not None}
    if incident.kind is not Kind.PLATFORM:
        return False
    return (
        values.get("selectivity", 1.0) < _OTHERS_WELL
        or values.get("server_errors", 0.0) >= _SERVERS
        or "alike_countries" in values
    )


def _alike(snapshot: Snapshot) -> list[str]:
    fact = next((fact for fact in snapshot.facts if fact.name == "alike_countries"), None)
    return [] if fact is None else [f"the same fails alike in {counted(fact.n - 1)} other countries"]


def _control(snapshot: Snapshot, settings: IncidentSettings) -> list[str]:
    """What the control says, for services of one's own: is it us, or the way to us?"""
    fact = next((fact for fact in snapshot.facts if fact.name == "control"), None)
    if not settings.own_services or fact is None or fact.value is None:
        return []
    return [
        "control from elsewhere answers" if fact.value >= _ANSWERS else "control from elsewhere fails too"
    ]


def _apart(snapshot: Snapshot) -> list[str]:
    """What the figures leave out: vantages that are well where most of a network's are not."""
    fact = next((fact for fact in snapshot.facts if fact.name == "vantages_apart"), None)
    if fact is None or fact.value is None:
        return []
    return [f"{round(fact.value * fact.n)} of {fact.n} vantages there are well, and not counted"]


def _platforms(names: Sequence[str], settings: IncidentSettings) -> str:
    return listed([platform_name(name, settings) for name in names])


def _lost_platforms(
    names: Sequence[str], addresses: Mapping[str, tuple[int, int]], settings: IncidentSettings
) -> str:
    """Name what is lost: a platform, or some of its addresses where others of it are well (`addresses`: how many)."""
    words = []
    for name in names:
        lost, watched = addresses.get(name, (0, 0))
        called = platform_name(name, settings)
        words.append(f"{counted(lost)} of {counted(watched)} addresses of {called}" if lost else called)
    return listed(words)


def _addresses(snapshot: Snapshot) -> dict[str, tuple[int, int]]:
    return {one.platform: (len(one.targets), one.watched) for one in snapshot.by_platform if one.targets}


def lost_addresses(incident: Incident) -> dict[str, tuple[int, int]]:
    """Return how many addresses of a platform are lost, of how many, where others of it are well."""
    return {
        one.platform: (len(one.targets), one.targets_watched)
        for one in incident.platforms_detail
        if one.targets
    }


def summary(snapshot: Snapshot, settings: IncidentSettings) -> str:
    """Return the one plain sentence of a snapshot on what was measured."""
    if snapshot.closed:
        text = _closed(snapshot, settings)
    else:
        text = _restored(snapshot, settings) if snapshot.resolved is not None else _lost(snapshot, settings)
    if snapshot.unregistered:
        text = f"{text} It rests on unregistered vantages."
    return f"SIMULATED: {text}" if snapshot.simulated else text


def _closed(snapshot: Snapshot, settings: IncidentSettings) -> str:
    where = _where(extent_of(snapshot, over=snapshot.resolved is not None), settings)
    if snapshot.kind is Kind.CONNECTIVITY:
        what = f"the loss of connectivity {where}"
    else:
        platforms = _lost_platforms(snapshot.platforms, _addresses(snapshot), settings)
        what = f"{platforms} {verb_of(snapshot, settings)} {where}"
    head = "Withdrawn" if snapshot.retracted else "Closed"
    return f"{head}: {what} since {clock(snapshot.onset)}; {snapshot.reason}."


def _lost(snapshot: Snapshot, settings: IncidentSettings) -> str:
    where = _where(extent_of(snapshot, over=snapshot.resolved is not None), settings)
    since = _since(snapshot)
    if snapshot.kind is Kind.CONNECTIVITY:
        head = f"Live metrics show a loss of connectivity {where} {since}"
        if snapshot.doubt == Doubt.CROWD:
            whence = _from(extent_of(snapshot, over=False), settings)
            head = f"Live metrics show that hardly any measurements arrive {whence} {since}"
    else:
        platforms = _lost_platforms(snapshot.platforms, _addresses(snapshot), settings)
        head = f"Live metrics show {platforms} {verb_of(snapshot, settings)} {where} {since}"
    if _is_perhaps_over(snapshot):
        head = f"{head}, and perhaps no more"
    tail = [_figures(snapshot), *_unsaid(snapshot)]
    if snapshot.speed is not None:
        tail.insert(0, f"answers come at {snapshot.speed:.0%} of their usual speed")
    if snapshot.mechanism is not None and snapshot.mechanism not in _VERBS:
        tail.append(_failing(snapshot.mechanism, snapshot.mechanism_share, snapshot.reachability))
    tail += _apart(snapshot)
    tail += _alike(snapshot)
    tail += _control(snapshot, settings)
    if _is_all_that_is_watched(snapshot) and not settings.own_services:
        tail.append("no other platform is watched there")
    if snapshot.kind is Kind.CONNECTIVITY and snapshot.doubt == Doubt.CROWD:
        tail.append("those who measure there promise no rhythm, and may just measure less")
    elif snapshot.kind is Kind.CONNECTIVITY and snapshot.doubt == Doubt.OWN_PATH:
        tail.append("nothing from elsewhere shows that our own path works")
    back = sum(network.recovered is not None for network in snapshot.networks)
    if back:
        tail.append(f"partially restored, on {back} of {len(snapshot.networks)} networks")
    elif snapshot.back:
        tail.append(f"{_platforms(snapshot.back, settings)} restored")
    if snapshot.regions_back:
        regions = listed([region_name(code, settings.country_names) for code in snapshot.regions_back])
        tail.append(f"restored in {regions}")
    tail += _unheard(snapshot, settings)
    if before := _like_before(snapshot):
        place = ordinal(before + 1)
        tail.append(f"the {place} like incident within {settings.previous_days} days")
    return f"{head}; {'; '.join(tail)}."


def _is_perhaps_over(snapshot: Snapshot) -> bool:
    """Whether its own figure shows no loss, though it is not known yet whether it is over."""
    now = snapshot.reachability if snapshot.in_regions is None else snapshot.in_regions
    if snapshot.kind is Kind.CONNECTIVITY:
        return now >= FLOWS_SHARE
    return snapshot.results > 0 and snapshot.speed is None and now > snapshot.usual - _NEAR


def _unsaid(snapshot: Snapshot) -> list[str]:
    """Return what changed, of which the rest of a sentence says nothing."""
    changes = snapshot.reason.split("; ") if snapshot.status is Announcement.UPDATED else []
    levels = [change.rpartition(", ")[2] for change in changes if change.endswith("% before")]
    return [*levels, *(change for change in changes if change.startswith(_UNSAID))]


def _since(snapshot: Snapshot) -> str:
    """Return since when it is lost, and since when on most networks where a few had lost it long before."""
    since = since_when(snapshot.onset, snapshot.updated)
    most = _most_onset(snapshot)
    return since if most is None else f"{since}, on most networks {since_when(most, snapshot.updated)}"


def _most_onset(snapshot: Snapshot) -> int | None:
    """Return since when most networks had lost it; None where that is about its onset."""
    onsets = sorted(network.onset for network in snapshot.networks)
    if snapshot.scope is Scope.NATION_SCALE and onsets:
        most = onsets[len(onsets) // 2]
        return most if most - snapshot.onset > _MUCH_LATER else None
    return None


def _like_before(snapshot: Snapshot) -> int:
    """How many like incidents there were: of its platforms, and from about the same networks."""
    counted = next((fact.value for fact in snapshot.facts if fact.name == "like_incidents"), None)
    return len(snapshot.previous) if counted is None else int(counted)


def _from(extent: Extent, settings: IncidentSettings) -> str:
    """Return whence measurements of a crowd do not arrive, or do again."""
    count = len(extent.networks)
    country = _place_within(extent.country, settings)
    return f"from {country}, on {count} of {max(extent.networks_live, count)} networks,"


def failure_words(mechanism: str) -> str:
    """Stage and failure in words, for a picture.

    >>> print(failure_words("tls.connection_reset"), failure_words("http.generic_timeout_error"), sep="; ")
    TLS: connection reset; HTTP: timed out
    >>> print(failure_words("dns.dns_nxdomain_error"), failure_words("http.http_unexpected_status_code:503"), sep="; ")
    DNS: no such name; HTTP: status 503
    """
    stage, _, failure = mechanism.partition(".")
    failure, _, status = failure.partition(":")
    if status:
        return f"{stage.upper()}: status {status}"
    # What an archive holds may be of a later version, with failures that this one does not know.
    return (
        f"{stage.upper()}: {FAILURE_WORDS.get(failure, failure.replace('_', ' '))}" if failure else mechanism
    )


def _failing(mechanism: str, share: float, reachability: float) -> str:
    """Return how it fails, in words that hold: most attempts, most of the failures, or the most frequent of them.

    >>> _failing("tls.connection_reset", 0.9, 0.1), _failing("tls.connection_reset", 0.9, 0.7)
    ('most attempts fail with tls.connection_reset', 'most failures are tls.connection_reset')
    >>> _failing("http.http_unexpected_status_code:503", 0.9, 0.1)
    'most attempts fail with HTTP status 503'

    Some sources tell at which step an attempt ended and not how, and some not even that.

    >>> _failing("dns.unknown_failure", 0.9, 0.1), _failing("unknown.unknown_failure", 0.9, 0.1)
    ('most attempts fail with a DNS failure of unknown kind', 'most attempts fail with a failure of unknown kind')
    """
    failure, _, status = mechanism.partition(":")
    mechanism = f"HTTP status {status}" if status else failure
    stage, _, how = mechanism.partition(".")
    if how == "unknown_failure":
        mechanism = f"a {'' if stage == 'unknown' else f'{stage.upper()} '}failure of unknown kind"
    if share * (1.0 - reachability) > _MOST:
        return f"most attempts fail with {mechanism}"
    return f"most failures are {mechanism}" if share > _MOST else f"the most frequent failure is {mechanism}"


def _restored(snapshot: Snapshot, settings: IncidentSettings) -> str:
    over = snapshot.resolved or snapshot.updated
    lasted = duration(max(0, over - snapshot.onset))
    if (most := _most_onset(snapshot)) is not None:
        lasted = f"{lasted}, on most networks after {duration(max(0, over - most))}"
    connectivity = snapshot.kind is Kind.CONNECTIVITY
    lost = _lost_platforms(snapshot.platforms, _addresses(snapshot), settings)
    slow = snapshot.mechanism in _VERBS
    what = "connectivity" if connectivity else f"the usual speed of {lost}" if slow else f"access to {lost}"
    if connectivity and snapshot.doubt == Doubt.CROWD:
        whence = _from(extent_of(snapshot, over=True), settings)
        return (
            f"Live metrics show that measurements arrive again {whence} after {lasted}; {_figures(snapshot)}."
        )
    word = _RESTORED.get(snapshot.restoration, "restored")
    extent = extent_of(snapshot, over=True)
    if back := tuple(network for network in snapshot.networks if network.recovered is not None):
        # Of the others nothing was heard.
        extent = extent_of(replace(snapshot, networks=back), over=True)
    where = _where(extent, settings)
    tail = [_figures(snapshot), *_earlier(snapshot, settings), *_unheard(snapshot, settings)]
    return f"Live metrics show that {what} is {word} {where} after {lasted}; {'; '.join(tail)}."


def _unheard(snapshot: Snapshot, settings: IncidentSettings) -> list[str]:
    """Return of how many networks, and of which platforms, nothing has been heard for long, or to the end."""
    facts = []
    if snapshot.unheard:
        facts.append(f"nothing has been heard from {snapshot.unheard} of those affected")
    if snapshot.unheard_platforms:
        facts.append(f"{_platforms(snapshot.unheard_platforms, settings)} not heard of any more")
    return facts


def _earlier(snapshot: Snapshot, settings: IncidentSettings) -> list[str]:
    """Return which platforms were back long before the incident was over, and after how long."""
    over = snapshot.resolved or snapshot.updated
    by_duration: dict[str, list[str]] = {}
    for one in snapshot.by_platform:
        if one.recovered is not None and over - one.recovered > _LONG_BEFORE:
            lasted = duration(max(0, one.recovered - snapshot.onset))
            by_duration.setdefault(lasted, []).append(one.platform)
    return [
        f"{_platforms(names, settings)} {'was' if len(names) == 1 else 'were'} back after {lasted}"
        for lasted, names in by_duration.items()
    ]


def _figures(snapshot: Snapshot) -> str:
    if snapshot.kind is Kind.CONNECTIVITY:
        arrives = f"{snapshot.reachability:.0%}"
        there = f"{snapshot.in_regions:.0%}" if snapshot.in_regions is not None else arrives
        if there != arrives:
            return f"{there} of the usual results arrive there, {arrives} in the whole country"
        return f"{arrives} of the usual results arrive"
    usually = f"usually {snapshot.usual:.0%}"
    if not snapshot.learned:
        what = "what is usual" if snapshot.speed is None else "how many usually do"
        usually = f"{what} has not been learned yet"
    if 0 < snapshot.results < RESULTS_FEW:
        succeeded = round(snapshot.reachability * snapshot.results)
        return f"{succeeded} of the last {snapshot.results} attempts succeeded, {usually}"
    if snapshot.in_regions is not None:
        there = f"{snapshot.in_regions:.0%} of attempts succeed there"
        return f"{there}, {snapshot.reachability:.0%} in the whole country, {usually}"
    return f"{snapshot.reachability:.0%} of attempts succeed, {usually}"


def _onset_spread(fact: Fact) -> str:
    figures = fact.figures
    tail = "" if figures["together"] else ": one after another"
    return f"{fact.n} {figures['of']} began to lose within {fact.value:.0f} s of each other{tail}"


def _well_elsewhere(fact: Fact) -> str:
    return f"{fact.figures['well']} of {fact.n} series of other platforms on the same networks were well meanwhile"


def _vantages_apart(fact: Fact) -> str:
    return (
        f"{fact.figures['well']} of {fact.n} vantages on the networks that lost it were well, and are in none of the "
        "figures: what most of a network's vantages measure counts"
    )


def _answered_outside(fact: Fact) -> str:
    by = ", with one vote a network," if fact.figures.get("by") == "network" else ""
    answered = fact.figures["answered"]
    return f"for {answered:.0%} of the recent failures{by} the same target answered outside the country"


def _contrast(fact: Fact) -> str:
    figures = fact.figures
    text = (
        f"at the same moments, from the same vantages, it came at {figures['middle']:.0%} of its control's speed "
        f"({figures['low']:.0%} to {figures['high']:.0%}, 95 %) on the networks that lost it"
    )
    if "elsewhere" in figures:
        text += f", and at {figures['elsewhere']:.0%} on {figures['others']} others"
    return text


def _sameness(fact: Fact) -> str:
    figures = fact.figures
    return f"{figures['same']} of {fact.n} networks fail in the same way, {figures['mechanism']}"


def _server_errors(fact: Fact) -> str:
    return (
        f"{fact.value:.0%} of the recent failures are answers with a status of 500 to 599, which servers give"
    )


def _alike_countries(fact: Fact) -> str:
    return f"the same platforms began to fail within half an hour, in the same ways, in {fact.n} countries"


def _certificate(fact: Fact) -> str:
    figures = fact.figures
    text = (
        f"{figures['share']:.0%} of the failures are one certificate error, {figures['error']}, "
        f"on {figures['same']} of {figures['networks']} networks"
    )
    if "others" in figures:
        text += (
            f"; {figures['well']} of {figures['others']} series of other platforms, with certificates of their own, "
            "were well there"
        )
    if "answered" in figures:
        text += f"; for {figures['answered']:.0%} the same target answered outside the country"
    return text


def _half_hour_mark(fact: Fact) -> str:
    off = int(fact.value or 0)
    where = "on most networks " if fact.figures["of"] == "most" else ""
    side = "after" if off >= 0 else "before"
    return (
        f"began {where}at {clock(int(fact.figures['onset']))}, {abs(off) // 60} min {side} a half-hour mark of local "
        "time; 86 % of labelled government and exam shutdowns begin on one, and 27 % of spontaneous outages, which is "
        "chance"
    )


def _recurrence(fact: Fact) -> str:
    return (
        f"{fact.value:.0f} like incidents began at this time of day within the last {fact.figures['days']} days; "
        "48 % of labelled government and exam shutdowns have one, and no spontaneous outage"
    )


def _like_incidents(fact: Fact) -> str:
    return f"{fact.n} like incidents within the last {fact.figures['days']} days"


def _calendar(fact: Fact) -> str:
    lead = int(fact.value or 0)
    when = f"{lead // 60} min before" if lead > 0 else "during"
    return f"began {when} {fact.figures['event']}"


def _countries(fact: Fact) -> str:
    return f"lost in {fact.figures['lost']} of {fact.n} watched countries"


_EVIDENCE: Final[Mapping[str, Callable[[Fact], str]]] = {
    "onset_spread": _onset_spread,
    "selectivity": _well_elsewhere,
    "vantages_apart": _vantages_apart,
    "control": _answered_outside,
    "contrast": _contrast,
    "mechanism_sameness": _sameness,
    "server_errors": _server_errors,
    "alike_countries": _alike_countries,
    "certificate": _certificate,
    "half_hour_mark": _half_hour_mark,
    "recurrence": _recurrence,
    "like_incidents": _like_incidents,
    "calendar": _calendar,
    "countries": _countries,
}


def evidence_text(fact: Fact) -> str:
    """Return a measured fact in words. One that was kept with its sentence keeps it.

    >>> evidence_text(Fact("countries", 0.5, "ratio", 40, figures={"lost": 20}))
    'lost in 20 of 40 watched countries'
    >>> evidence_text(Fact("countries", 0.5, "ratio", 40, "as it was written then"))
    'as it was written then'
    """
    return fact.text or _EVIDENCE[fact.name](fact)


#: Sources of signals, as people call them.
SOURCE_NAMES: Final = {
    "ioda": "IODA",
    "cloudflare_radar": "Cloudflare Radar",
    "ripe_atlas": "RIPE Atlas",
    "tor_metrics": "Tor Metrics",
}
_SAID: Final = {
    Says.LATE: "has nothing newer yet",
    Says.SILENT: "has fallen silent",
}


def corroboration(witness: Witness) -> str:
    """What another source says, in one sentence.

    >>> corroboration(Witness("ioda", Says.AGREES, "ping-slash24", 2100.0, 7310.0, 1705758000))
    'IODA agrees: ping-slash24 at 2,100 since 13:40 UTC, usually 7,310.'
    >>> corroboration(Witness("ioda", Says.AGREES, "bgp", 3.0, 90.0, 1705758000, None, 1705761600))
    'IODA agrees: bgp at 3 from 13:40 to 14:40 UTC, usually 90.'
    """
    source = SOURCE_NAMES.get(witness.source, witness.source)
    if witness.says is Says.AGREES and witness.value is None:
        return f"{source} agrees: {witness.name}."
    if witness.says in _SAID:
        return f"{source} {_SAID[witness.says]}: {witness.name}."
    when = f" since {clock(witness.time)}" if witness.time is not None else ""
    if witness.time is not None and witness.until is not None:
        when = f" from {clock(witness.time)[:5]} to {clock(witness.until)}"
    if is_event(witness.name):
        return f"{source} {witness.says}: it tells of an outage itself{when}."
    if witness.says is Says.DISAGREES:
        when = f" at {clock(witness.time)}" if witness.time is not None else ""
    return f"{source} {witness.says}: {witness.name} at {witness.value:,.4g}{when}, usually {witness.usual:,.4g}."


def headline(incident: Incident, settings: IncidentSettings) -> str:
    """Return what happened in one plain line, in the present while it lasts and in the past once it is over."""
    over = incident.status is Status.RESOLVED
    where = _where(extent_of(incident, over=incident.status is Status.RESOLVED), settings, brief=True)
    if incident.kind is Kind.CONNECTIVITY:
        what = "that connectivity was lost" if over else "a loss of connectivity"
        if incident.unconfirmed_reason == Doubt.CROWD:
            what = "that hardly any measurements arrived" if over else "hardly any measurements"
            where = f"from {_place_within(incident.country, settings)}"
    else:
        addresses = lost_addresses(incident)
        names = _lost_platforms(incident.platforms, addresses, settings)
        verb = verb_of(incident, settings)
        many = len(incident.platforms) != 1 or any(lost > 1 for lost, _ in addresses.values())
        was = "were" if many else "was"
        what = f"that {names} {was} {verb}" if over else f"{names} {verb}"
    text = f"Live metrics show {what} {where}"
    return f"{text} for {duration(seconds_on_most(incident))}" if over else text


def seconds_on_most(incident: Incident) -> int:
    """How long it has lasted on most of its networks, where a few had lost it long before; else how long in all."""
    onsets = sorted(network.onset for network in incident.networks)
    if incident.scope is not Scope.NATION_SCALE or not onsets:
        return incident.duration_seconds
    later = int((onsets[len(onsets) // 2] - incident.onset).total_seconds())
    return max(0, incident.duration_seconds - (later if later > _MUCH_LATER else 0))


def as_title(text: str) -> str:
    """Return a headline as a title, without who says so.

    >>> as_title("Live metrics show that X was restricted across Pakistan for 50 min")
    'X was restricted across Pakistan for 50 min'
    """
    text = text.removeprefix("Live metrics show ").removeprefix("that ")
    return text[:1].upper() + text[1:]
