"""A confusion matrix of OONI's quality assurance: where each measurement ended, and whether that is blocking.

    python -m tests.producers.sources.ooni.qa [FOLDER]

Without a folder: the stories of `test_web_connectivity`, which are made here. With one: files of OONI's own scenarios
(`oonipipeline/tests/data` of ooni/data), where the stage is what the file's name says, and the verdict what the
measurement says that OONI concluded (the reader does not look at that). Then the pace: measurements a minute of CPU.
Exit code 1: something is off the diagonal.
"""

from __future__ import annotations

import io
import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from producers.records import ProbeResult
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader
from tests.producers.sources.ooni.test_web_connectivity import STORIES

STAGES: Final = ("none", "dns", "tcp", "tls", "http")
VERDICTS: Final = ("reached", "blocked", "down", "unknown")
#: What a scenario's name says of the stage; the first that fits.
NAMES: Final = (
    (r"(?i)^success|^idna|^largeFile|^controlFailure|ToProxy", "none"),
    (r"NXDOMAIN|^dns|^ghostDNS|^localhost|NoAddrs|AndroidDNS", "dns"),
    (r"ConnectionRefused|^tcpBlocking|Then(Timeout)ForHTTP$|^websiteDownTCP", "tcp"),
    (r"^badSSL|^tlsBlocking|Then(ConnectionReset|EOF|Timeout)ForHTTPS", "tls"),
    (r"^http|Then(ConnectionReset|EOF)ForHTTP|^redirect|^throttling|^cloudflare", "http"),
)
Pair = tuple[str, str]
#: A scenario: its name, the measurement, the right stage and verdict.
Scenario = tuple[str, bytes, Pair]


def stage_of(name: str) -> str | None:
    """The stage that the name of one of OONI's scenarios says; None: it says none."""
    return next((stage for pattern, stage in NAMES if re.search(pattern, name)), None)


def made() -> Iterator[Scenario]:
    """The stories, whose outcome their makers wrote down."""
    for name, (measurement, outcome) in STORIES.items():
        end, control = outcome.split()
        stage = "none" if end == "ok" else end.partition("/")[0]
        yield name, measurement.json(), (stage, _verdict(end == "ok", {"+": True, "-": False}.get(control)))


def handed(folder: Path) -> Iterator[Scenario]:
    """OONI's own, from a folder; a file whose name says no stage is passed over, with a word."""
    for path in sorted(folder.glob("*.json")):
        value, stage = path.read_bytes(), stage_of(path.stem)
        document = msgspec.json.decode(value)
        keys = document.get("test_keys", document)
        if stage is None or "accessible" not in keys:
            print(f"passed over: {path.name}")
            continue
        blocking, accessible = keys.get("blocking"), keys["accessible"]
        verdict = "blocked" if isinstance(blocking, str) else "reached" if accessible else "down"
        yield path.stem, value, (stage, "unknown" if accessible is None else verdict)


def _verdict(reached: bool, control_ok: bool | None) -> str:
    """What a result's facts say."""
    return "reached" if reached else {True: "blocked", False: "down", None: "unknown"}[control_ok]


def outcome_of(reader: OoniReader, value: bytes) -> Pair:
    """The stage and verdict of a measurement; two times `refused` where it gives no result."""
    result = reader.measurement(value, "qa")
    if not isinstance(result, ProbeResult):
        return "refused", "refused"
    return result.stage or "none", _verdict(result.ok, result.control_ok)


def table(title: str, names: Iterable[str], counts: Counter[Pair]) -> Iterator[str]:
    """A matrix: a row for what is right, a column for what came."""
    columns = [*names, "refused"]
    yield f"{title:>10}" + "".join(f"{name:>10}" for name in columns)
    for row in names:
        yield f"{row:>10}" + "".join(f"{counts[row, column] or '.':>10}" for column in columns)


def pace(reader: OoniReader, values: Iterable[bytes], *, seconds: float = 3.0) -> float:
    """Measurements a minute of CPU, read line by line from a stream as a file is."""
    one = b"".join(msgspec.json.format(value, indent=-1) + b"\n" for value in values)
    n, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        n += sum(1 for _ in reader.read_stream("qa.jsonl", io.BytesIO(one)))
    return n / spent * 60


def main(arguments: list[str]) -> int:
    """Print the matrices and the pace; 1 if something is off the diagonal."""
    reader = OoniReader(Platforms(), country="PK", asn=17557, time=None)
    scenarios = list(handed(Path(arguments[0])) if arguments else made())
    outcomes = [(name, right, outcome_of(reader, value)) for name, value, right in scenarios]
    stages = Counter((right[0], came[0]) for _, right, came in outcomes)
    verdicts = Counter((right[1], came[1]) for _, right, came in outcomes)
    print(f"{len(scenarios)} scenarios; rows: what is right, columns: what came\n")
    print("\n".join(table("stage", STAGES, stages)), end="\n\n")
    print("\n".join(table("verdict", VERDICTS, verdicts)), end="\n\n")
    wrong = [(name, right, came) for name, right, came in outcomes if right != came]
    for name, right, came in wrong:
        print(f"{name}: right is {' '.join(right)}, came {' '.join(came)}")
    if scenarios:
        size = sum(len(value) for _, value, _ in scenarios) / len(scenarios) / 1024
        print(
            f"{pace(reader, (value for _, value, _ in scenarios)):,.0f} measurements a minute of CPU,"
            f" {size:,.0f} KiB each"
        )
    return 1 if wrong or not scenarios else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
