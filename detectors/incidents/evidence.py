"""Evidence: measured facts about an incident, each with its figure, sample size and source. Never who did it.

`fits` names the patterns that a reading is usual for. The table in docs/incidents.md says the same for a person; no
fact here adds them up.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from statistics import median_low, variance
from typing import Final

import msgspec

from detectors.incidents.case import TURN_SECONDS, Case
from detectors.incidents.causes import ALIKE, alike, networks_in
from detectors.incidents.falls import ROLLING_SECONDS
from detectors.incidents.snapshots import Fact, Kind, Scope
from detectors.localtime import local_seconds
from detectors.readings import Contrasted, CountryReading, Scheduled
from detectors.settings import IncidentSettings

CARRIER: Final = "a fault of one carrier"
PLATFORM: Final = "a fault of the platform"
ORDER: Final = "filtering by order"
AUTHORITY: Final = "an expired or distrusted certificate authority"
#: Failures of this form say that a certificate was not accepted.
CERTIFICATE_ERRORS: Final = ("tls.ssl_", "quic.ssl_", "http.ssl_")
#: Failures of this form are answers of the platform's servers that they can't serve.
SERVER_ERRORS: Final = "http.http_unexpected_status_code:5"
#: From this share of the failures on they are told.
_TELLING_SHARE: Final = 0.2
#: Incidents fail alike where this share of their failures is the same, and that is told of so many countries.
_ALIKE_WAYS: Final = 0.5
_COUNTRIES_ALIKE: Final = 3
#: So many recent failures say something about their kind.
_FAILURES_MIN: Final = 3.0

IODA: Final = (
    "Bischof et al., Destination Unreachable: Characterizing Internet Outages and Shutdowns, ACM SIGCOMM 2023 "
    "(IODA's investigated outages, one row a country-month)"
)
OONI: Final = (
    "OONI's pipeline scores a failure with a good control .75 to .9 blocked, with the control failing too .25"
)
HALF_HOUR_SECONDS: Final = 1800
#: Four minutes to either side of :00 and :30 are 27 % of all minutes: chance, as the labelled outages show it.
MARK_SECONDS: Final = 240
# Three windows: as close as detectors of one window's grain can tell.
_TOGETHER_SECONDS: Final = 180
_MOST: Final = 0.8
#: So many contrasts of a network say how quick it is; below and above these shares of a control's speed is telling.
_CONTRASTS_MIN: Final = 3.0
_SLOW: Final = 0.2
_QUICK: Final = 0.5
#: Two-sided 95 %.
_Z: Final = 1.96


class PastIncident(msgspec.Struct, frozen=True):
    """An incident that is over, as much as later ones need of it. This is also how it is stored."""

    id: str
    kind: str
    platforms: tuple[str, ...]
    onset: int
    resolved: int
    # Whether it was nation-scale, and the networks and regions that it reached; unknown of older ones.
    wide: bool | None = None
    reach: tuple[str, ...] = ()


def past_case(case: Case) -> PastIncident:
    """What later ones need of an incident that is over."""
    resolved = case.resolved if case.resolved is not None else case.updated
    return PastIncident(
        case.id, case.kind.value, tuple(case.platforms), case.onset, resolved, _is_wide(case), _reach(case)
    )


def kindred(case: Case, past: PastIncident) -> bool:
    """Whether a past incident took away the same kind of thing, wherever."""
    return past.kind == case.kind and (
        case.kind is Kind.CONNECTIVITY or not set(past.platforms).isdisjoint(case.platforms)
    )


def like(case: Case, past: PastIncident) -> bool:
    """Whether a past incident that is kindred took it away from about the same: the nation, or half of the networks."""
    if past.wide is None:
        return True
    if _is_wide(case) or past.wide:
        return past.wide and _is_wide(case)
    return alike(_reach(case), past.reach) >= ALIKE


def _is_wide(case: Case) -> bool:
    return Scope.NATION_SCALE in (case.scope, case.widest)


def _reach(case: Case) -> tuple[str, ...]:
    return (*(str(asn) for asn in case.networks), *case.regions)


def at_same_time(one: int, other: int, settings: IncidentSettings) -> bool:
    """Whether two starts lie at the same time of day.

    >>> at_same_time(0, 86_400 * 3 - 600, IncidentSettings())
    True
    """
    apart = (one - other) % 86_400
    return min(apart, 86_400 - apart) <= settings.time_of_day_seconds


def coincident(case: Case, event: Scheduled, now: int, settings: IncidentSettings) -> bool:
    """Whether the incident began shortly before the event, or lasted into it."""
    until = case.resolved if case.resolved is not None else now
    return case.onset <= event.end and (
        until >= event.start or event.start - case.onset <= settings.calendar_lead_seconds
    )


def facts(
    case: Case, reading: CountryReading, calendar: Mapping[str, Scheduled], settings: IncidentSettings
) -> list[Fact]:
    """Everything measured, in the order in which a report tells it. What can't be measured is left out."""
    measured = [
        _onset_spread(case),
        _selectivity(case),
        _apart(case),
        _control(case),
        _contrast(case, reading),
        _sameness(case),
        _server_errors(case),
        _alike_countries(case),
        _certificate(case),
        # Of services of one's own nothing was ever ordered.
        None if settings.own_services else _half_hour(case),
        None if settings.own_services else _recurrence(case, settings),
        _within_month(case, settings),
        *_coincidence(case, calendar),
    ]
    return [fact for fact in measured if fact is not None]


