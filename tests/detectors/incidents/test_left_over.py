"""An alarm of a country that is left over from a network which mends draws no other network in."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from detectors.incidents.causes import OtherRegions, find_causes
from detectors.readings import CountryReading, Opinion, Standing
from detectors.settings import IncidentSettings

ONSET = 1_705_708_800
BAR = 0.53


def standing(score: float, reachability: float) -> Standing:
    return Standing(
        opinion=Opinion.BAD if score >= 1 else Opinion.UNSURE,
        score=score,
        n=2,
        k=2,
        expected=0.98,
        reachability=reachability,
        onset=ONSET if score >= 1 else None,
        probes=30,
        vantages=2,
        vantages_bad=0,
        live=True,
        bar=BAR,
    )


def lost(others: Sequence[tuple[float, float]], *, mending: bool) -> set[int]:
    """Which networks one window shows as lost: the first was lost for a day, `others` say so much."""
    networks = {0: standing(1.45, 0.89)} | {asn: standing(*one) for asn, one in enumerate(others, 1)}
    window = CountryReading(
        country="DE",
        simulated=False,
        start=ONSET + 3600,
        end=ONSET + 3660,
        networks={("x", asn): one for asn, one in networks.items()},
        platforms={"x": standing(2.25, 0.9)},
    )
    settings = IncidentSettings()
    mends = [0] if mending else []
    causes = find_causes(window, settings, lambda part: part.asn in mends, OtherRegions(window, settings, {}))
    return {part.asn for cause in causes for part in cause.parts}


STRAY = [(0.4, 0.91), (0.72, 0.83), (0.07, 0.95)]  # a failure each, or two


@pytest.mark.parametrize(
    ("others", "mending", "networks"),
    [
        (STRAY, False, {0, 1, 2}),
        (STRAY, True, set()),
        # What the others say together by the bar of a calm country is their own.
        ([(0.9, 0.7), (0.9, 0.7), (0.9, 0.7)], True, {1, 2, 3}),
        # And one that is sure is lost whatever the first does.
        ([(1.2, 0.5), (0.0, 0.98), (0.0, 0.98)], True, {1}),
    ],
)
def test_others_join_a_network_that_is_lost_and_not_one_that_mends(
    others: Sequence[tuple[float, float]], mending: bool, networks: set[int]
) -> None:
    assert lost(others, mending=mending) == networks
