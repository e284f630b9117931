"""What bundles and signatures cost a step: `python -m benchmarks.signed`.

Results a CPU second of read, apply and encode, on one core, without a broker: plain records, bundles, signed bundles,
in turns, so that a machine that is busy for a while is so for all of them. Then what one check of a signature costs,
and how much of that is the hash of the record: no reader of bundles can be cheaper.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from datetime import timedelta

from blake3 import blake3

from producers.bundles import (
    SEQUENCE_HEADER,
    SIGNATURE_HEADER,
    Signer,
    Verifier,
    bundle,
    new_key,
)
from producers.records import Tick, encode
from streams.machine import Chunk, Headers
from streams.records import Vantage
from streams.step.country import CountryMachine
from tests.streams.step.liars import START, result, settings

RESULTS = 100_000
CHUNK = 8000
TURNS = 5
CHECKS = 300


def rate(*, per_record: int, signed: bool) -> float:
    """Results a CPU second; `per_record` 0: each in a record of its own."""
    private, public = new_key()
    signer = Signer(private)
    policy = "signed" if signed else "registered"
    machine = CountryMachine(settings(policy, results_max=10**9), publish_health=False)
    machine.note(Vantage(vantage="v7", country="PK", asn=7, public_key=public, since=START))
    first = encode(Tick(time=START + timedelta(minutes=1)))
    machine.apply(machine.read(Chunk("probes", 0, [0], [first])))
    target = "https://www.example.org/"
    lines = [
        encode(result(1, i % 25, 7, f"p{i % 40}", True, id=f"{i:08x}", target=target)) for i in range(RESULTS)
    ]
    step = per_record or 1
    values = [bundle("v7", lines[i : i + step]) for i in range(0, RESULTS, step)] if per_record else lines
    headers: list[Headers] = [signer.headers(value) if signed else () for value in values]
    size = CHUNK // step
    begun = time.process_time()
    for i in range(0, len(values), size):
        part = values[i : i + size]
        chunk = Chunk(
            "probes",
            0,
            range(i + 1, i + 1 + len(part)),
            part,
            None,
            [b"PK"] * len(part),
            headers[i : i + size] if signed else None,
        )
        rows = machine.read(chunk)
        machine.apply(rows)
        rows.encode()
    seconds = time.process_time() - begun
    assert machine.totals.applied == RESULTS
    assert not machine.totals.unregistered
    return RESULTS / seconds


def check_seconds(per_record: int) -> tuple[float, float]:
    """CPU seconds of one check of a bundle's signature, and of BLAKE3 over the same text."""
    private, public = new_key()
    line = encode(result(1, 3, 7, "p1", True, id="00000000", target="https://www.example.org/"))
    value = bundle("v7", [line] * per_record)
    headers = dict(Signer(private).headers(value))
    sequence, signature = int(headers[SEQUENCE_HEADER]), headers[SIGNATURE_HEADER]
    verifier = Verifier()
    assert verifier.good(public, sequence, value, signature)

    def seconds(work: Callable[[], object]) -> float:
        begun = time.process_time()
        for _ in range(CHECKS):
            work()
        return (time.process_time() - begun) / CHECKS

    checking = seconds(lambda: verifier.good(public, sequence, value, signature))
    return checking, seconds(lambda: blake3(value).digest())


def main() -> None:
    """Print the figures: the median of the turns, and of the ratios within each turn."""
    kinds = [(0, False), *((size, signed) for size in (500, 50) for signed in (False, True))]
    rate(per_record=500, signed=True)  # the first one pays for what is loaded
    turns = [
        {(size, signed): rate(per_record=size, signed=signed) for size, signed in kinds} for _ in range(TURNS)
    ]
    median = {kind: statistics.median(turn[kind] for turn in turns) for kind in kinds}
    print(f"plain records: {median[0, False]:,.0f} results a CPU second")
    for size in (500, 50):
        of_plain = statistics.median(turn[size, True] / turn[0, False] for turn in turns)
        of_unsigned = statistics.median(turn[size, True] / turn[size, False] for turn in turns)
        checking, hashing = check_seconds(size)
        print(
            f"{size} a bundle: {median[size, False]:,.0f} unsigned, {median[size, True]:,.0f} signed: "
            f"{of_plain:.2f} of plain, {of_unsigned:.2f} of unsigned; one check {checking * 1e6:.0f} us, of which "
            f"BLAKE3 {hashing * 1e6:.0f} us: {checking / size * 1e6:.2f} us a result"
        )


if __name__ == "__main__":
    main()
