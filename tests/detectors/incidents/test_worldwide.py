"""The view over countries: one country, one vote; over readings and over the health topic alike."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from detectors.incidents.quiet import lost
from detectors.readings import Health, Reading
from detectors.settings import IncidentSettings
from streams import records
from streams.machine import Chunk
from streams.records import HealthRecord, Incident, encode
from streams.settings import load
from streams.step.health_records import health_messages
from streams.step.worldwide import WorldMachine, WorldStep
from tests.detectors.incidents.hand import T0, WINDOW, country, reading, run
from tests.effort import examples

SETTINGS = load()
NETWORKS = (1, 2, 3)


def world(
    lines: Mapping[str, str], *, platforms: str = "x", control: tuple[int, int] = (0, 0)
) -> list[Reading]:
    """A line for each country, the same on all of its networks and for all `platforms`."""
    length = len(next(iter(lines.values())))
    return [
        reading(
            [
                country(
                    at,
                    {(p, n): line for p in platforms.split() for n in NETWORKS},
                    name=name,
                    control=control,
                )
                for name, line in lines.items()
            ]
        )
        for at in range(length)
    ]


def steps(readings: list[Reading]) -> list[Incident]:
    step = WorldStep(SETTINGS)
    return [incident for one in readings for incident in step.step(one)]


LOST, WELL = "....xxxxxx........", "." * 18


@pytest.mark.parametrize(
    ("lines", "control", "countries"),
    [
        ({"PK": LOST, "IN": LOST, "BD": LOST}, (0, 0), ("BD", "IN", "PK")),
        ({"PK": LOST, "IN": LOST, "BD": WELL}, (0, 0), ("IN", "PK")),
        ({"PK": LOST, "IN": WELL, "BD": WELL}, (0, 0), None),
        ({"PK": LOST, "IN": LOST, "BD": WELL}, (10, 0), None),
        ({"PK": LOST, "IN": LOST, "BD": WELL, "LK": WELL}, (0, 10), ("IN", "PK")),
        ({"PK": LOST}, (0, 10), ("PK",)),
        ({"PK": LOST, "IN": WELL, "BD": WELL, "LK": WELL}, (0, 10), None),
        ({"PK": LOST, "IN": LOST}, (0, 0), None),
    ],
)
def test_who_must_agree(
    lines: dict[str, str], control: tuple[int, int], countries: tuple[str, ...] | None
) -> None:
    incidents = steps(world(lines, control=control))
    assert [i.status.value for i in incidents] == ([] if countries is None else ["open", "resolved"])
    for incident in incidents:
        assert (incident.kind, incident.scope, incident.country) == ("global", "global", None)
        assert (incident.countries, incident.platforms) == (countries, ("x",))
        assert incident.mechanism is not None
        assert incident.mechanism.name == "tls.connection_reset"


def test_of_registered_countries_a_minority_makes_no_world() -> None:
    lines = {"PK": LOST, "IN": LOST, "BD": WELL, "LK": WELL, "NP": WELL}
    registered = SETTINGS.model_copy(
        update={"trust": SETTINGS.trust.model_copy(update={"policy": "registered"})}
    )
    readings = world(lines, control=(0, 40))
    assert steps(readings)
    step = WorldStep(registered)
    assert [incident for one in readings for incident in step.step(one)] == []
    most = WorldStep(registered)
    assert any(most.step(one) for one in world({**lines, "BD": LOST}, control=(0, 40)))


def test_what_none_of_its_countries_speaks_of_any_more_is_given_up() -> None:
    """As after a change of policy: countries that strangers invented are heard of no more."""
    lines = dict.fromkeys(("PK", "IN", "BD"), "....xxxxxx" + "?" * 20) | {"LK": "." * 30}
    soon = replace(SETTINGS.incidents, unheard_close_seconds=600)
    for incidents, ends in ((SETTINGS.incidents, 0), (soon, 1)):
        step = WorldStep(SETTINGS.model_copy(update={"incidents": incidents}))
        told = [incident for one in world(lines) for incident in step.step(one)]
        assert [one.status.value for one in told] == ["open", "resolved"][: 1 + ends]
    assert told[-1].reason.startswith("nothing has been heard of it for ")


def test_platforms_that_go_down_together_are_one() -> None:
    incidents = steps(world({"PK": LOST, "IN": LOST, "BD": LOST}, platforms="x y z"))
    assert [(i.status.value, i.platforms) for i in incidents] == [
        ("open", ("x", "y", "z")),
        ("resolved", ("x", "y", "z")),
    ]


def test_a_country_that_follows_is_an_update() -> None:
    lines = dict.fromkeys(("PK", "IN", "BD"), LOST + "....") | {"LK": ".........xxxxx........"}
    opened, updated, _ = steps(world(lines))
    assert (opened.countries, updated.countries) == (("BD", "IN", "PK"), ("BD", "IN", "LK", "PK"))
    assert updated.reason == "reached LK too"


def test_silence_ends_nothing() -> None:
    silent = "....xxxxxx????????"
    assert [i.status.value for i in steps(world({"PK": silent, "IN": silent, "BD": silent}))] == ["open"]


def test_flapping_is_one_and_a_later_one_is_linked() -> None:
    flaps = "....xxxxx.......xxxxx......"
    incidents = steps(world({"PK": flaps, "IN": flaps, "BD": flaps}))
    assert [i.status.value for i in incidents] == ["open", "resolved", "updated", "resolved"]
    apart = "....xxxxx" + "." * 45 + "xxxxx......"
    first, _, second, _ = steps(world({"PK": apart, "IN": apart, "BD": apart}))
    assert first.id != second.id
    assert second.previous == (first.id,)


# the machine on the health topic


def topic(readings: list[Reading]) -> list[bytes]:
    return [message.value for one in readings for message in health_messages(one)]


def feed(machine: WorldMachine, values: list[bytes], first: int = 0) -> list[Incident]:
    chunk = Chunk("netdusk.health.v1", 0, range(first, first + len(values)), values)
    return machine.apply(machine.read(chunk)).incidents


READINGS = world({"PK": LOST, "IN": LOST, "BD": LOST, "LK": WELL}, platforms="x y")
VALUES = topic(READINGS)


def test_the_topic_says_what_the_readings_say() -> None:
    machine = WorldMachine(SETTINGS)
    assert feed(machine, VALUES) == steps(READINGS)
    assert machine.next_offset == len(VALUES)


@examples(15)
@given(st.lists(st.integers(0, len(VALUES)), max_size=5), st.integers(0, len(VALUES)))
def test_neither_cuts_nor_a_restart_nor_the_redo_log_change_anything(cuts: list[int], at: int) -> None:
    steady = WorldMachine(SETTINGS)
    expected = feed(steady, VALUES)
    machine, told = WorldMachine(SETTINGS), []
    edges = sorted({0, at, *cuts, len(VALUES)})
    for start, end in pairwise(edges):
        chunk = Chunk("netdusk.health.v1", 0, range(start, end), VALUES[start:end])
        batch = machine.read(chunk)
        told += machine.apply(machine.decode_batch(batch.encode())).incidents
        if end == at:
            kept = machine.snapshot()
            machine = WorldMachine(SETTINGS)
            machine.restore(kept)
    assert told == expected
    assert machine.snapshot() == steady.snapshot()


def test_what_is_no_health_record_is_set_aside_with_its_reason() -> None:
    machine = WorldMachine(SETTINGS)
    tick = b'{"schema":"netdusk.tick/1","time":"2024-01-20T00:00:00Z"}'
    chunk = Chunk("netdusk.health.v1", 2, range(7, 10), [b"{", tick, None])
    outbox = machine.apply(machine.read(chunk))
    assert (outbox.rejected, outbox.applied) == (3, 0)
    found = [records.decode(message.value) for message in outbox.before]
    assert [record.offset for record in found if isinstance(record, records.Rejected)] == [7, 8, 9]


def test_a_record_of_a_window_that_was_weighed_is_late() -> None:
    machine = WorldMachine(SETTINGS)
    feed(machine, VALUES)
    chunk = Chunk("netdusk.health.v1", 0, [999], VALUES[:1])
    assert machine.apply(machine.read(chunk)).late == 1


def test_a_record_told_twice_counts_once() -> None:
    machine = WorldMachine(SETTINGS)
    record = HealthRecord(
        platform="x",
        country="PK",
        start=datetime(2024, 1, 20, tzinfo=UTC),
        n=1,
        k=1,
        expected=1.0,
        reachability=1.0,
        score=0.0,
        networks_live=1,
        networks_bad=0,
    )
    chunk = Chunk("netdusk.health.v1", 0, [0, 1], [encode(record)] * 2)
    outbox = machine.apply(machine.read(chunk))
    assert (outbox.applied, outbox.duplicate) == (1, 1)


@pytest.mark.parametrize("data", [b"", b"\x90", b"nonsense"])
def test_a_damaged_snapshot_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="snapshot"):
        WorldMachine(SETTINGS).restore(data)


# a country and the world


def told_of_countries(readings: list[Reading]) -> list[tuple[str, str, tuple[str, ...]]]:
    """Who was told, when in windows, of which platforms."""
    snapshots = run(readings)
    return [(s.country or "", (s.updated - T0) // WINDOW, s.platforms) for s in snapshots if s.seq == 1]


@pytest.mark.parametrize("control", [(0, 0), (10, 0)])
@pytest.mark.parametrize(
    ("count", "gap"),
    [
        (2, 25),
        (3, 8),
        *(
            pytest.param(count, gap, marks=pytest.mark.world)
            for count in (2, 3, 5)
            for gap in (8, 25, 50)
            if (count, gap) not in {(2, 25), (3, 8)}
        ),
    ],
)
def test_countries_that_fall_one_after_another_are_each_told(
    count: int, gap: int, control: tuple[int, int]
) -> None:
    length = 4 + gap * count + 12
    names = ("PK", "IR", "RU", "TR", "MM")[:count]
    lines = {name: "." * (4 + i * gap) + "x" * (length - 4 - i * gap) for i, name in enumerate(names)}
    readings = world(lines, control=control)
    opened = told_of_countries(readings)
    assert [country for country, _, _ in opened] == list(names)
    for i, (_, at, _) in enumerate(opened):
        assert at - (4 + i * gap) <= 5
    assert steps(readings) == []


def test_what_the_world_loses_enters_no_incident_of_a_country() -> None:
    length = 60
    well, old, meta = "." * length, "...." + "x" * (length - 4), "." * 40 + "x" * 20
    readings = [
        reading(
            [
                country(
                    at,
                    {("x", n): old if name == "PK" else well for n in NETWORKS}
                    | {("facebook", n): meta for n in NETWORKS},
                    name=name,
                    control=(0, 0),
                )
                for name in ("PK", "DE", "KE", "BR")
            ]
        )
        for at in range(length)
    ]
    told = run(readings)
    assert [(s.country, (s.updated - T0) // WINDOW) for s in told if s.seq == 1] == [("PK", 5)]
    assert {s.platforms for s in told} == {("x",)}
    assert [i.platforms for i in steps(readings)] == [("facebook",)]


def test_a_world_in_trouble_hides_no_country_whose_controls_answer() -> None:
    readings = [
        reading(
            [
                country(
                    at,
                    {("x", n): LOST for n in NETWORKS},
                    name=name,
                    control=(10, 0) if name == "PK" else (0, 10),
                )
                for name in ("PK", "DE", "KE", "BR")
            ]
        )
        for at in range(len(LOST))
    ]
    assert [country for country, _, _ in told_of_countries(readings)] == ["PK"]
    assert steps(readings)[0].countries == ("BR", "DE", "KE")


def test_another_platform_hours_later_is_a_new_incident_linked_with_the_first() -> None:
    length = 60
    lines = {("x", n): "...." + "x" * 56 for n in NETWORKS} | {
        ("facebook", n): "." * 40 + "x" * 20 for n in NETWORKS
    }
    readings = [reading([country(at, lines)]) for at in range(length)]
    soon = run(readings, settings=IncidentSettings(together_seconds=2 * 3600))
    assert len({s.id for s in soon}) == 1
    x, facebook = run(readings, settings=IncidentSettings(together_seconds=1200))
    assert (x.platforms, facebook.platforms) == (("x",), ("facebook",))
    assert facebook.linked == (x.id,)


@pytest.mark.parametrize(
    ("networks_bad", "good_of_ten", "everybody", "majority"),
    [
        (2, 6, True, False),  # two of five that fail wholly, with all that the sum says
        (0, 6, True, False),  # the same, before they are sure
        (2, 5, True, False),  # and one failure by chance
        (0, 0, True, True),  # a cut's first windows
        (3, 4, True, True),
        (3, 10, False, False),  # all is well in this very window
    ],
)
def test_where_some_lie_a_country_has_lost_what_most_of_its_networks_have(
    networks_bad: int, good_of_ten: int, everybody: bool, majority: bool
) -> None:
    def one(value: float) -> NDArray[np.float64]:
        return np.array([value])

    bad, live = np.array([networks_bad]), np.array([5])
    health = Health(
        country=["KE"],
        platform=["x"],
        simulated=[False],
        n=np.array([10]),
        k=np.array([good_of_ten]),
        expected=one(0.97),
        reachability=one(0.6),
        score=one(1.4),
        networks_live=live,
        networks_bad=bad,
    )
    assert lost(health, SETTINGS.incidents).tolist() == [everybody]
    assert lost(health, SETTINGS.incidents, by_majority=True).tolist() == [majority]
