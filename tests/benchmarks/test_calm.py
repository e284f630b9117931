"""The short form of `benchmarks.calm`: what is the observatory's own is not told, and a shutdown after it is."""

from __future__ import annotations

import pytest

from benchmarks.calm import BEGIN, CalmWorld, told
from streams.records import Kind

HOUR = 3600


@pytest.mark.world
def test_only_the_shutdown_of_a_world_heard_badly_is_told() -> None:
    world = CalmWorld(3, 0.25, seed=5, away_a_day=30.0, pauses_a_day=20.0, replaced_a_day=15.0)
    assert world.deaf
    assert world.words
    begin = 5.4 * HOUR
    for post in world.posts:
        if post.country == world.names[1]:
            post.away.append((begin, world.end))
    (incident,) = told(world)
    assert (incident.country, incident.kind) == (world.names[1], Kind.CONNECTIVITY)
    assert 0 <= (incident.detected - BEGIN).total_seconds() - begin <= 600
