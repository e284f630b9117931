"""Worlds with liars in them: some registered networks collude, strangers write what they like.

`python -m tests.streams.step.liars 1000` tries as many seeds, and prints what went wrong; with `signed` behind it under
that policy: all who are registered sign, liars too. With `most` the colluding are as many as 40 % allow.
"""

from __future__ import annotations

import random
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache

from producers.bundles import Signer, bundle, new_key
from producers.failures import Failure, Stage
from producers.records import Decoded, Malformed, ProbeResult, Tick, VantagePresence, VantageStatus, encode
from streams.machine import Chunk, Headers
from streams.records import Incident, Status, Vantage
from streams.settings import Settings, TrustSettings
from streams.step.country import CountryMachine

START = datetime(2024, 1, 20, 6, 0, tzinfo=UTC)
WARM = 70
PLATFORMS = ("x", "facebook")
BOUNDS = 10_000


@dataclass(frozen=True)
class World:
    """`networks` registered ones, of which the last `liars` collude; minutes are counted from START."""

    networks: int
    liars: int
    cut: int | None = None
    back: int | None = None

    @property
    def honest(self) -> range:
        return range(100, 100 + self.networks - self.liars)

    @property
    def lying(self) -> range:
        return range(self.honest.stop, 100 + self.networks)

    def down(self, minute: int) -> bool:
        return self.cut is not None and self.cut <= minute < (self.back or BOUNDS)


def settings(policy: str = "registered", **more: object) -> Settings:
    # What is told of networks is looked at: all are named.
    trust = TrustSettings.model_validate({"policy": policy, "name_small_networks": True, **more})
    made = Settings(trust=trust)
    return made.model_copy(update={"worker": made.worker.model_copy(update={"clock": "replay"})})


@cache
def signer_of(vantage: str) -> Signer:
    """What a vantage signs with."""
    return Signer(new_key()[0])


def register(world: World, policy: str = "registered") -> list[Vantage]:
    return [
        Vantage(
            vantage=f"v{asn}",
            country="PK",
            asn=asn,
            since=START,
            public_key=signer_of(f"v{asn}").public_key if policy == "signed" else None,
        )
        for asn in (*world.honest, *world.lying)
    ]


def result(minute: int, second: int, asn: int, platform: str, ok: bool, **more: object) -> ProbeResult:
    fields: dict[str, object] = {
        "id": f"{minute}-{second}-{platform}",
        "time": START + timedelta(minutes=minute, seconds=second),
        "platform": platform,
        "country": "PK",
        "asn": asn,
        "vantage": f"v{asn}",
        "ok": ok,
        "control_ok": True,
        "stage": None if ok else Stage.TLS,
        "failure": None if ok else Failure.CONNECTION_RESET,
        **more,
    }
    return ProbeResult(**fields)  # type: ignore[arg-type]


def honest_minute(
    world: World, minute: int, draw: random.Random, asns: Sequence[int]
) -> Iterator[ProbeResult]:
    for asn in asns:
        for platform in PLATFORMS:
            for second in (3, 23, 43):
                fine = draw.random() < 0.98 and not (platform == "x" and world.down(minute))
                yield result(minute, second, asn, platform, fine)


#: What liars write in a minute, instead of what is so; `since` is the minute in which they begin.
Strategy = Callable[[World, int, int, random.Random], Iterator[Decoded]]


def _all(world: World, minute: int, ok: Callable[[int], bool], **more: object) -> Iterator[Decoded]:
    for asn in world.lying:
        for platform in PLATFORMS:
            for second in (3, 23, 43):
                yield result(minute, second, asn, platform, ok(second) or platform != "x", **more)


