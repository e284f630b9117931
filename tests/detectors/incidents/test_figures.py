"""The figures of a record are of the networks that its sentence names, and of the minutes before it was told."""

from __future__ import annotations

from dataclasses import replace as told_with

from msgspec.structs import replace

from detectors.incidents.addresses import lost_targets
from detectors.incidents.loss import Loss
from detectors.incidents.moves import Announcement
from detectors.incidents.snapshots import Scope
from streams.incidents import to_record
from tests.detectors.incidents.hand import T0, WINDOW, country, reading, run, story
from tests.detectors.incidents.test_assembler import ALL, on


def test_a_figure_is_of_the_last_windows_of_all_networks_together() -> None:
    """Five networks: two windows have a hundred results, and nothing of the time before is in the figure."""
    lines = on("x", ALL, "....xxxxxxxxxx..............") | on("google", ALL, "." * 28)
    lines |= {("x", 5): "....xxxxxxxxxxxxxxxxxxxxxxxx"}
    back = next(one for one in run(story(lines)) if one.reason.startswith("restored on"))
    assert (back.scope, back.reachability, back.results) == (Scope.PROVIDER, 0.0, 20)
    assert back.by_platform[0].results == back.results


def test_a_nation_scale_figure_is_of_all_its_networks() -> None:
    lines = on("x", [1, 2], "....xxxxxxxxxx..............") | on(
        "x", [3, 4, 5], "....xxxxxxxxxxxxxxxxxxxxxxxx"
    )
    back = next(one for one in run(story(lines)) if one.reason.startswith("restored on"))
    assert (back.scope, back.reachability, back.results) == (Scope.NATION_SCALE, 0.4, 100)


def test_regions_have_twenty_results_together_and_not_each() -> None:
    """Four of six regions are cut, and mend at once: six windows later none of what failed is in their figure."""
    cut, well = "....xxxxxxxxxxxx" + "." * 20, "." * 36
    regions = {("x", f"PK-{i}"): cut if i < 4 else well for i in range(6)}
    homes = {asn: [f"PK-{i}" for i in range(6)] for asn in ALL}
    windows = [
        reading([country(at, on("x google", ALL, well), regions=regions, homes=homes)]) for at in range(36)
    ]
    *_, last = run(windows)
    assert last.in_regions is not None
    assert last.in_regions > 0.9


def test_what_is_lost_again_has_the_scope_of_what_is_lost_again() -> None:
    lines = on("x", ALL, "....xxxxxxxx............xxxxxxxx") | on("google", ALL, "." * 32)
    again = next(one for one in run(story(lines)) if one.reason.startswith("lost again"))
    assert (again.scope, len(again.networks)) == (Scope.NATION_SCALE, 5)


def test_a_platform_that_is_lost_again_is_told_as_that() -> None:
    lines = on("x", [1], "....xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx")
    lines |= on("facebook", [1], "....xxxxxxxxxxxxx.............xxxxxxxxxxxxxxxxxxxxxxxx") | on(
        "google", [1], "." * 54
    )
    reasons = [one.reason for one in run(story(lines))]
    assert reasons == ["", "facebook restored", "facebook lost again"]


def test_a_loss_that_came_back_within_it_ends_after_it_was_lost_again() -> None:
    """Two networks fail once more for two windows: they are well since these, and not since the first time."""
    early = "....xxxxxxxxxx" + "." * 48
    lines = on("x", ALL, early) | on("facebook", [2, 4, 5], early) | on("google", ALL, "." * 62)
    lines["facebook", 1] = "...............xxxxx............................xx............"
    lines["facebook", 3] = "...............xxxxx............................x............."
    *_, again, over = run(story(lines))
    assert (again.reason, over.status) == ("lost again", Announcement.RESOLVED)
    assert over.resolved is not None
    assert over.resolved >= T0 + 49 * WINDOW


def _address(bad: tuple[int, int], recent: tuple[int, int]) -> Loss:
    loss = Loss(0, 0.98, 0.8, 0.8)
    loss.bad_k, loss.bad_n, loss.recent_k, loss.recent_n = *map(float, bad), *map(float, recent)
    return loss


def test_one_of_many_looks_at_addresses_is_no_difference_between_them() -> None:
    lucky = {"a": _address((840, 1000), (20, 20)), "b": _address((840, 1000), (11, 20))}
    assert lost_targets(lucky, (), []) == []
    fresh = {name: replace(one, bad_k=one.recent_k, bad_n=one.recent_n) for name, one in lucky.items()}
    assert lost_targets(fresh, (), []) == ["b"]


def test_a_sentence_whose_figure_shows_no_loss_says_that_it_may_be_over() -> None:
    lines = on("x", [1], "....xxxxxxxxxxxxxxxxxxxxxxxxxxxx....") | on("google", [1], "." * 36)
    opened = run(story(lines))[0]
    well, lost = (to_record(told_with(opened, reachability=now, results=40)).summary for now in (0.97, 0.9))
    assert (
        "restricted in Pakistan on AS1 since 00:04 UTC, and perhaps no more; 97% of attempts succeed" in well
    )
    assert "perhaps" not in lost
