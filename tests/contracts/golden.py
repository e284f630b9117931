"""Golden snapshots: `python -m tests.contracts.golden` writes those of the release that is being made, and no others.

    releases/VERSION/shapes.json     the shape of everything kept and published
    releases/VERSION/country.log     the checkpoint log of a partition of results (`scenario`)
    releases/VERSION/worldwide.log   the same of the view over the world
    releases/VERSION/decided.jsonl   what the run that was not interrupted told after the worker was killed
    releases/VERSION/records/        one record of every kind, with every field

What a release has written stays as it is for ever. What it decided may be corrected by a later one: then
`python -m tests.contracts.golden --decided` writes what this one decides, to be read in the diff.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, Protocol

from streams.engine.checkpoint import (
    Delta,
    Fence,
    Restorer,
    SnapshotPart,
    encode,
    pack,
    split,
    unpack,
)
from streams.machine import Chunk, Machine
from streams.records import Incident
from streams.settings import fingerprint, load
from streams.step.country import CountryMachine
from streams.step.worldwide import WorldMachine
from tests.contracts import scenario
from tests.contracts.examples import examples
from tests.contracts.shapes import shapes

HERE: Final = Path(__file__).parent
RELEASES: Final = HERE / "releases"
ROOT: Final = HERE.parents[1]
VERSION: Final = str(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"])
SETTINGS: Final = load()
OWNER: Final = "golden"


class Story(Protocol):
    """A log of a partition, by minutes, and where its worker was killed."""

    name: str
    snapshot: int
    killed: int
    end: int

    def machine(self) -> Machine[Any]:
        """A new one."""
        ...

    def chunks(self, begin: int, end: int) -> Iterator[Chunk]:
        """Of these minutes."""
        ...


class OfCountries:
    """The partition of results."""

    name = "country"
    snapshot, killed, end = scenario.SNAPSHOT, scenario.KILLED, scenario.END

    def machine(self) -> Machine[Any]:
        return CountryMachine(SETTINGS)

    def chunks(self, begin: int, end: int) -> Iterator[Chunk]:
        return scenario.chunks(begin, end)


class OfTheWorld:
    """The partition of the health topic."""

    name = "worldwide"
    snapshot, killed, end = scenario.WORLD_SNAPSHOT, scenario.WORLD_KILLED, scenario.WORLD_END

    def machine(self) -> Machine[Any]:
        return WorldMachine(SETTINGS)

    def chunks(self, begin: int, end: int) -> Iterator[Chunk]:
        return scenario.health_chunks(begin, end)


STORIES: Final[tuple[Story, ...]] = (OfCountries(), OfTheWorld())


def is_released(version: str) -> bool:
    """Whether what this version has written is in the world."""
    return f"## {version} (unreleased)" not in (ROOT / "CHANGELOG.md").read_text()


def taken(story: Story) -> tuple[bytes, list[Incident]]:
    """The checkpoint log of a story, and what its run tells after the worker was killed."""
    machine = story.machine()
    for chunk in story.chunks(0, story.snapshot):
        machine.apply(machine.read(chunk))
    mark = fingerprint(SETTINGS)
    offset = 0
    crc, pieces = split(machine.snapshot())
    records: list[Fence | SnapshotPart | Delta] = [Fence(OWNER, mark)]
    for index, piece in enumerate(pieces):
        records.append(SnapshotPart(OWNER, 0, index, index, len(pieces), offset, mark, crc, piece))
    if isinstance(machine, CountryMachine):
        machine.note(scenario.RALLY)
    for chunk in story.chunks(story.snapshot, story.killed):
        batch = machine.read(chunk)
        following = offset + len(chunk.values)
        records.append(Delta(OWNER, 0, len(records) - 1, offset, following, mark, pack(batch.encode())))
        machine.apply(batch)
        offset = following
    log = b"".join(struct.pack(">I", len(value)) + value for value in map(encode, records))
    return log, told(machine, story)


def restored(story: Story, log: bytes) -> Machine[Any]:
    """A machine that goes on where the worker of a log was killed."""
    restorer = Restorer()
    for offset, value in enumerate(cut(log)):
        restorer.feed(offset, value)
    kept = restorer.finish()
    assert kept.snapshot is not None
    machine = story.machine()
    machine.restore(kept.snapshot)
    for delta in kept.deltas:
        machine.apply(machine.decode_batch(unpack(delta.batch)))
    return machine


def cut(log: bytes) -> Iterator[bytes]:
    """The records of a log."""
    while log:
        (size,) = struct.unpack_from(">I", log)
        yield log[4 : 4 + size]
        log = log[4 + size :]


def told(machine: Machine[Any], story: Story) -> list[Incident]:
    """What a machine tells from the kill on."""
    incidents = []
    for chunk in story.chunks(story.killed, story.end):
        incidents += machine.apply(machine.read(chunk)).incidents
    return incidents


def gist(incidents: Iterable[Incident]) -> list[dict[str, Any]]:
    """What was decided of incidents, without the words."""
    return [
        {
            "id": incident.id,
            "seq": incident.seq,
            "status": incident.status,
            "kind": incident.kind,
            "scope": incident.scope,
            "platforms": list(incident.platforms),
            "networks": [network.asn for network in incident.networks],
            "onset": incident.onset.isoformat(),
            "updated": incident.updated.isoformat(),
            "resolved": incident.resolved and incident.resolved.isoformat(),
            "coincides": list(incident.coincides),
            "mechanism": incident.mechanism and incident.mechanism.name,
        }
        for incident in incidents
    ]


def written_down(decided: Iterable[dict[str, Any]]) -> str:
    """One line each."""
    return "".join(json.dumps(one, sort_keys=True) + "\n" for one in decided)


def write(directory: Path) -> None:
    """Everything that the release being made keeps and publishes."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "shapes.json").write_text(json.dumps(shapes(), indent=1) + "\n")
    (directory / "records").mkdir(exist_ok=True)
    for stale in (directory / "records").iterdir():
        stale.unlink()
    for name, value in examples().items():
        (directory / "records" / f"{name}.json").write_bytes(value + b"\n")
    decided = []
    for story in STORIES:
        log, incidents = taken(story)
        again = told(restored(story, log), story)
        if again != incidents:
            raise SystemExit(f"{story.name}: the restored one decides otherwise; mend that first")
        (directory / f"{story.name}.log").write_bytes(log)
        decided += gist(incidents)
    (directory / "decided.jsonl").write_text(written_down(decided))


def releases() -> list[Path]:
    """The releases of which there are golden snapshots."""
    return sorted(path.parent for path in RELEASES.glob("*/shapes.json"))


def main() -> None:
    """Write them."""
    parser = argparse.ArgumentParser(prog="python -m tests.contracts.golden", description=__doc__)
    parser.add_argument("--decided", action="store_true", help="only what is decided, for every release")
    if parser.parse_args().decided:
        for directory in releases():
            decided = []
            for story in STORIES:
                log = (directory / f"{story.name}.log").read_bytes()
                decided += gist(told(restored(story, log), story))
            (directory / "decided.jsonl").write_text(written_down(decided))
            print(f"{directory}/decided.jsonl: read the diff")
        return
    if is_released(VERSION):
        sys.exit(
            f"{VERSION} is released (CHANGELOG.md does not say '## {VERSION} (unreleased)'): what it has written "
            "stays as it is. Raise the version in pyproject.toml first."
        )
    write(RELEASES / VERSION)
    print(f"{RELEASES / VERSION}: written")


if __name__ == "__main__":
    main()
