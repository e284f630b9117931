"""Every detector runs the same checks, and River's own where they apply."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from river import checks as rivers

from detectors.single import checks
from detectors.single.bank import NotPlainError, from_plain, to_plain
from detectors.single.binomial import BinomialCusum
from detectors.single.chosen import KNOWN, ChosenDetector, check
from detectors.single.silence import Silence
from detectors.single.slowdown import Slowdown

START = 1_704_067_200


def windows(kind: str) -> list[Mapping[str, Any]]:
    """A hundred windows, some of them missing, the last third of them bad."""
    rng = random.Random(kind)
    found: list[Mapping[str, Any]] = []
    for i in range(100):
        if rng.random() < 0.1:
            continue
        start, bad = START + 60 * i, i > 66
        n = float(rng.randint(1, 9))
        found.append(
            {
                "ratio": {"start": start, "ok": 0.0 if bad else n, "probes": n},
                "volume": {"start": start, "results": 0.0 if bad else n},
                "time": {"start": start, "value": rng.lognormvariate(5.0 + bad, 0.2)},
                "value": {"value": rng.lognormvariate(5.0 + bad, 0.2)},
            }[kind]
        )
    return found


OURS: dict[str, tuple[Callable[[], Any], str]] = {
    "BinomialCusum": (BinomialCusum, "ratio"),
    "Silence": (Silence, "volume"),
    "Slowdown": (Slowdown, "time"),
}
PARAMETERS: Mapping[str, Mapping[str, Any]] = {
    "river.anomaly.HalfSpaceTrees": {"n_trees": 3, "height": 4, "threshold": 0.9, "seed": 1},
    "detectors.single.novelty.Novelty": {"memory": 20, "grace": 10},
    "river.drift.KSWIN": {"window_size": 30, "stat_size": 10, "seed": 1},
}


def rivers_own(path: str) -> ChosenDetector:
    return ChosenDetector(path, PARAMETERS.get(path, {}))


@pytest.mark.parametrize("name", OURS)
@pytest.mark.parametrize("run", list(checks.all_checks()), ids=lambda run: run.__name__)
def test_ours(name: str, run: Callable[..., None]) -> None:
    make, kind = OURS[name]
    run(make(), windows(kind))


@pytest.mark.parametrize("path", KNOWN)
@pytest.mark.parametrize("run", list(checks.all_checks()), ids=lambda run: run.__name__)
def test_rivers(path: str, run: Callable[..., None]) -> None:
    if run is checks.memory_levels_off and path == "river.drift.ADWIN":
        return  # its window grows with the logarithm of what it saw, by design
    run(rivers_own(path), windows("value"))


def general_checks(model: Any) -> Iterator[Callable[[Any], None]]:
    """River's checks of a model's making, naming and copying. Those after them feed features of data sets."""
    for run in rivers.yield_checks(model):
        yield run
        if run.__name__ == "check_get_params_matches_signature":
            return
    raise AssertionError("River names its checks otherwise now")


@pytest.mark.parametrize("name", OURS)
def test_rivers_checks_of_ours(name: str) -> None:
    make, _ = OURS[name]
    model = make()
    ran = []
    for run in general_checks(model):
        if run.__name__ not in model._unit_test_skips():
            run(model.clone())
            ran.append(run.__name__)
    assert len(ran) >= 12


class Leaking:
    """Breaks every promise."""

    def __init__(self) -> None:
        self.values: list[float] = []
        self.score = 0.0

    def score_one(self, x: Mapping[Any, Any]) -> float:
        self.values.append(float(x["value"]))
        return float(len(self.values))

    def learn_one(self, x: Mapping[Any, Any]) -> None:
        self.values.append(float(x["value"]))


@pytest.mark.parametrize(
    "run",
    [checks.scoring_changes_nothing, checks.memory_levels_off, checks.nan_raises],
    ids=lambda run: run.__name__,
)
def test_a_check_can_fail(run: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "to_plain", lambda detector: list(detector.values))
    with pytest.raises(AssertionError):
        run(Leaking(), windows("value"))


@pytest.mark.parametrize("path", KNOWN)
def test_a_known_class_is_accepted(path: str) -> None:
    check(path, PARAMETERS.get(path, {}))


@pytest.mark.parametrize(
    ("path", "parameters", "complaint"),
    [
        ("os.system", {}, "no class of River's"),
        ("river.drift.Nonsense", {}, "there is no such class"),
        ("river.linear_model.LinearRegression", {}, "neither an anomaly nor a drift detector"),
        ("river.anomaly.LODA", {}, "give `threshold`"),
        ("river.drift.ADWIN", {"sharpness": 3}, "refuses its parameters"),
        ("river.anomaly.LocalOutlierFactor", {"threshold": 2.0}, "can't be kept as plain data"),
    ],
)
def test_what_does_not_work_is_refused(path: str, parameters: Mapping[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match="river") as refused:
        check(path, parameters)
    assert complaint in str(refused.value)


def test_a_class_from_elsewhere_is_not_made_again() -> None:
    with pytest.raises(ValueError, match="no class of River"):
        from_plain({"object": "subprocess.Popen", "state": {}})
    with pytest.raises(NotPlainError):
        to_plain(print)
