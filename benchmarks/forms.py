"""Other people's JSON: what a record costs in the forms in which others write it, beside our own form.

    python -m benchmarks.forms [--results 60000] [--only white]

The same results in each form, through `CountryMachine.read`, `apply` and `Rows.encode`, as a worker has them, but for
the broker. The forms take turns chunk by chunk, so that a machine that gets slower meanwhile does so for all of them.
Prints CPU microseconds a result of our own form, and of each form the results a CPU second as a share of those of our
own form. The first two windows, in which everybody is new, are not counted.
"""

from __future__ import annotations

import argparse
import json
from collections import deque
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from typing import Any, Final

from benchmarks.engine.load import Shape, log
from benchmarks.step import CHUNK, CpuClock, machine
from streams.machine import Chunk
from streams.step.country import CountryMachine
from streams.words import country_name

Change = Callable[[bytes, int], bytes]
_OFFSET: Final = timezone(timedelta(hours=5))


def _copied(value: bytes, _: int) -> bytes:
    """Our own form; like the others fresh in memory."""
    return bytes(bytearray(value))


def _spaced(value: bytes, _: int) -> bytes:
    return json.dumps(json.loads(value)).encode()


def _escaped(value: bytes, _: int) -> bytes:
    """White space, escapes, exponents, letters beyond ASCII; what the record says is hardly changed."""
    record = json.loads(value)
    record["target"] = "https://пример.example/"
    if record.get("timings_ms"):
        record["timings_ms"] = {name: f"@{took:e}@" for name, took in record["timings_ms"].items()}
    text = json.dumps(record, ensure_ascii=False).replace("/", "\\/").replace('"@', "").replace('@"', "")
    return text.replace('"vantage": "', '"vantage": "\\u0076').encode()


def _offset(value: bytes, _: int) -> bytes:
    at = value.index(b'"time":"') + 8
    end = value.index(b'"', at)
    moment = datetime.fromisoformat(value[at:end].decode()).astimezone(_OFFSET)
    return value[:at] + moment.isoformat(timespec="milliseconds").encode() + value[end:]


def _unknown(value: bytes, number: int) -> bytes:
    return (
        value[:-1] + b',"probe_version":"3.17.2","seen":{"batch":%d,"tags":["a","b",{"n":-1.5e3}]}}' % number
    )


def _rejected(value: bytes, number: int) -> bytes:
    """Three ways to be wrong, in turn."""
    kind = number % 3
    if kind == 0:
        return value.replace(b'"country":"', b'"country":"?', 1)
    if kind == 1:
        return value[:-9]
    return value.replace(b'"asn":', b'"asn":-', 1)


def _newcomer(value: bytes, number: int) -> bytes:
    return value.replace(b'"vantage":"', b'"vantage":"new%d-' % number, 1)


def _as_foreigners_write(value: bytes, number: int) -> bytes:
    """All of it: white space, escapes and offsets in all; unknown members in some; a few rejected, or of newcomers."""
    if number % 100 == 7:
        return _rejected(value, number // 100)
    if number % 1000 == 11:
        value = _newcomer(value, number)
    if number % 50 == 3:
        value = _unknown(value, number)
    return _escaped(_offset(value, number), number)


def _some(share: float, change: Change) -> Change:
    every = round(1 / share)
    return lambda value, number: change(value, number // every) if number % every == 0 else value


#: Each form, and the least share of our own form's results a CPU second.
FORMS: Final[dict[str, tuple[float, Change]]] = {
    "0.2 % with white space": (0.9, _some(0.002, _spaced)),
    "all with white space": (0.8, _spaced),
    "all with white space, escapes, exponents, UTF-8": (0.8, _escaped),
    "offsets on 2 %": (0.8, _some(0.02, _offset)),
    "offsets on all": (0.8, _offset),
    "unknown members on 2 %": (0.7, _some(0.02, _unknown)),
    "unknown members on all": (0.7, _unknown),
    "1 % rejected": (0.85, _some(0.01, _rejected)),
    "20 % rejected": (0.6, _some(0.2, _rejected)),
    "0.1 % of new vantages": (0.9, _some(0.001, _newcomer)),
    "1 % of new vantages": (0.7, _some(0.01, _newcomer)),
    "all of it mixed": (0.6, _as_foreigners_write),
}
OWN: Final = "our own form"


class _Run:
    """One form on its way through a machine of its own."""

    def __init__(self, change: Change) -> None:
        self.clock = CpuClock()
        self.records = 0
        self._change, self._machine = change, machine()
        self._number = 0

    def step(self, keys: Sequence[bytes], values: Sequence[bytes]) -> None:
        """Take a chunk in."""
        changed = []
        for value in values:
            is_result = b"probe/1" in value
            changed.append(self._change(value, self._number) if is_result else value)
            self._number += is_result
        first = self._machine.next_offset
        chunk = Chunk("probes", 0, range(first, first + len(changed)), changed, keys=keys)
        self.clock(_whole)(self._machine, chunk)
        self.records += len(changed)

    def begin(self) -> None:
        """Count from here on."""
        self.clock.seconds, self.records = 0.0, 0

    @property
    def microseconds(self) -> float:
        """Of CPU, a record."""
        return self.clock.seconds * 1e6 / self.records


def _whole(under: CountryMachine, chunk: Chunk) -> None:
    rows = under.read(chunk)
    under.apply(rows)
    rows.encode()


def measure(shape: Shape, only: str) -> dict[str, float]:
    """CPU microseconds a record, by form."""
    country_name(
        "PK", {}
    )  # a worker reads all names when it starts; here the first to tell an incident would
    runs = {OWN: _Run(_copied)} | {name: _Run(change) for name, (_, change) in FORMS.items() if only in name}
    records: list[tuple[bytes, bytes]] = [(key or b"tick", value) for _, key, value in log(shape)]
    warm = 2 * shape.a_window // CHUNK + 1
    for number, begin in enumerate(range(0, len(records), CHUNK)):
        keys, values = zip(*records[begin : begin + CHUNK], strict=True)
        turns = deque(runs.values())
        # Who comes first in a turn finds the memory cold.
        turns.rotate(number)
        for run in turns:
            if number == warm:
                run.begin()
            run.step(list(keys), list(values))
    return {name: run.microseconds for name, run in runs.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--results", type=int, default=60_000)
    parser.add_argument("--cells", type=int, default=250, help="series; each has ten vantages")
    parser.add_argument("--only", default="", help="only forms whose name has this in it")
    chosen: Any = parser.parse_args(arguments)
    costs = measure(Shape(records=chosen.results, cells=chosen.cells, partitions=1), chosen.only)
    own = costs.pop(OWN)
    print(f"{OWN}: {own:.2f} us a result")
    for name, cost in costs.items():
        print(f"{name:50} {own / cost:.2f}  (bar {FORMS[name][0]})")


if __name__ == "__main__":
    main()
