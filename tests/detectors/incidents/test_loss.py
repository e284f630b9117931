"""A part that lost little is back when it is back, and not when a few results in a row happened to succeed."""

from __future__ import annotations

from copy import deepcopy
from random import Random

import pytest

from detectors.incidents.loss import PAST_STEP, Loss
from detectors.incidents.turns import ALONE, turns
from detectors.incidents.votes import Vote, pooled
from detectors.readings import Opinion

RECOVERY = 5
USUAL, FALLEN = 0.97, 0.85
SEEDS = range(20)


def said(random: Random, ratio: float, *, n: int = 1, opinion: Opinion = Opinion.UNSURE) -> Vote:
    k = sum(random.random() < ratio for _ in range(n))
    return Vote(opinion, n, k, USUAL, ratio, None, n, slow=False)


def lost(random: Random, windows: int, *, n: int = 1) -> tuple[Loss, int]:
    """A part after so many windows of a small loss, and in how many of them it passed for back."""
    loss = Loss(0, USUAL, FALLEN, 0.5)
    back = 0
    for at in range(windows):
        loss.weigh(said(random, FALLEN, n=n), 60 * at, 60 * at + 60, RECOVERY)
        back += loss.recovered is not None
    return loss, back


def until_back(
    loss: Loss, random: Random, ratio: float, *, n: int = 1, most: int = 600, past_step: float = 0.0
) -> int:
    """Windows of this ratio until a part passes for back, or `most`."""
    for window in range(most):
        at = loss.heard + 60 * window
        loss.weigh(said(random, ratio, n=n), at, at + 60, RECOVERY, past_step)
        if loss.recovered is not None:
            return window + 1
    return most


def test_a_small_loss_does_not_pass_for_over_while_it_lasts() -> None:
    for n, share in (
        (1, 0.15),
        (4, 0.05),
    ):  # weighed against its worst windows, it passed so nine tenths of the time
        backs = [lost(Random(seed), 300, n=n)[1] for seed in SEEDS]
        assert sum(backs) <= share * 300 * len(SEEDS)