def constant_down(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from _all(world, minute, lambda second: False)


def constant_well(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from _all(world, minute, lambda second: True)


def slow_decline(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    share = max(0.0, 1.0 - (minute - since) / 60)
    yield from _all(world, minute, lambda second: draw.random() < share)


def alternating(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from _all(world, minute, lambda second: (minute - since) // 7 % 2 == 1)


def flooding(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    for asn in world.lying:
        for i in range(60):
            yield result(minute, i, asn, "x", False, id=f"f{minute}-{i}")
        yield result(minute, 5, asn, "facebook", True)


def huge_count(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from _all(world, minute, lambda second: False, count=9_000, good=0)


def false_control(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from _all(world, minute, lambda second: False, control_ok=False)


def false_control_at_length(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from _all(world, minute, lambda second: False, control_ok=False, count=3_000, good=0)


def mirrored(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    # What an honest network reported, under its own vantage's name with the outcome turned round, from their network.
    for asn, copied in zip(world.lying, world.honest, strict=False):
        for platform in PLATFORMS:
            for second in (3, 23, 43):
                down = platform == "x" and world.down(minute)
                yield result(minute, second, asn, platform, down, vantage=f"v{copied}")


def invented_platforms(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from _all(world, minute, lambda second: True)
    for asn in world.lying:
        for i in range(5):
            yield result(minute, 7, asn, f"invented{i}", minute < since + 20, id=f"p{minute}")


def forged_leaving(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from _all(world, minute, lambda second: False)
    for asn in world.lying:
        yield VantageStatus(
            vantage=f"v{asn}",
            country="PK",
            asn=asn,
            time=START + timedelta(minutes=minute, seconds=9),
            status=VantagePresence.LEAVING,
        )


def forged_rhythm(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    if minute < since + 10:
        yield from _all(world, minute, lambda second: True, every_seconds=1.0)


def silent(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    yield from ()


# Strangers: whoever may write, and stands in no register.


def sybil_down(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    for asn in range(900_000, 900_012):
        for second in (3, 23, 43):
            yield result(minute, second, asn, "x", False)


def sybil_well(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    for asn in range(900_000, 900_040):
        for second in (3, 33):
            yield result(minute, second, asn, "x", True)


def jury(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    for asn in (*world.honest, *world.lying):
        for number in range(4):
            for second in (3, 23, 43):
                down = world.down(minute)
                yield result(minute, second, asn, "x", down, vantage=f"fake{asn}-{number}")


def copied_ids(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    for asn in world.honest:
        for second in (3, 23, 43):
            yield result(
                minute, second, asn, "x", True, vantage="thief", time=START + timedelta(minutes=minute)
            )


def strangers_leaving(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    for asn in world.honest:
        yield VantageStatus(
            vantage=f"other{asn}",
            country="PK",
            asn=asn,
            time=START + timedelta(minutes=minute, seconds=9),
            status=VantagePresence.LEAVING,
        )


def stolen_names(world: World, minute: int, since: int, draw: random.Random) -> Iterator[Decoded]:
    # Under the names and from the networks of the honest, the outcome turned round. Only a signature is against it.
    for asn in world.honest:
        for second in (2, 22, 42):
            yield result(minute, second, asn, "x", world.down(minute))


REGISTERED: tuple[Strategy, ...] = (
    constant_down,
    constant_well,
    slow_decline,
    alternating,
    flooding,
    huge_count,
    false_control,
    false_control_at_length,
    mirrored,
    invented_platforms,
    forged_leaving,
    forged_rhythm,
    silent,
)
STRANGERS: tuple[Strategy, ...] = (sybil_down, sybil_well, jury, copied_ids, strangers_leaving)


#: Those that only a signature stops.
THIEVES: tuple[Strategy, ...] = (stolen_names,)


@cache
def warm(world: World, seed: int, policy: str = "registered") -> bytes:
    """A machine that knows all networks, as bytes: everybody tells the truth so far."""
    machine = CountryMachine(settings(policy), publish_health=False, publish_windows=False)
    for entry in register(world, policy):
        machine.note(entry)
    draw = random.Random(f"warm {seed}")
    everybody = (*world.honest, *world.lying)
    for minute in range(WARM):
        truth = list(honest_minute(world, minute, draw, everybody))
        put(machine, minute, [(truth, everybody)], policy)
    return machine.snapshot()


def feed(machine: CountryMachine, minute: int, records: list[Decoded]) -> list[Incident]:
    """Give a machine a minute."""
    records.append(Tick(time=START + timedelta(minutes=minute, seconds=59)))
    return machine.apply(machine.read_decoded(records)).incidents


#: Records, and whose keys their writers have.
Said = tuple[Sequence[Decoded], Sequence[int]]


def put(machine: CountryMachine, minute: int, said: Sequence[Said], policy: str) -> list[Incident]:
    """Give a machine a minute of several writers. Under `signed`, a bundle of each whose key they have."""
    if policy != "signed":
        return feed(machine, minute, [record for records, _ in said for record in records])
    values: list[bytes] = []
    headers: list[Headers] = []
    for records, asns in said:
        keys = {f"v{asn}" for asn in asns}
        theirs: dict[str, list[bytes]] = {}
        for record in records:
            assert not isinstance(record, Malformed | Tick)
            if record.vantage in keys and record.asn == int(record.vantage[1:]):
                theirs.setdefault(record.vantage, []).append(encode(record))
            else:
                values.append(encode(record))
                headers.append(())
        for vantage, lines in theirs.items():
            values.append(bundle(vantage, lines))
            headers.append(signer_of(vantage).headers(values[-1]))
    values.append(encode(Tick(time=START + timedelta(minutes=minute, seconds=59))))
    headers.append(())
    first = machine.next_offset
    offsets = range(first, first + len(values))
    return machine.apply(machine.read(Chunk("t", 0, offsets, values, None, None, headers))).incidents


def told(
    world: World, strategy: Strategy, seed: int, minutes: int, policy: str = "registered"
) -> list[tuple[int, Incident]]:
    """What is told, with the minute in which it is."""
    quiet = World(world.networks, world.liars)
    machine = CountryMachine(settings(policy), publish_health=False, publish_windows=False)
    machine.restore(warm(quiet, seed % 3, policy))
    if policy == "signed":
        # Whoever restores is told the register again.
        for entry in register(world, policy):
            machine.note(entry)
    draw = random.Random(f"{strategy.__name__} {seed}")
    since = WARM + draw.randrange(3)
    said: list[tuple[int, Incident]] = []
    for minute in range(WARM, WARM + minutes):
        lies = list(strategy(world, minute, since, draw)) if minute >= since else []
        asns: Sequence[int] = world.honest
        if strategy in STRANGERS + THIEVES or minute < since:
            asns = (*world.honest, *world.lying)
        truth = list(honest_minute(world, minute, draw, asns))
        strangers = strategy in STRANGERS + THIEVES
        of_liars: Said = (lies, () if strangers else world.lying)
        # Who lies may be the first to write.
        first = draw.random() < 0.5
        parts: list[Said] = [of_liars, (truth, asns)] if first else [(truth, asns), of_liars]
        said += [(minute, incident) for incident in put(machine, minute, parts, policy)]
    return said


def wrongs(
    world: World, strategy: Strategy, seed: int, minutes: int = 45, policy: str = "registered"
) -> list[str]:
    """What went wrong, in words: nothing, if all is well."""
    wrong: list[str] = []
    said = told(world, strategy, seed, minutes, policy)
    confirmed = [(minute, one) for minute, one in said if one.confirmed]
    honest = set(world.honest)
    if world.cut is None:
        for minute, one in confirmed:
            if honest & {network.asn for network in one.networks}:
                wrong.append(f"{minute}: names an honest network: {one.summary}")
            if one.scope.value in ("nation-scale", "region", "global"):
                wrong.append(f"{minute}: {one.scope.value}: {one.summary}")
        return wrong
    opened = [
        (minute, one)
        for minute, one in confirmed
        if "x" in one.platforms and honest & {network.asn for network in one.networks}
    ]
    if not opened or opened[0][0] > world.cut + 12:
        wrong.append(f"cut at {world.cut}, told at {opened[0][0] if opened else None}")
    until = world.back or BOUNDS
    for minute, one in opened:
        if one.status is Status.RESOLVED and minute < until:
            wrong.append(f"{minute}: resolved while it lasts: {one.summary}")
    if world.back is not None and opened:
        # After the end only liars may still belong to it.
        last = {one.id: one for _, one in confirmed}
        for one in last.values():
            still = {network.asn for network in one.networks if network.recovered is None}
            if one.status is not Status.RESOLVED and honest & still:
                wrong.append(f"never over for honest networks: {one.summary}")
    return wrong


def worlds(draw: random.Random, *, most: bool = False) -> World:
    """A world with at most 40 % of its networks lying."""
    networks = draw.choice((5, 6, 8, 10))
    liars = draw.randint(1, int(networks * 0.4))
    cut, back = draw.choice(((None, None), (WARM + 10, None), (WARM + 5, WARM + 22)))
    return World(networks, int(networks * 0.4) if most else liars, cut, back)


def main(seeds: int, policy: str = "registered", *, most: bool = False) -> int:
    """Try seeds; returns how many went wrong."""
    bad: Counter[str] = Counter()
    strategies = REGISTERED + STRANGERS + (THIEVES if policy == "signed" else ())
    for seed in range(seeds):
        draw = random.Random(seed)
        world = worlds(draw, most=most)
        strategy = draw.choice(strategies)
        for wrong in wrongs(world, strategy, seed, policy=policy)[:1]:
            bad[strategy.__name__] += 1
            sys.stdout.write(f"{seed} {strategy.__name__} {world}: {wrong}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{seeds} seeds under {policy}, {sum(bad.values())} went wrong {dict(bad)}\n")
    return sum(bad.values())


if __name__ == "__main__":
    words = sys.argv[2:]
    sys.exit(
        1
        if main(int(sys.argv[1]), "signed" if "signed" in words else "registered", most="most" in words)
        else 0
    )
