"""What bundles and signatures cost a step: `python -m benchmarks.signed`.

Results a CPU second of read, apply and encode, on one core, without a broker: plain records, bundles, signed bundles.
"""

from __future__ import annotations

import time
from datetime import timedelta

from producers.bundles import Signer, bundle, new_key
from producers.records import Tick, encode
from streams.machine import Chunk, Headers
from streams.records import Vantage
from streams.step.country import CountryMachine
from tests.streams.step.liars import START, result, settings

RESULTS = 100_000
CHUNK = 8000


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


def main() -> None:
    """Print the figures."""
    plain = rate(per_record=0, signed=False)
    print(f"plain records: {plain:,.0f} results a CPU second")
    for per_record in (500, 50):
        bundled, signed = (rate(per_record=per_record, signed=one) for one in (False, True))
        print(
            f"{per_record} a bundle: {bundled:,.0f} unsigned, {signed:,.0f} signed: "
            f"{signed / plain:.2f} of plain, {signed / bundled:.2f} of unsigned"
        )


if __name__ == "__main__":
    main()
