"""Simulated worlds: two faces of one truth, seeded, labelled, disturbed as they say."""

from datetime import datetime
from itertools import islice, pairwise, takewhile

import numpy as np
import pytest

from detectors.readings import Counts, MonitorKey
from producers.records import decode, encode
from producers.simulated.worlds import KINDS, MECHANISMS, WORLDS, Simulation, world
from streams.step import rows as step_rows


class Counted:
    """k and n of a whole run, cells by windows."""

    def __init__(self, simulation: Simulation) -> None:
        days = list(simulation.days_of_counts())
        self.cells = simulation.cells
        self.k = np.concatenate([day.k for day in days], axis=1)
        self.n = np.concatenate([day.n for day in days], axis=1)
        self.times = days[0].start + 60 * np.arange(self.n.shape[1])

    def ratio(self, start: str, end: str, *, platforms: set[str], asns: set[int]) -> tuple[float, int]:
        """Successes over probes, and probes, between two times."""
        begin, stop = (datetime.fromisoformat(text).timestamp() for text in (start, end))
        inside = (self.times >= begin) & (self.times < stop)
        chosen = [i for i, cell in enumerate(self.cells) if cell.platform in platforms and cell.asn in asns]
        seen = int(self.n[chosen][:, inside].sum())
        return (int(self.k[chosen][:, inside].sum()) / seen if seen else float("nan")), seen


@pytest.mark.parametrize("name", ["mixed", "bursty"])
def test_the_two_faces_show_the_same_results(name: str) -> None:
    simulation = Simulation(
        world(name, warmup_days=0.2, gap_hours=(1, 3), volume=1),
        seed=8,
        days=1,
        mechanisms=step_rows.MECHANISMS,
    )
    records = iter(simulation.results())
    for window in islice(simulation.windows(), 480):
        ours = [next(records) for _ in range(len(window.monitor))]
        assert all(window.start <= r.time.timestamp() < window.end for r in ours)
        assert [MonitorKey(*simulation.monitors[code]) for code in window.monitor] == [
            MonitorKey(r.platform, r.country, r.region or "", r.asn, r.vantage, r.simulated) for r in ours
        ]
        assert window.ok.tolist() == [r.ok for r in ours]
        of = step_rows.fields(ours)
        assert window.mechanism.tolist() == step_rows.mechanism_codes(of, window.ok).tolist()
        assert window.control.tolist() == step_rows.control_codes(of).tolist()
        ttfb, throughput = step_rows.measures(of)
        np.testing.assert_allclose(window.ttfb_ms, ttfb, rtol=1e-4)
        np.testing.assert_allclose(window.throughput, throughput, rtol=1e-2)
    assert next(records).time.timestamp() >= window.end


def test_windows_are_what_the_bank_takes() -> None:
    window = next(Simulation(WORLDS["quiet"], seed=1, days=1).windows())
    counts = Counts(*window)
    for name, kind in (
        ("monitor", "i4"),
        ("ok", "?"),
        ("mechanism", "i2"),
        ("control", "i1"),
        ("ttfb_ms", "f4"),
    ):
        assert getattr(counts, name).dtype == np.dtype(kind)
        assert len(getattr(counts, name)) == len(counts.monitor)


def test_records_read_back_and_say_that_they_are_made_up() -> None:
    simulation = Simulation(world("blackout", warmup_days=0.2, gap_hours=(1, 2), volume=3), seed=2, days=1)
    kinds = {(r.stage, r.failure): r for r in simulation.results()}
    assert len(kinds) > 3
    for record in kinds.values():
        assert record.simulated and decode(encode(record)) == record


def test_a_seed_is_a_world() -> None:
    few = world("mixed", volume=3)

    def first(seed: int) -> list[bytes]:
        records = Simulation(few, seed=seed, days=1).results()
        return [encode(record) for record in islice(records, 300)]

    assert first(1) == first(1)
    assert first(1) != first(2)


@pytest.mark.parametrize("volume", [3, 12, 60])
def test_the_volume_is_kept(volume: int) -> None:
    day = next(
        Simulation(world("quiet", volume=volume, vantage_losses_a_week=0), seed=1, days=1).days_of_counts()
    )
    assert day.n.sum() / 1440 / 4 == pytest.approx(volume, rel=0.03)


@pytest.mark.parametrize(
    "name", [name for name in KINDS if KINDS[name].label != "connectivity" and name != "throttle"]
)
def test_what_a_label_says_is_lost_is_lost(name: str) -> None:
    simulation = Simulation(world(name, warmup_days=1, volume=12, vantage_losses_a_week=0), seed=5, days=4)
    assert simulation.labels
    drop = KINDS[name].drop
    counted = Counted(simulation)
    for label in simulation.labels:
        platforms, asns = set(label["platforms"]), set(label["asns"])
        start, end = label["start"], label["end"]
        if name == "rollout":  # take it from where the last network has been reached
            start = datetime.fromtimestamp(
                datetime.fromisoformat(start).timestamp() + 3600, datetime.fromisoformat(start).tzinfo
            ).isoformat()
        within, n = counted.ratio(start, end, platforms=platforms, asns=asns)
        usual, _ = counted.ratio(
            "2024-01-01T00:00:00+00:00",
            "2024-01-02T00:00:00+00:00",
            platforms=platforms,
            asns=asns,
        )
        assert n > 50
        assert drop[0] - 0.09 < 1 - within / usual < drop[1] + 0.09
        others = {cell.asn for cell in simulation.cells} - asns
        if others:
            assert counted.ratio(start, end, platforms=platforms, asns=others)[0] > usual - 0.1


