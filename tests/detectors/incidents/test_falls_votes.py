"""What the controls of a country's failing results say, one vote a network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from detectors.incidents.falls import controls_by_vote
from detectors.incidents.worldwide import signs_of
from detectors.readings import CountryReading, Health, Opinion, Reading, Standing


def reading(live: int, network_control: dict[tuple[str, int], tuple[int, int]]) -> CountryReading:
    standing = Standing(
        opinion=Opinion.GOOD,
        score=0.0,
        n=3,
        k=3,
        expected=1.0,
        reachability=1.0,
        onset=None,
        probes=0,
        vantages=1,
        vantages_bad=0,
        live=True,
    )
    return CountryReading(
        country="PK",
        simulated=False,
        start=0,
        end=60,
        networks={("x", asn): standing for asn in range(live)},
        network_control=network_control,
    )


@pytest.mark.parametrize(
    ("live", "said", "votes"),
    [
        (5, {0: (0, 9_000), 1: (0, 9_000)}, (0, 0)),  # two of five that lie at length
        (5, {0: (0, 9_000), 1: (3, 0), 2: (3, 0), 3: (3, 0)}, (9, 0)),
        (5, {0: (0, 3), 1: (0, 3), 2: (0, 3)}, (0, 9)),
        (4, {0: (0, 3), 1: (0, 3)}, (0, 0)),  # half is no majority
        (5, {0: (9_000, 0), 1: (1, 2), 2: (0, 3), 3: (0, 2)}, (3, 8)),
        (1, {0: (0, 40)}, (0, 3)),
    ],
)
def test_a_network_has_one_vote_and_a_minority_blames_no_world(
    live: int, said: dict[int, tuple[int, int]], votes: tuple[int, int]
) -> None:
    told = controls_by_vote(reading(live, {("x", asn): counts for asn, counts in said.items()}))
    assert told == {"x": votes}


def test_the_view_over_the_world_is_given_the_same_votes() -> None:
    said = reading(8, {("x", asn): (0, 9_000) for asn in range(3)})
    said = replace(said, control={"x": (0, 27_000)}, mechanisms={("x", 0): {"tls.connection_reset": 9_000}})
    none = np.zeros(0)
    health = Health([], [], [], none, none, none, none, none, none, none)
    (sign,) = signs_of(Reading(0, 60, [said], health)).values()
    assert (sign.controls_good, sign.controls_bad) == (0, 0)
    assert sign.failures == {"tls.connection_reset": 9_000}
