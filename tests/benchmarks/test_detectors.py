"""The benchmarks' own arithmetic: a score that is wrong would flatter somebody."""

import json
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from pathlib import Path

import msgspec
import numpy as np
import pytest

from benchmarks.detectors import ours
from benchmarks.detectors.contender import Contender, persistent, trailing_sum
from benchmarks.detectors.judge import HOLD_WINDOWS, Counted, judge, truth
from benchmarks.detectors.peers import PEERS, ioda_ratio, ooni_cusum, static_threshold, wilson_bound
from benchmarks.evenings import judge as evenings_judge
from benchmarks.nab.corpus import read
from benchmarks.nab.scoring import Scored, benchmark, probation, worth
from producers.simulated.scenario import BLOCKED, EVENINGS
from producers.simulated.worlds import Simulation, WindowRows, world
from streams.publish.scorecard import scorecard
from streams.records import Scope
from streams.settings import load
from streams.step.rows import MECHANISMS
from tests.stories.telling import tell
from tests.stories.test_stories import STORIES

# NAB


def scored(at: list[int], windows: list[tuple[int, int]], rows: int = 200) -> Scored:
    scores = np.zeros(rows)
    scores[at] = 1.0
    return Scored(scores, windows)


def test_a_detection_at_a_windows_first_row_is_perfect_and_at_its_last_worth_little() -> None:
    assert benchmark([scored([100], [(100, 119)])]).score == pytest.approx(100.0)
    late = benchmark([scored([119], [(100, 119)])]).score
    # found is worth 1 + sigmoid(1/20 of a window before its end), of the 2 between missed and perfect
    assert late == pytest.approx(100 * (1 + (2 / (1 + np.exp(-5 / 20)) - 1) / 0.98661) / 2, abs=0.01)


def test_of_several_detections_in_a_window_the_earliest_counts() -> None:
    once, twice = scored([105], [(100, 119)]), scored([105, 110, 119], [(100, 119)])
    assert benchmark([once]).score == benchmark([twice]).score


def test_a_false_detection_costs_a_ninth_and_less_right_behind_a_window() -> None:
    far = benchmark([scored([50, 100], [(100, 119)])]).score
    near = benchmark([scored([100, 121], [(100, 119)])]).score
    assert far == pytest.approx(100 * (2 - 0.11) / 2)
    assert far < near < 100.0


def test_the_first_rows_do_not_count() -> None:
    assert probation(200) == 30 and probation(100_000) == 750
    assert benchmark([scored([10, 29, 100], [(100, 119)])]).score == pytest.approx(100.0)
    assert benchmark([scored([30, 100], [(100, 119)])]).score < 100.0


def test_one_threshold_serves_all_files() -> None:
    loud = Scored(
        np.where(np.arange(200) == 100, 5.0, np.where(np.arange(200) % 10 == 5, 2.0, 0.0)), [(100, 119)]
    )
    soft = Scored(np.where(np.arange(200) == 100, 1.0, 0.0), [(100, 119)])
    result = benchmark([loud, soft])
    assert result.windows == 2
    assert result.score < 100.0
    assert result.threshold in {1.0, 5.0}


def test_worth_is_the_published_sigmoid() -> None:
    np.testing.assert_allclose(
        worth(np.array([-1.0, -0.5, 0.0, 1.0, 3.1])), [0.98661, 0.84828, 0.0, -0.98661, -1.0], atol=1e-5
    )


def test_a_folder_that_is_no_checkout_says_what_to_get(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="git clone"):
        read(tmp_path)


def test_a_checkout_is_read(tmp_path: Path) -> None:
    (tmp_path / "labels").mkdir()
    (tmp_path / "data" / "made").mkdir(parents=True)
    rows = [f"2014-04-01 00:{minute:02d}:00,{minute}.5" for minute in range(60)]
    (tmp_path / "data" / "made" / "up.csv").write_text("timestamp,value\n" + "\n".join(rows) + "\n")
    windows = {"made/up.csv": [["2014-04-01 00:20:00.000000", "2014-04-01 00:30:00.000000"]]}
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(windows))
    (series,) = read(tmp_path)
    assert series.windows == [(20, 30)]
    assert series.values[59] == 59.5


# evenings


