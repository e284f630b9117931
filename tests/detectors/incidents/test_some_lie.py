"""Where some may lie, an honest network that strays by chance is drawn into nothing, and a cut is told as soon."""

from __future__ import annotations

import pytest

from detectors.incidents.causes import OtherRegions, find_causes, scope_of
from detectors.incidents.snapshots import Scope
from detectors.readings import CountryReading, Opinion, Standing
from detectors.settings import IncidentSettings

ONSET = 1_705_708_800
#: By network: its score (1 is an alarm), its usual ratio and its present one; the first ones lie.
Networks = list[tuple[float, float, float]]


def standing(score: float, expected: float, reachability: float) -> Standing:
    return Standing(
        opinion=Opinion.BAD if score >= 1 else Opinion.UNSURE,
        score=score,
        n=1,
        k=1,
        expected=expected,
        reachability=reachability,
        onset=ONSET,
        probes=30,
        vantages=1,
        vantages_bad=0,
        live=True,
        bar=0.52,
    )


def reading(networks: Networks, pooled: float) -> CountryReading:
    usual = sum(expected for _, expected, _ in networks) / len(networks)
    now = sum(reachability for _, _, reachability in networks) / len(networks)
    everybody = standing(pooled, usual, now)
    return CountryReading(
        country="KE",
        simulated=False,
        start=ONSET + 3600,
        end=ONSET + 3660,
        networks={("x", asn): standing(*one) for asn, one in enumerate(networks)},
        platforms={"x": everybody},
    )


def lost(networks: Networks, pooled: float, *, some_lie: bool) -> set[int]:
    window, settings = reading(networks, pooled), IncidentSettings()
    causes = find_causes(
        window, settings, lambda _: False, OtherRegions(window, settings, {}), some_lie=some_lie
    )
    return {part.asn for cause in causes for part in cause.parts}


SLOW_LIES: dict[str, tuple[Networks, float, int]] = {
    "four of ten": (
        [
            (0.35, 0.6, 0.26),
            (0.6, 0.6, 0.32),
            (0.31, 0.53, 0.27),
            (0.5, 0.62, 0.28),
            (0.34, 0.99, 0.93),
            (0.0, 0.98, 1.0),
            (0.0, 0.92, 0.94),
            (0.12, 0.98, 0.94),
            (0.24, 0.98, 0.89),
            (0.4, 0.97, 0.85),
        ],
        1.54,
        4,
    ),
    "two of five": (
        [(0.46, 0.69, 0.39), (0.76, 0.69, 0.35), (0.12, 0.96, 0.92), (0.3, 0.965, 0.877), (0.04, 0.98, 0.98)],
        1.31,
        2,
    ),
    "two of five, two strays": (
        [(0.49, 0.69, 0.37), (0.72, 0.69, 0.39), (0.11, 0.96, 0.92), (0.22, 0.97, 0.88), (0.41, 0.98, 0.91)],
        1.39,
        2,
    ),
}


@pytest.mark.parametrize(("networks", "pooled", "liars"), SLOW_LIES.values(), ids=SLOW_LIES)
def test_honest_networks_that_stray_are_not_drawn_in(networks: Networks, pooled: float, liars: int) -> None:
    assert lost(networks, pooled, some_lie=True) <= set(range(liars))
    # Where everybody is believed, they are: so this can fail.
    assert not lost(networks, pooled, some_lie=False) <= set(range(liars))


def test_a_cut_of_the_honest_is_told_as_soon_beside_liars_who_are_well() -> None:
    cut: Networks = [(0.0, 0.97, 0.99)] * 3 + [(score, 0.97, 0.79) for score in (0.8, 0.98, 0.84, 0.96, 0.83)]
    for some_lie in (True, False):
        hit = lost(cut, 1.31, some_lie=some_lie)
        assert hit == {3, 4, 5, 6, 7}
        assert scope_of([(asn, "") for asn in hit], 8) is Scope.NATION_SCALE


def test_a_thin_loss_of_all_is_told() -> None:
    thin: Networks = [(score, 0.9, 0.6) for score in (0.3, 0.4, 0.45, 0.35, 0.5)]
    assert lost(thin, 1.4, some_lie=True) == {0, 1, 2, 3, 4}
