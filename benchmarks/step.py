"""What one step costs: CPU seconds of `CountryMachine.read` and `apply`, with no broker and no engine about them.

    python -m benchmarks.step [--results 100000] [--cells 1000 20000]

Prints a line for each number of cells: microseconds a result to decode, to read and to apply, microseconds a
cell-window, and results a CPU second in all. Windows are a minute long; every cell has results in each.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from time import process_time
from typing import TypeVar

from benchmarks.engine.load import Shape, log
from streams.machine import Chunk
from streams.settings import Settings
from streams.step.country import CountryMachine
from streams.step.rows import RowReader

CHUNK = 8000  # as a worker has it
T = TypeVar("T")


class CpuClock:
    """Sums up the CPU seconds of what is called through it."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self, call: Callable[..., T]) -> Callable[..., T]:
        def timed(*args: object) -> T:
            begin = process_time()
            try:
                return call(*args)
            finally:
                self.seconds += process_time() - begin

        return timed


def machine() -> CountryMachine:
    """One that goes by the ticks in its log, and does not write health records."""
    settings = Settings()
    replay = settings.worker.model_copy(update={"clock": "replay"})
    return CountryMachine(settings.model_copy(update={"worker": replay}), publish_health=False)


def chunks(shape: Shape) -> list[Chunk]:
    """The log of a world, cut as a worker reads it."""
    values = [value for _, _, value in log(shape)]
    return [
        Chunk("probe-results", 0, range(at, at + len(part)), part)
        for at in range(0, len(values), CHUNK)
        for part in [values[at : at + CHUNK]]
    ]


def measure(shape: Shape) -> dict[str, float]:
    """The figures of one run; the first two windows, in which everybody is new, are not counted."""
    under = machine()
    reader, close = RowReader(), CpuClock()
    under._close_windows = close(under._close_windows)  # type: ignore[method-assign]  # nothing else is timed inside
    decode, read, apply = CpuClock(), CpuClock(), CpuClock()
    results = windows = 0
    all_chunks = chunks(shape)
    warm = 1 + 2 * shape.a_window // CHUNK
    for i, chunk in enumerate(all_chunks):
        if i == warm:
            for clock in (close, decode, read, apply):
                clock.seconds = 0.0
            results = windows = 0
        if fresh := decode(reader.read)(chunk.values).new_monitors:
            reader.learn(fresh)
        rows = read(under.read)(chunk)
        apply(under.apply)(rows)
        results += len(rows.ids)
        windows += len(under.closed)
    a_result = 1e6 / results
    return {
        "decode us": decode.seconds * a_result,
        "read us": read.seconds * a_result,
        "apply us": apply.seconds * a_result,
        "us a cell-window": close.seconds * 1e6 / max(1, windows) / shape.cells,
        "results a CPU second": results / (read.seconds + apply.seconds),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--results", type=int, default=100_000)
    parser.add_argument("--cells", type=int, nargs="+", default=[1000, 20_000])
    parser.add_argument("--vantages", type=int, default=1)
    chosen = parser.parse_args(arguments)
    for cells in chosen.cells:
        shape = Shape(records=chosen.results, cells=cells, vantages=chosen.vantages, partitions=1)
        figures = measure(shape)
        print(f"{cells:>6} cells " + ", ".join(f"{name} {value:.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
