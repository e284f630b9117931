"""What a detector promises, of Novelty: scoring changes nothing, memory levels off, it speaks once."""

import pickle
import random
from collections.abc import Callable

import pytest
from river.base import AnomalyDetector

from detectors.single import checks
from detectors.single.chosen import ChosenDetector, check
from detectors.single.novelty import Novelty


@pytest.mark.parametrize("run", list(checks.all_checks()), ids=lambda run: run.__name__)
def test_it_owes_what_every_detector_owes(run: Callable[..., None]) -> None:
    run(Novelty(memory=20, rest=5, grace=10), [{"value": value} for value in wave(9, 120)])


def test_it_can_be_named_in_the_settings() -> None:
    check("detectors.single.novelty.Novelty", {"memory": 50, "grace": 20})
    detector = ChosenDetector("detectors.single.novelty.Novelty", {"grace": 20})
    for value in wave(10, 100):
        detector.learn_one({"value": value})
    assert detector.score_one({"value": 300.0}) > 1.0


def wave(seed: int, n: int) -> list[float]:
    source = random.Random(seed)
    return [source.gauss(100.0, 5.0) for _ in range(n)]


def learned(values: list[float], **parameters: int) -> Novelty:
    detector = Novelty(**parameters)
    for value in values:
        detector.learn_one({"value": value})
    return detector


def test_scoring_twice_gives_one_answer() -> None:
    detector = learned(wave(1, 300))
    before = pickle.dumps(detector)
    assert detector.score_one({"value": 200.0}) == detector.score_one({"value": 200.0}) > 1.0
    assert pickle.dumps(detector) == before
    assert isinstance(detector, AnomalyDetector)


def test_memory_levels_off() -> None:
    detector = learned(wave(2, 600), memory=100, rest=50)
    assert len(detector.known) == len(detector.came) == 100
    assert detector.known == sorted(detector.came)


def test_a_known_value_is_never_strange() -> None:
    values = wave(3, 500)
    detector = learned(values)
    assert all(detector.score_one({"value": value}) == 0.0 for value in values)


def test_it_speaks_once_and_again_of_what_is_stranger() -> None:
    detector = learned(wave(4, 500), rest=20)
    scores = []
    for value in (200.0, 199.0, 201.0, 3000.0):
        scores.append(detector.score_one({"value": value}))
        detector.learn_one({"value": value})
    assert scores[0] > 1.0 and scores[1] == scores[2] == 0.0 and scores[3] > 0.0


def test_after_its_rest_it_speaks_again() -> None:
    detector = learned(wave(5, 500), rest=20, memory=100)
    detector.learn_one({"value": 400.0})
    assert detector.score_one({"value": 200.0}) == 0.0
    for value in wave(6, 21):
        detector.learn_one({"value": value})
    assert detector.score_one({"value": 200.0}) > 1.0


def test_it_goes_on_identically_after_a_copy() -> None:
    detector = learned(wave(7, 300))
    twin = pickle.loads(pickle.dumps(detector))
    for value in wave(8, 200):
        assert detector.score_one({"value": value}) == twin.score_one({"value": value})
        detector.learn_one({"value": value})
        twin.learn_one({"value": value})


def test_a_flat_line_that_moves_is_strange() -> None:
    detector = learned([5.0] * 200)
    assert detector.score_one({"value": 5.0}) == 0.0
    assert detector.score_one({"value": 5.1}) >= 1.0


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_number_raises(value: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        Novelty().learn_one({"value": value})
    with pytest.raises(ValueError, match="finite"):
        Novelty().score_one({"value": value})


@pytest.mark.parametrize("parameters", [{"memory": 1}, {"rest": -1}, {"alarm": 0.0}, {"grace": 1}])
def test_parameters_out_of_bounds_are_refused(parameters: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 values"):
        Novelty(**parameters)