def test_throttling_slows_before_it_fails() -> None:
    simulation = Simulation(world("throttle", warmup_days=1), seed=5, days=4)
    label = simulation.labels[0]
    start, end = (datetime.fromisoformat(label[key]).timestamp() for key in ("start", "end"))
    chosen = [i for i, cell in enumerate(simulation.cells) if cell.platform in label["platforms"]]
    before, late = [], []
    for day in simulation.days_of_counts():
        times = day.start + 60 * np.arange(day.n.shape[1])
        before.append(day.ttfb_ms[chosen][:, (times > start - 3600) & (times < start)].ravel())
        late.append(day.ttfb_ms[chosen][:, (times > start + 3600) & (times < end)].ravel())
    assert 3 < np.nanmedian(np.concatenate(late)) / np.nanmedian(np.concatenate(before)) < 10


@pytest.mark.parametrize("name", ["shutdown", "nightly"])
def test_a_shutdown_is_silence(name: str) -> None:
    simulation = Simulation(world(name, warmup_days=1), seed=5, days=7)
    assert simulation.labels
    counted = Counted(simulation)
    for label in simulation.labels:
        assert label["kind"] == "connectivity" and label["platforms"] == []
        platforms = set(simulation.world.platforms)
        start = datetime.fromisoformat(label["start"]).timestamp() + 120
        end = datetime.fromisoformat(label["end"]).timestamp() - 120
        seen = int(counted.n[:, (counted.times >= start) & (counted.times < end)].sum())
        assert seen < 0.02 * 12 * len(platforms) * (end - start) / 60


def test_a_global_outage_strikes_every_country_and_the_controls() -> None:
    simulation = Simulation(world("global", countries=3, warmup_days=1, volume=12), seed=5, days=3)
    label = simulation.labels[0]
    assert label["country"] is None and label["kind"] == "global"
    start, end = (datetime.fromisoformat(label[key]).timestamp() for key in ("start", "end"))
    bad = {monitor.country: [0, 0] for monitor in simulation.monitors}
    for window in takewhile(lambda window: window.start < end, simulation.windows()):
        if start + 120 <= window.start < end - 120:
            for code, ok, control in zip(window.monitor, window.ok, window.control, strict=True):
                monitor = simulation.monitors[code]
                if monitor.platform in label["platforms"] and not ok:
                    bad[monitor.country][0] += 1
                    bad[monitor.country][1] += control == 0
    assert all(failed > 100 and without / failed > 0.75 for failed, without in bad.values())


def test_events_of_a_country_never_overlap_and_wait_for_the_warm_up() -> None:
    simulation = Simulation(world("mixed", countries=4, warmup_days=2), seed=3, days=30)
    assert {label["event"] for label in simulation.labels} == set(KINDS)
    for country in {label["country"] for label in simulation.labels} - {None}:
        mine = [label for label in simulation.labels if label["country"] in {country, None}]
        assert mine[0]["start"] >= "2024-01-03"
        for before, after in pairwise(mine):
            assert datetime.fromisoformat(before["end"]) < datetime.fromisoformat(after["start"])


def test_double_drift_drifts_twice_as_far() -> None:
    once = Simulation(WORLDS["quiet"], seed=1, days=20)
    twice = Simulation(WORLDS["drifting"], seed=1, days=20)
    np.testing.assert_allclose(twice._wander, 2 * once._wander)


def test_bursts_leave_most_minutes_of_a_vantage_empty() -> None:
    def busy_minutes(name: str) -> float:
        simulation = Simulation(world(name, volume=60), seed=1, days=1)
        seen = np.zeros(360, dtype=bool)
        for i, window in enumerate(islice(simulation.windows(), len(seen))):
            seen[i] = bool((window.monitor == 0).any())
        return float(seen.mean())

    assert busy_minutes("bursty") < 0.25
    assert busy_minutes("quiet") > 0.9


def test_mechanisms_are_words_of_the_vocabulary() -> None:
    assert set(MECHANISMS) <= set(step_rows.MECHANISMS)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"events": ("earthquake",)}, "choose from blackout"),
        ({"volume": 0}, "above 0"),
        ({"countries": 1000}, "countries 1000"),
    ],
)
def test_a_world_out_of_bounds_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        world("quiet", **changes)


def test_an_unknown_world_is_refused() -> None:
    with pytest.raises(ValueError, match="choose from quiet"):
        world("nowhere")
