"""`python -m benchmarks.nab FOLDER`: detectors over a checkout of https://github.com/numenta/NAB, scored its way."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from river import anomaly

from benchmarks.nab.corpus import read, scores
from benchmarks.nab.scoring import Scored, benchmark, probation
from detectors.single.novelty import Novelty

Floats = NDArray[np.float64]


def novelty(values: Floats) -> Floats:
    """Ours, as shipped."""
    detector = Novelty()
    found = np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        found[row] = detector.score_one({"value": value})
        detector.learn_one({"value": value})
    return found


def gaussian(values: Floats) -> Floats:
    """River's GaussianScorer, out of the box."""
    detector = anomaly.GaussianScorer()
    found = np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        score = detector.score_one(None, value)
        found[row] = score if math.isfinite(score) else 0.0
        detector.learn_one(None, value)
    return found


def rolling_gaussian(values: Floats) -> Floats:
    """River's GaussianScorer over the length of the probation."""
    detector = anomaly.GaussianScorer(window_size=max(10, probation(len(values))), grace_period=10)
    found = np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        try:
            found[row] = detector.score_one(None, value)
        except TypeError:  # the rolling variance fell a hair below 0, and its root is complex
            found[row] = 0.0
        detector.learn_one(None, value)
    return found


def trees(values: Floats) -> Floats:
    """River's HalfSpaceTrees; limits from the probation, as it wants values from 0 to 1."""
    first = values[: max(10, probation(len(values)))]
    low, high = float(first.min()), float(first.max())
    detector = anomaly.HalfSpaceTrees(limits={"value": (low, high if high > low else low + 1.0)}, seed=1)
    found = np.zeros(len(values))
    for row, value in enumerate(values.tolist()):
        found[row] = detector.score_one({"value": value})
        detector.learn_one({"value": value})
    return found


DETECTORS: dict[str, Callable[[Floats], Floats]] = {
    "netdusk Novelty": novelty,
    "River GaussianScorer": gaussian,
    "River GaussianScorer, rolling": rolling_gaussian,
    "River HalfSpaceTrees": trees,
}


def main(
    folder: Annotated[Path, typer.Argument(help="A checkout of https://github.com/numenta/NAB.")],
    published: Annotated[
        bool, typer.Option(help="Score what the checkout keeps of others too: checks the scoring itself.")
    ] = True,
) -> None:
    """Score detectors on Numenta's Anomaly Benchmark, standard profile: 0 is no alarm at all, 100 is perfect."""
    try:
        series = read(folder)
    except FileNotFoundError as error:
        Console(stderr=True).print(str(error))
        raise typer.Exit(2) from error
    table = Table("detector", "score", "threshold", "windows found", "false detections", box=None)
    for name, run in DETECTORS.items():
        _add(table, name, [Scored(run(one.values), one.windows) for one in series])
    if published:
        for name in ("numenta", "contextOSE", "knncad", "windowedGaussian", "null"):
            if (folder / "results" / name).is_dir():
                files = [Scored(scores(folder, name, one.name), one.windows) for one in series]
                _add(table, f"{name}, from results/", files)
    Console(width=100).print(table)


def _add(table: Table, name: str, files: list[Scored]) -> None:
    result = benchmark(files)
    found = f"{result.windows_found} of {result.windows}"
    table.add_row(name, f"{result.score:.1f}", f"{result.threshold:.3g}", found, str(result.false_detections))


if __name__ == "__main__":
    typer.run(main)