@pytest.mark.world
def test_an_evening_that_nobody_told_of_is_short_and_everything_else_is_another() -> None:
    story = STORIES["one carrier"]
    told = tell(story.text, story.world)
    evenings, others = evenings_judge(told)  # 20 January, hours before the second evening
    assert [evening.short() for evening in evenings] == [["not told"]] * 2
    assert [one.id for one in others] == [told[0].id]
    late = [
        msgspec.structs.replace(
            one,
            scope=Scope.NATION_SCALE,
            platforms=tuple(sorted(BLOCKED)),
            onset=EVENINGS[1].start,
            detected=EVENINGS[1].start,
            updated=EVENINGS[1].start + timedelta(minutes=7),
        )
        for one in told
    ]
    evenings, others = evenings_judge(late)
    assert evenings[1].short() == ["detected", "linked"]
    assert others == []


# contenders


def minutes(*stretches: tuple[int, float]) -> tuple[np.ndarray, np.ndarray]:
    """k and n at 20 probes a minute: (minutes, success ratio), one stretch after the other."""
    ratio = np.concatenate([np.full(length, share) for length, share in stretches])
    n = np.full(len(ratio), 20)
    return np.round(ratio * n).astype(np.int64), n


def test_trailing_sums_and_persistence() -> None:
    assert trailing_sum(np.array([1, 2, 3, 4]), 2).tolist() == [1, 3, 5, 7]
    assert persistent(np.array([True, True, False, True, True, True]), 2).tolist() == [
        False,
        True,
        False,
        False,
        True,
        True,
    ]


def test_oonis_cusum_takes_eight_hours_as_written() -> None:
    # each blocked hour adds 0.8 - 0.35; over 3.5 is in the eighth, known when it ends
    k, n = minutes((48 * 60, 1.0), (20 * 60, 0.0))
    assert int(np.flatnonzero(ooni_cusum(k, n))[0]) == 48 * 60 + 8 * 60


def test_iodas_ratio_and_the_static_rule_see_a_fall() -> None:
    k, n = minutes((3 * 1440, 0.95), (120, 0.6), (120, 0.95))
    fall = 3 * 1440
    assert int(np.flatnonzero(ioda_ratio(k, n, ratio=0.8))[0]) == fall + 9
    assert not ioda_ratio(k, n, ratio=0.5).any()
    assert fall < int(np.flatnonzero(static_threshold(k, n))[0]) < fall + 10
    assert not static_threshold(k, n)[-60:].any()
    assert fall < int(np.flatnonzero(wilson_bound(k, n))[0]) < fall + 10


def looks_ahead(contender: Contender) -> bool:
    """Whether what comes after a window changes what is said of it, over three days of minutes."""
    rng = np.random.default_rng(5)
    n = rng.poisson(6, 3 * 1440)
    k = rng.binomial(n, np.where(np.arange(len(n)) > 2 * 1440, 0.2, 0.95))
    parameters = {name: values[0] for name, values in contender.grid.items()}
    cut = 2 * 1440 + 700
    whole, part = contender.run(k, n, **parameters), contender.run(k[:cut], n[:cut], **parameters)
    return not np.array_equal(whole[:cut], part)


def test_no_peer_looks_ahead() -> None:
    assert [peer.name for peer in PEERS if looks_ahead(peer)] == []


@pytest.mark.world
def test_none_of_rivers_detectors_looks_ahead() -> None:
    from benchmarks.detectors.rivers import RIVERS  # scipy.stats comes with it: a second or two

    assert [river.name for river in RIVERS if looks_ahead(river)] == []


@pytest.mark.world
def test_the_judge_makes_one_incident_of_alarms_close_together() -> None:
    simulation = Simulation(world("blackout", warmup_days=1, volume=60), seed=3, days=3)
    static = next(contender for contender in PEERS if contender.run is static_threshold)
    outcome = judge(static, {}, Counted.of(simulation))
    card = scorecard(outcome.incidents, truth(simulation), 1.0)
    assert card.all.events and card.all.recall == 1.0
    # a bad median of delays would show here: the rule needs three of ten minutes at a full block
    assert card.all.minutes_to_detect.median is not None and 2.0 <= card.all.minutes_to_detect.median <= 5.0
    assert card.all.minutes_to_resolve.median is not None
    assert HOLD_WINDOWS <= card.all.minutes_to_resolve.median <= HOLD_WINDOWS + 10


class Morning(Simulation):
    """The first seven hours of a world."""

    def windows(self) -> Iterator[WindowRows]:
        return islice(super().windows(), 7 * 60)


@pytest.mark.world
def test_worlds_of_one_run_do_not_hear_of_each_other() -> None:
    """Two that are alike fall in the same minutes: in one bank, each would take the other's fall for a deploy."""
    morning = Morning(
        world("global", countries=3, volume=3, warmup_days=0.15, gap_hours=(0.5, 1.0)), 5, 1, MECHANISMS
    )
    first, second = ours.run([morning, morning], load())
    assert first.incidents
    assert first.incidents == second.incidents