@pytest.mark.parametrize(("n", "windows"), [(1, 180), (4, 45)])
def test_it_is_over_when_the_ratio_is_back(n: int, windows: int) -> None:
    took = sorted(until_back(lost(Random(seed), 100, n=n)[0], Random(seed), 0.985, n=n) for seed in SEEDS)
    assert RECOVERY <= took[len(took) // 2] <= windows


def test_a_block_that_became_a_small_loss_is_not_over() -> None:
    backs = 0
    for seed in SEEDS:
        loss = Loss(0, USUAL, 0.0, 0.0)
        for at in range(20):
            loss.weigh(said(Random(seed), 0.0, n=4, opinion=Opinion.BAD), 60 * at, 60 * at + 60, RECOVERY)
        random = Random(seed)
        for at in range(20, 140):
            loss.weigh(said(random, FALLEN, n=4), 60 * at, 60 * at + 60, RECOVERY)
        backs += loss.recovered is not None
    assert backs <= 2


def block(windows: int, *, n: int) -> Loss:
    """A part of which nothing has come through."""
    loss = Loss(0, USUAL, 0.0, 0.0)
    for at in range(windows):
        loss.weigh(said(Random(at), 0.0, n=n, opinion=Opinion.BAD), 60 * at, 60 * at + 60, RECOVERY)
    return loss


def test_a_step_of_an_easing_is_no_return() -> None:
    """Nine results that succeed in a row come soon where three of five do; they were taken for the end."""
    back = 0
    lost = block(120, n=3)
    for seed in range(100):
        loss, random = deepcopy(lost), Random(seed)
        for at in range(120, 140):
            word = said(random, 0.6, n=3, opinion=Opinion.BAD)
            loss.weigh(word, 60 * at, 60 * at + 60, RECOVERY, PAST_STEP)
            if loss.recovered is not None:
                back += 1
                break
    assert back <= 3
    took = sorted(
        until_back(deepcopy(lost), Random(seed), 0.97, n=3, past_step=PAST_STEP) for seed in range(100)
    )
    assert took[50] <= 6
    assert took[90] <= 10


def test_what_follows_in_part_is_at_the_level_of_all() -> None:
    whole = Loss(0, USUAL, 0.6, 0.0, bad_k=120, bad_n=200, fallen=0.0, partly=600)
    part = block(120, n=1)
    part.follow(whole, 5, 6)  # in its own 120 windows none has succeeded
    assert part.partly == 600
    assert part.bad_k / part.bad_n == pytest.approx(17 / 26)
    other = block(120, n=1)
    other.follow(whole, 0, 6)
    assert other.partly is None


@pytest.mark.parametrize(
    ("loss", "lasts"),
    [
        (Loss(0, USUAL, 0.0, 0.0, bad_k=0, bad_n=90), True),
        (Loss(0, USUAL, 0.6, 0.0, bad_k=54, bad_n=90, partly=60), True),
        (Loss(0, USUAL, 0.8, 0.0, bad_k=20, bad_n=25, partly=60), True),  # it may be less
        (Loss(0, USUAL, 0.9, 0.0, bad_k=81, bad_n=90, partly=60), False),
        (Loss(0, USUAL, 0.97, 0.0, bad_k=0, bad_n=90, recovered=60), False),
    ],
)
def test_what_is_back_in_part_lasts_while_a_good_share_is_missing(loss: Loss, lasts: bool) -> None:
    assert loss.lasts == lasts


def test_what_seemed_to_mend_falls_to_the_level_of_the_others() -> None:
    loss = block(120, n=1)
    for at in range(120, 123):
        loss.weigh(said(Random(0), 1.0), 60 * at, 60 * at + 60, RECOVERY)
    assert loss.good == 3
    loss.fall_to(12, 20, 7200)
    for at in range(123, 125):
        loss.weigh(said(Random(0), 0.0), 60 * at, 60 * at + 60, RECOVERY)
    assert loss.good == 0
    assert loss.changed == 7200
    assert loss.bad_k / loss.bad_n == pytest.approx(15 / 25, abs=0.01)
    assert loss.fall_since is None


def test_together_thin_parts_are_back_sooner_than_each_alone() -> None:
    alone, together = [], []
    for seed in SEEDS:
        random = Random(seed)
        parts = [lost(random, 150)[0] for _ in range(4)]
        whole, _ = lost(random, 150, n=4)
        alone.append(until_back(lost(random, 150)[0], random, 0.985))
        for window in range(1, 600):
            votes = [said(random, 0.985) for _ in parts]
            at = whole.heard
            for part, vote in zip(parts, votes, strict=True):
                part.weigh(vote, at, at + 60, RECOVERY)
            one = pooled(votes)
            assert one is not None and one.n == 4
            whole.weigh(one, at, at + 60, RECOVERY)
            for part in parts:
                part.follow(whole, 0, 0)
            if sum(part.recovered is not None for part in parts) >= 3:
                together.append(window)
                break
    assert sorted(together)[10] < 0.6 * sorted(alone)[10]


def test_a_part_that_is_lost_still_does_not_follow_the_others() -> None:
    whole = Loss(0, USUAL, USUAL, FALLEN, recovered=60, good=9, good_since=60)
    part = lost(Random(0), 30)[0]
    part.weigh(Vote(Opinion.UNSURE, 9, 0, USUAL, 0.0, None, 9, slow=False), 9000, 9060, RECOVERY)
    part.follow(whole, 0, 9)
    assert part.recovered is None


def test_no_part_outweighs_the_others() -> None:
    votes = [Vote(Opinion.BAD, n, k, USUAL, 0.5, 0, n, slow=False) for n, k in ((900, 900), (3, 0), (3, 0))]
    one = pooled(votes)
    assert one is not None
    assert (one.n, one.k) == (12, 6)
    assert pooled([votes[0]._replace(n=0, k=0)]) is None


def flow(came: int, due: float, opinion: Opinion = Opinion.UNSURE) -> Vote:
    """A whole network's window: results that came, and results that are due."""
    n = max(1, round(due)) if came or opinion is not Opinion.UNSURE else 0
    k = min(n, came)
    return Vote(opinion, n, k, 1.0, k / n if n else 0.0, None, came, slow=False, came=came, due=due)


def test_stragglers_are_no_return_and_results_as_usual_are() -> None:
    loss = Loss(onset=0, usual=1.0, now=0.0, low=0.0)
    for at in range(30):
        loss.weigh(flow(0, 1.3, Opinion.BAD), 60 * at, 60 * at + 60, 5)
    for at, came in enumerate([1, 0, 1, 0, 0, 1, 0, 0], 30):
        loss.weigh(flow(came, 1.3, Opinion.GOOD if came else Opinion.UNSURE), 60 * at, 60 * at + 60, 5)
    for at in range(38, 42):  # content with what came, though nothing does
        loss.weigh(flow(0, 1.3, Opinion.GOOD), 60 * at, 60 * at + 60, 5)
    assert loss.recovered is None and loss.wellness == 0.0
    for at, came in enumerate([1, 2, 1, 0, 2, 1, 3], 42):
        loss.weigh(flow(came, 1.3, Opinion.GOOD), 60 * at, 60 * at + 60, 5)
    assert loss.recovered == 60 * 42


def test_what_is_lost_now_follows_the_results_and_not_the_worst_word_of_the_detector() -> None:
    random = Random(5)
    loss = Loss(0, USUAL, 0.5, 0.5)
    for at in range(200):
        word = said(random, 0.55, n=2, opinion=Opinion.BAD)
        loss.weigh(word._replace(reachability=0.2 if at == 100 else 0.55), 60 * at, 60 * at + 60, RECOVERY)
    assert loss.lost == pytest.approx(0.79, abs=0.01)
    assert loss.lost_now == pytest.approx(0.43, abs=0.06)


def throttled_after_a_block(
    seed: int, ratio: float, pace: float, *, leak: float = 0.04, windows: int = 60
) -> tuple[Loss, int]:
    """A part that was blocked for hours and lets `ratio` through at this pace; in how many windows it was back."""
    random, loss, back = Random(seed), Loss(0, USUAL, 0.02, 0.02), 0
    for at in range(200 + windows):
        lets = ratio if at >= 200 else leak
        word = said(random, lets, opinion=Opinion.BAD if at < 215 else Opinion.UNSURE)
        loss.weigh(word._replace(pace=pace if at >= 200 else 1.0), 60 * at, 60 * at + 60, RECOVERY)
        if loss.eases:
            loss.ease_to_throttle(60 * at)
        back += at >= 200 and loss.back is not None
    return loss, back


def test_a_block_that_eases_to_a_throttle_is_slow_and_not_back() -> None:
    for seed in SEEDS:
        loss, back = throttled_after_a_block(seed, 0.93, 0.11)
        assert back == 0
        assert loss.slow and loss.eased_at is not None
        assert loss.eased_at - 200 * 60 <= 25 * 60
        assert loss.slowed == pytest.approx(0.11)
        assert loss.level() >= 0.8  # and no more by what failed before
        quick = said(Random(seed), 1.0)
        for at in range(260, 270):
            loss.weigh(quick, 60 * at, 60 * at + 60, RECOVERY)
        assert loss.recovered == 260 * 60


@pytest.mark.parametrize(
    ("leak", "ratio", "pace"), [(0.3, 0.3, 0.11), (0.04, 0.93, 1.0)], ids=["it leaks slowly", "it is back"]
)
def test_what_leaks_slowly_or_is_back_has_not_eased_to_a_throttle(
    leak: float, ratio: float, pace: float
) -> None:
    losses = [throttled_after_a_block(seed, ratio, pace, leak=leak, windows=240)[0] for seed in SEEDS]
    assert not any(loss.slow for loss in losses)


def test_a_throttle_that_becomes_a_block_again_is_one_within_minutes() -> None:
    random = Random(3)
    loss, _ = throttled_after_a_block(3, 0.93, 0.11)
    for at in range(260, 266):
        loss.weigh(said(random, 0.0, opinion=Opinion.BAD), 60 * at, 60 * at + 60, RECOVERY)
    assert not loss.slow and loss.eased_at is None


def slow_part(seed: int, ratio: float, windows: int, *, n: int = 1) -> Loss:
    """A part that has been slow for two hours, of which this share comes through since, as slowly."""
    random, loss = Random(seed), Loss(0, USUAL, USUAL, USUAL, slow=True)
    for at in range(120 + windows):
        word = said(random, ratio if at >= 120 else 0.97, n=n, opinion=Opinion.BAD)
        loss.weigh(word._replace(slow=True, speed=0.15, pace=0.15), 60 * at, 60 * at + 60, RECOVERY)
    return loss


def test_of_a_throttle_a_block_shows_in_its_results_and_nothing_less_does() -> None:
    for seed in SEEDS:
        blocked = slow_part(seed, 0.02, 4, n=3)
        (turn,) = turns({("x", 1, ""): blocked}, 124 * 60, 60)
        assert turn.parts == (("x", 1, ""),) and turn.ratio < 0.3
        blocked.become_block(turn.ratio)
        assert (blocked.cut_at, blocked.slow) == (blocked.cut_since, False)
        assert 118 * 60 <= blocked.cut_since <= 120 * 60  # a failure or two by chance came just before
        assert blocked.lost_now >= 0.7
        glitch = slow_part(seed, 0.0, 1, n=10)
        assert glitch.cut_since < 120 * 60 or not turns({("x", 1, ""): glitch}, 121 * 60, 60)
        slow_still = slow_part(seed, 0.65, 240, n=3)  # a ramp ends in time-outs of 25 to 45 %
        assert slow_still.slow and not turns({("x", 1, ""): slow_still}, 360 * 60, 60)


def test_one_network_of_three_that_fails_is_no_block_of_all_and_the_others_follow_most() -> None:
    losses = {("x", asn, ""): slow_part(asn, 0.02 if asn == 1 else 0.97, 3, n=3) for asn in (1, 2, 3)}
    assert not turns(losses, 123 * 60, 60)
    losses = {("x", asn, ""): slow_part(asn, 0.02, 2, n=2) for asn in (1, 2, 3)}
    (turn,) = turns(losses, 122 * 60, 60)
    assert len(turn.parts) == 3  # none of them alone has evidence enough
    assert all(loss.cut < ALONE for loss in losses.values())


def test_what_is_slow_is_not_back_in_part() -> None:
    """Its failures are as few as those of what is back in part; one window in which it fails changes nothing."""
    random, loss = Random(1), Loss(0, USUAL, 0.9, 0.9, slow=True, changed=0)
    for at in range(200):
        word = said(random, 0.9, opinion=Opinion.BAD)
        slow = at % 20 > 0
        loss.weigh(word._replace(slow=slow, pace=0.1, speed=0.1), 60 * at, 60 * at + 60, RECOVERY)
        assert loss.partly is None


def test_several_networks_are_as_slow_together_as_the_slower_of_them() -> None:
    words = [said(Random(1), 1.0)._replace(pace=pace) for pace in (0.1, 0.12, 0.9)]
    failing = said(Random(1), 0.0)._replace(pace=0.01)
    whole = pooled([*words, failing])
    assert whole is not None and whole.pace == 0.12
