"""Telling: a case as it stands, written down as a snapshot. Decides nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from detectors.incidents.case import Case
from detectors.incidents.causes import SHORTFALL_MIN, networks_in
from detectors.incidents.evidence import affected_networks, facts, network_onsets
from detectors.incidents.figures import stands
from detectors.incidents.loss import Loss
from detectors.incidents.moves import Announcement
from detectors.incidents.snapshots import (
    Doubt,
    Kind,
    NetworkLoss,
    PlatformLoss,
    Restoration,
    Scope,
    Snapshot,
)
from detectors.readings import CountryReading, Scheduled
from detectors.settings import IncidentSettings


def keep_open(open_ones: dict[str, Snapshot], announced: Iterable[Snapshot]) -> None:
    """Keep the last snapshot of every incident that goes on."""
    for snapshot in announced:
        open_ones[snapshot.id] = snapshot
        if snapshot.status is Announcement.RESOLVED:
            del open_ones[snapshot.id]


def snapshot_of(
    case: Case,
    reading: CountryReading,
    announced: Announcement,
    calendar: Mapping[str, Scheduled],
    settings: IncidentSettings,
    version: str,
    fingerprint: str,
    *,
    some_lie: bool = False,
) -> Snapshot:
    """Write down how a case stands. `some_lie`: see `doubt_of`."""
    doubt = doubt_of(case, reading, settings, some_lie=some_lie)
    inside = case.inside()
    losses = list(case.losses.values())
    present = stands(case, reading)
    networks = _networks(case, reading, settings)
    own = case.mechanism_by_network()
    return Snapshot(
        id=case.id,
        seq=case.seq,
        status=announced,
        kind=case.kind,
        scope=case.scope,
        severity=case.severity,
        country=case.country,
        countries=(),
        regions=tuple(case.regions or _regions_of(case, reading)),
        platforms=tuple(case.platforms),
        networks=networks,
        onset=case.onset,
        detected=case.detected,
        updated=case.updated,
        resolved=case.resolved,
        reachability=round(present.now, 4),
        usual=round(present.usual, 4),
        mechanism=case.mechanism,
        mechanism_share=round(case.mechanism_share, 4),
        mechanism_by_network=tuple((asn, name) for asn, name in own.items() if name != case.mechanism),
        facts=tuple(facts(case, reading, calendar, settings)),
        previous=tuple(case.previous),
        coincides=tuple(case.coincides),
        confirmed=doubt is None,
        vantages=case.vantages,
        networks_live=case.live,
        measurements=sum(loss.probes for loss in losses),
        reason=case.reason,
        back=tuple(case.restored_platforms()),
        unheard=len(case.silent_units(reading) if announced is Announcement.RESOLVED else case.unheard_units),
        simulated=case.simulated,
        version=version,
        fingerprint=fingerprint,
        results=present.results,
        in_regions=round(inside.now, 4) if inside is not None else None,
        by_platform=tuple(_platform(case, platform, reading) for platform in case.platforms),
        targets=tuple(target for _, lost in sorted(case.targets.items()) for target in lost),
        linked=tuple(case.linked),
        doubt=doubt,
        restoration=case.restoration,
        witnesses=tuple(case.witnesses),
        speed=_speed(case),
        unheard_platforms=tuple(case.unheard_platforms),
        learned=case.doubt != Doubt.FIRST_MINUTES,
        regions_back=tuple(case.restored_regions()),
    )


def _speed(case: Case) -> float | None:
    slowed = case.slowed() if case.resolved is None else None
    return None if slowed is None else round(slowed, 4)


def doubt_of(
    case: Case, reading: CountryReading, settings: IncidentSettings, *, some_lie: bool = False
) -> str | None:
    """Return why it is not confirmed, a `Doubt`; None where it is.

    Where some may lie, a region's own networks have to be enough: those elsewhere do not speak of it.
    """
    live = case.live
    if not case.networks and (case.kind is Kind.CONNECTIVITY or some_lie):  # the regions' own alone say so
        live = len({*networks_in(case.regions, reading), *(asn for _, asn in case.touched)})
    return Doubt.FEW_NETWORKS if live < settings.networks_confirm else case.standing_doubt


def _platform(case: Case, platform: str, reading: CountryReading) -> PlatformLoss:
    losses = [loss for (name, _, _), loss in case.losses.items() if name == platform]
    present = stands(case, reading, platform)
    mechanism, share = case.mechanism_of(platform)
    recovered = [back for loss in losses if (back := _back(case, loss)) is not None]
    return PlatformLoss(
        platform=platform,
        onset=max(case.onset, case.first_onset(reading.end - reading.start, platform)),
        now=round(present.now, 4),
        usual=round(present.usual, 4),
        results=present.results,
        mechanism=mechanism,
        mechanism_share=round(share, 4),
        recovered=max(recovered) if len(recovered) == len(losses) else None,
        targets=tuple(case.targets.get(platform, ())),
        watched=len(case.addresses.get(platform, ())),
    )


def _back(case: Case, loss: Loss) -> int | None:
    """Since when a part is back: where by now nothing is missing of what was over in part, since that."""
    if case.restoration is Restoration.FULL and case.settled and loss.recovered is None:
        return case.resolved
    return loss.back


def _networks(case: Case, reading: CountryReading, settings: IncidentSettings) -> tuple[NetworkLoss, ...]:
    """The networks that have lost something themselves, by what each of them has lost."""
    onsets, back = network_onsets(case), case.back_since()
    networks = []
    for asn in affected_networks(case, reading):
        units = {(asn, ""), *((0, region) for region in reading.homes.get(asn, ()))} & case.units
        losses = [loss for (_, a, region), loss in case.losses.items() if (a, region) in units]
        own = [loss for (_, a), loss in case.touched.items() if a == asn]
        own += [loss for (_, a, region), loss in case.losses.items() if a == asn and not region]
        lost = sum(loss.lost for loss in own) / len(own) if own else 0.0
        if lost < SHORTFALL_MIN:
            # The median of its vantages hides what a minority of them has lost, in regions that were hit.
            homes = [home for home in reading.homes.get(asn, ()) if home]
            hit = [loss.lost for (_, _, region), loss in case.losses.items() if region in homes]
            share = sum((0, home) in units for home in homes) / max(1, len(homes))
            lost = share * sum(hit) / len(hit) if hit else lost
        networks.append(
            NetworkLoss(
                asn,
                settings.network_names.get(asn),
                round(lost, 4),
                onsets.get(asn, min(loss.onset for loss in losses)),
                max(back[unit] for unit in units) if units <= back.keys() else None,
            )
        )
    slow = {asn for (_, asn, _), loss in case.losses.items() if loss.slow}
    sufferers = tuple(n for n in networks if n.lost >= SHORTFALL_MIN or n.asn in slow)
    return sufferers or tuple(networks)


def _regions_of(case: Case, reading: CountryReading) -> list[str]:
    """The regions of a loss that is said by its networks."""
    if case.scope is not Scope.REGION and case.kind is Kind.PLATFORM and case.scope is not Scope.PROVIDER:
        return []
    return sorted({home for asn in case.networks for home in reading.homes.get(asn, ()) if home})