def network_onsets(case: Case) -> dict[int, int]:
    """When each network began to lose: the middle one of its parts, and not before the incident did."""
    onsets: dict[int, list[int]] = {}
    for (_, asn, region), loss in case.losses.items():
        if not region:
            onsets.setdefault(asn, []).append(loss.onset)
    return {asn: max(case.onset, median_low(values)) for asn, values in sorted(onsets.items())}


def onset_of_most(case: Case) -> int:
    """When a loss of the whole country had reached most of its networks; where that was at once, when it began.

    A few that fell long before, or said so, would otherwise date the fall of all the others. Of several platforms the
    first that most networks lost counts: another may have followed hours later.
    """
    if case.scope is not Scope.NATION_SCALE or not case.networks:
        return case.onset
    by_platform: dict[str, list[int]] = {}
    for (platform, _, region), loss in case.losses.items():
        if not region:
            by_platform.setdefault(platform, []).append(loss.onset)
    wide = [sorted(onsets) for onsets in by_platform.values() if 2 * len(onsets) > len(case.networks)]
    onsets = wide or [sorted(network_onsets(case).values())]
    most = min(of_one[len(of_one) // 2] for of_one in onsets)
    return most if most - case.onset > TURN_SECONDS else case.onset


def _onset_spread(case: Case) -> Fact | None:
    onsets = network_onsets(case)
    if len(onsets) < 2:
        return None
    spread = max(onsets.values()) - min(onsets.values())
    together = spread <= _TOGETHER_SECONDS
    return Fact(
        "onset_spread",
        float(spread),
        "s",
        len(onsets),
        fits=(PLATFORM, ORDER) if together else (ORDER,),
        figures={"of": "networks", "together": int(together)},
    )


def _selectivity(case: Case) -> Fact | None:
    well, total = case.others
    if not total:
        return None
    ratio = well / total
    picked = ratio >= _MOST
    networks = set(case.networks)
    return Fact(
        "selectivity",
        round(ratio, 4),
        "ratio",
        total,
        fits=(PLATFORM, ORDER) if picked else ((CARRIER,) if len(networks) == 1 else ()),
        figures={"well": well},
    )


def _apart(case: Case) -> Fact | None:
    well, many = case.apart
    if not well:
        return None
    return Fact("vantages_apart", round(well / many, 4), "ratio", many, figures={"well": well})


def _control(case: Case) -> Fact | None:
    good = sum(pair[0] for pair in case.controls.values())
    bad = sum(pair[1] for pair in case.controls.values())
    total = good + bad
    if total < 1:
        return None
    ratio = good / total
    return Fact(
        "control",
        round(ratio, 4),
        "ratio",
        round(total),
        source=OONI,
        fits=(CARRIER, ORDER) if ratio >= _MOST else ((PLATFORM,) if ratio <= 1 - _MOST else ()),
        figures={"answered": ratio},
    )


def _contrast(case: Case, reading: CountryReading) -> Fact | None:
    """How quick its platforms are beside a control, measured by the same vantages at the same moments."""
    lost = {(platform, asn) for (platform, asn, _), loss in case.losses.items() if loss.back is None}
    lost = lost or {(platform, asn) for platform, asn, _ in case.losses}
    slow = [one for key, one in sorted(reading.contrasts.items()) if key in lost]
    ratio = _geometric(slow)
    if ratio is None:
        return None
    middle, low, high = ratio
    others = [
        one
        for (platform, asn), one in sorted(reading.contrasts.items())
        if platform in case.platforms and (platform, asn) not in lost
    ]
    elsewhere = _geometric(others)
    figures: dict[str, int | float | str] = {"middle": middle, "low": low, "high": high}
    if elsewhere is not None:
        figures |= {"elsewhere": elsewhere[0], "others": len(others)}
    telling = middle <= _SLOW and elsewhere is not None and elsewhere[0] >= _QUICK
    n = round(sum(one.n for one in slow))
    return Fact("contrast", round(middle, 4), "ratio", n, fits=(ORDER,) if telling else (), figures=figures)


def _geometric(contrasts: Sequence[Contrasted]) -> tuple[float, float, float] | None:
    """The geometric mean over networks, each with one vote, and between which values the truth lies, at 95 %.

    How far a network's own mean may be off is its own scatter; networks differ besides. None where results are few.

    >>> [round(value, 2) for value in _geometric([Contrasted(10, -50, 250), Contrasted(40, -120, 360)]) or ()]
    [0.06, 0.02, 0.24]
    """
    means = [one.total / one.n for one in contrasts if one.n >= _CONTRASTS_MIN]
    if not means:
        return None
    if len(means) == 1:
        only = next(one for one in contrasts if one.n >= _CONTRASTS_MIN)
        spread = max(0.0, only.square / only.n - means[0] ** 2) / (only.n - 1.0)
    else:
        spread = variance(means) / len(means)
    off = _Z * sqrt(spread)
    middle = sum(means) / len(means)
    return 2.0**middle, 2.0 ** (middle - off), 2.0 ** (middle + off)


def _sameness(case: Case) -> Fact | None:
    own = case.mechanism_by_network()
    if len(own) < 2 or case.mechanism is None:
        return None
    same = sum(name == case.mechanism for name in own.values())
    ratio = same / len(own)
    # A platform's own fault looks the same from everywhere; an order is carried out by each carrier in its own way.
    return Fact(
        "mechanism_sameness",
        round(ratio, 4),
        "ratio",
        len(own),
        fits=(PLATFORM, ORDER) if ratio >= _MOST else (ORDER,),
        figures={"same": same, "mechanism": case.mechanism},
    )


def _server_errors(case: Case) -> Fact | None:
    """The share of the failures in which the platform's own servers, or their front, answered that they can't."""
    totals = case.mechanism_totals()
    failures = sum(totals.values())
    if failures < _FAILURES_MIN:
        return None
    share = sum(count for name, count in totals.items() if name.startswith(SERVER_ERRORS)) / failures
    if share < _TELLING_SHARE:
        return None
    return Fact("server_errors", round(share, 4), "ratio", round(failures), fits=(PLATFORM,))


def _alike_countries(case: Case) -> Fact | None:
    others = len(case.alike)
    if others + 1 < _COUNTRIES_ALIKE:
        return None
    return Fact("alike_countries", float(others), "countries", others + 1, fits=(PLATFORM,))


def fails_alike(case: Case, other: Case) -> bool:
    """Whether an incident of another country took away the same, at about the same time, in the same ways."""
    if case.country == other.country or case.kind is not Kind.PLATFORM or other.kind is not Kind.PLATFORM:
        return False
    if set(case.platforms).isdisjoint(other.platforms) or abs(case.onset - other.onset) > ROLLING_SECONDS:
        return False
    mine, theirs = case.mechanism_totals(), other.mechanism_totals()
    n, m = sum(mine.values()), sum(theirs.values())
    if min(n, m) < _FAILURES_MIN:
        return False
    common = sum(min(count / n, theirs.get(name, 0.0) / m) for name, count in mine.items())
    return common >= _ALIKE_WAYS


def _certificate(case: Case) -> Fact | None:
    """One certificate error everywhere: what an expired or distrusted authority looks like, and some interception."""
    totals = case.mechanism_totals()
    failures = sum(totals.values())
    name = case.mechanism or ""
    if not name.startswith(CERTIFICATE_ERRORS) or failures < _FAILURES_MIN:
        return None
    ratio = totals.get(name, 0.0) / failures
    if ratio < _MOST:
        return None
    own = [counts for counts in case.failures.values() if counts]
    same = sum(counts.get(name, 0.0) >= _MOST * sum(counts.values()) for counts in own)
    well, total = case.others
    good = sum(pair[0] for pair in case.controls.values())
    known = good + sum(pair[1] for pair in case.controls.values())
    figures: dict[str, int | float | str] = {
        "share": ratio,
        "error": name.partition(".")[2],
        "same": same,
        "networks": len(own),
    }
    if total:
        figures |= {"well": well, "others": total}
    if known >= 1:
        figures["answered"] = good / known
    return Fact("certificate", round(ratio, 4), "ratio", round(failures), fits=(AUTHORITY,), figures=figures)


def _half_hour(case: Case) -> Fact:
    onset = onset_of_most(case)
    past = local_seconds(case.country, onset) % HALF_HOUR_SECONDS
    off = past if past <= HALF_HOUR_SECONDS // 2 else past - HALF_HOUR_SECONDS
    on_mark = abs(off) <= MARK_SECONDS
    return Fact(
        "half_hour_mark",
        float(off),
        "s",
        1,
        source=IODA,
        fits=(ORDER,) if on_mark else (),
        figures={"onset": onset, "of": "all" if onset == case.onset else "most"},
    )


def _recurrence(case: Case, settings: IncidentSettings) -> Fact:
    return Fact(
        "recurrence",
        float(case.same_time),
        "incidents",
        case.like,
        source=IODA,
        fits=(ORDER,) if case.same_time else (),
        figures={"days": settings.recurrence_days},
    )


def _within_month(case: Case, settings: IncidentSettings) -> Fact:
    return Fact(
        "like_incidents",
        float(case.like),
        "incidents",
        case.like,
        fits=(ORDER,) if case.like else (),
        figures={"days": settings.previous_days},
    )


def _coincidence(case: Case, calendar: Mapping[str, Scheduled]) -> Sequence[Fact]:
    events = []
    for name in case.coincides:
        event = calendar.get(name)
        if event is None:
            continue
        lead = event.start - case.onset
        events.append(
            Fact(
                "calendar",
                float(lead),
                "s",
                1,
                source=event.source,
                fits=(ORDER,),
                figures={"event": event.title},
            )
        )
    return events


def affected_networks(case: Case, reading: CountryReading) -> list[int]:
    """Networks by name: those lost themselves, and those that report from a lost region."""
    return sorted({*case.networks, *networks_in(case.regions, reading)})
