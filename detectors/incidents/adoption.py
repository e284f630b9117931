"""Adoption: what was told of incidents, and what is in hand of them, are made to agree again.

A worker that was killed has told more than its last snapshot knows. Restored by the same release with the same
settings, it decides the same again. With others it may open an incident in another window, under another id, or not at
all: so what the world was told counts. An incident goes on under the id that it was told by, with the number after the
last one; what was told and is not in hand is taken in hand, so that its end is seen and told.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol, TypeVar

from detectors.incidents.case import Case
from detectors.incidents.evidence import PastIncident
from detectors.incidents.loss import WELL, Loss
from detectors.incidents.moves import Announcement, Phase
from detectors.incidents.snapshots import Kind, Scope, Snapshot

#: Why an incident is told that nothing new has happened to.
JUDGED_ANEW: Final = "judged anew, by other settings or another release"

#: Why an incident is told that was found again.
FOUND_AGAIN: Final = "found again, after the checkpoints were lost"

Reach = frozenset[tuple[str, str]]
_GOES_ON: Final = (Phase.OPEN, Phase.EASING)


class InHand(Protocol):
    """An incident in hand."""

    id: str
    seq: int
    phase: Phase
    onset: int
    detected: int
    resolved: int | None
    untold: bool

    def reach(self) -> Reach:
        """What it took away, and where: comparable with `reach_of` of what was told."""
        ...

    def take_as_told(self) -> None:
        """Take what it is now for what was told: a change from here on is news."""
        ...


C = TypeVar("C", bound=InHand)


def reach_of(snapshot: Snapshot) -> Reach:
    """What an incident took away, and where, as it was told: pairs of platform and network, region or country."""
    where = [*(str(network.asn) for network in snapshot.networks), *snapshot.regions, *snapshot.countries]
    # A loss of connectivity is one of every platform, and may have begun as one of some.
    all_of_it = ("",) if snapshot.kind is Kind.CONNECTIVITY else ()
    return frozenset((platform, place) for platform in (*snapshot.platforms, *all_of_it) for place in where)


def adopt(
    cases: Sequence[C],
    published: Sequence[Snapshot],
    known: Collection[str],
    make: Callable[[Snapshot], C],
    own: Mapping[str, Snapshot],
) -> list[C]:
    """Return the incidents in hand once they agree with what was told; they are changed in place.

    Parameters
    ----------
    cases
        Incidents in hand, of one kind of place (a country, or the world).
    published
        The last snapshot that was told of each incident there.
    known
        Ids of the incidents that were in hand before anything was judged anew: these were told for sure.
    make
        Takes in hand what was told and is not.
    own
        The last snapshot that was made of each incident in hand, whoever was told it.
    """
    by_id = {snapshot.id: snapshot for snapshot in published}
    for case in cases:
        if case.id in by_id:
            _agree(case, by_id[case.id], own.get(case.id))
    mine = {case.id for case in cases}
    strange = [case for case in cases if case.id not in by_id and case.id not in known]
    rest = [snapshot for snapshot in published if snapshot.id not in mine]
    going = [snapshot for snapshot in rest if snapshot.status is not Announcement.RESOLVED]
    over = [snapshot for snapshot in rest if snapshot.status is Announcement.RESOLVED]
    matched = _matched(going, dict(enumerate(strange)), lambda case, snapshot: True)
    opened = {
        place: case
        for place, case in enumerate(strange)
        if place not in matched and case.phase is not Phase.SUSPECTED
    }
    matched |= _matched(over, opened, _meet)
    for place, snapshot in matched.items():
        _rename(strange[place], snapshot)
    taken = {snapshot.id for snapshot in matched.values()}
    made = [make(snapshot) for snapshot in going if snapshot.id not in taken]
    never_told = [case for place, case in enumerate(strange) if place not in matched and case.id]
    for case in never_told:
        case.seq, case.untold = 0, True
    # What began and ended while it was judged anew was told to nobody, and is over.
    dropped = {case.id for case in never_told if case.phase not in _GOES_ON}
    return [*(case for case in cases if not case.id or case.id not in dropped), *made]


def case_of(snapshot: Snapshot) -> Case:
    """A case of what was told and is not in hand: its windows to come say how it ends."""
    case = Case(
        id=snapshot.id,
        kind=snapshot.kind,
        country=snapshot.country or "",
        simulated=snapshot.simulated,
        first=snapshot.onset,
        onset=snapshot.onset,
        losses=_losses_of(snapshot),
        failures={},
        controls={},
        phase=Phase.OPEN,
        seq=snapshot.seq,
        detected=snapshot.detected,
        updated=snapshot.updated,
        grown=snapshot.updated,
        scope=snapshot.scope,
        widest=snapshot.scope,
        severity=snapshot.severity,
        worst=snapshot.severity,
        live=snapshot.networks_live,
        vantages=snapshot.vantages,
        mechanism=snapshot.mechanism,
        mechanism_share=snapshot.mechanism_share,
        previous=list(snapshot.previous),
        like=next((int(fact.value or 0) for fact in snapshot.facts if fact.name == "like_incidents"), 0),
        coincides=list(snapshot.coincides),
        linked=list(snapshot.linked),
        untold=True,
    )
    case.take_as_told()
    return case


def going_case_of(snapshot: Snapshot, now: int) -> Case:
    """A case of what was told and goes on at that moment, though what was told is of later: nothing new is to tell."""
    networks = tuple(
        replace(network, recovered=None)
        if network.recovered is not None and network.recovered > now
        else network
        for network in snapshot.networks
    )
    case = case_of(replace(snapshot, networks=networks, updated=min(snapshot.updated, now)))
    case.untold = False
    return case


def found_again(case: C, awaited: Iterable[Snapshot], slack: int) -> Snapshot | None:
    """Of incidents that were told and are awaited, the one that has most in common with a case, or None."""
    may = [one for one in awaited if case.onset >= one.onset - slack]
    return _matched(may, {0: case}, lambda case, snapshot: True).get(0)


def past_of(snapshot: Snapshot) -> PastIncident:
    """An incident that was told as over and is not in hand."""
    over = snapshot.resolved if snapshot.resolved is not None else snapshot.updated
    return PastIncident(snapshot.id, snapshot.kind.value, snapshot.platforms, snapshot.onset, over)


def _losses_of(snapshot: Snapshot) -> dict[tuple[str, int, str], Loss]:
    platforms = ("",) if snapshot.kind is Kind.CONNECTIVITY else snapshot.platforms
    losses = {}
    # Of silent regions the networks go on elsewhere, and are not lost themselves.
    by_region = snapshot.kind is Kind.CONNECTIVITY and snapshot.scope is Scope.REGION
    for platform in platforms:
        for network in () if by_region else snapshot.networks:
            losses[platform, network.asn, ""] = loss = Loss(
                network.onset,
                snapshot.usual,
                snapshot.reachability,
                snapshot.reachability,
                lost=network.lost,
                heard=snapshot.updated,
                dated=True,
            )
            if network.recovered is not None:
                loss.now, loss.good, loss.wellness = snapshot.usual, 1, WELL
                loss.good_since = loss.recovered = network.recovered
        if by_region or not snapshot.networks:
            for region in snapshot.regions:
                losses[platform, 0, region] = Loss(
                    snapshot.onset,
                    snapshot.usual,
                    snapshot.reachability,
                    snapshot.reachability,
                    heard=snapshot.updated,
                )
    return losses


def announcement(case: InHand) -> Announcement:
    """What is to be told of an incident that is untold."""
    if case.phase not in _GOES_ON:
        return Announcement.RESOLVED
    return Announcement.UPDATED if case.seq else Announcement.OPEN


def still_open(
    cases: Iterable[InHand], published: Sequence[Snapshot], before: Mapping[str, Snapshot]
) -> dict[str, Snapshot]:
    """The last snapshot of each incident that goes on: what was told, or what `before` has."""
    by_id = {snapshot.id: snapshot for snapshot in published if snapshot.status is not Announcement.RESOLVED}
    going = [case.id for case in cases if case.phase in _GOES_ON]
    last = {name: by_id.get(name) or before.get(name) for name in going}
    return {name: snapshot for name, snapshot in last.items() if snapshot is not None}


def _agree(case: InHand, snapshot: Snapshot, own: Snapshot | None = None) -> None:
    """Have a case go on from what was told of it; what it has not made a snapshot of either is told in its time."""
    goes_on = snapshot.status is not Announcement.RESOLVED
    same = case.seq == snapshot.seq and goes_on == (case.phase in _GOES_ON)
    reach = case.reach() if own is None else reach_of(own)
    case.untold = case.untold or not same or not reach <= reach_of(snapshot)
    case.seq = snapshot.seq


def _rename(case: InHand, snapshot: Snapshot) -> None:
    if case.phase is Phase.SUSPECTED:
        case.phase, case.onset = Phase.OPEN, snapshot.onset
    case.id, case.detected = snapshot.id, snapshot.detected
    case.take_as_told()
    case.untold = False
    _agree(case, snapshot)


def _meet(case: InHand, snapshot: Snapshot) -> bool:
    """Whether an incident in hand and one that was told as over were at the same time."""
    end = snapshot.resolved if snapshot.resolved is not None else snapshot.updated
    return case.onset <= end and (case.resolved is None or snapshot.onset <= case.resolved)


def _matched(
    published: Sequence[Snapshot], cases: Mapping[int, InHand], may: Callable[[InHand, Snapshot], bool]
) -> dict[int, Snapshot]:
    """By the place of a case, what was told of it: those that have most in common find each other first."""
    pairs = []
    for snapshot in published:
        theirs = reach_of(snapshot)
        for place, case in cases.items():
            mine = case.reach()
            if mine & theirs and may(case, snapshot):
                pairs.append((-len(mine & theirs) / len(mine | theirs), snapshot.id, place, snapshot))
    matched: dict[int, Snapshot] = {}
    names: set[str] = set()
    for _, name, place, snapshot in sorted(pairs, key=lambda pair: pair[:3]):
        if name not in names and place not in matched:
            names.add(name)
            matched[place] = snapshot
    return matched
