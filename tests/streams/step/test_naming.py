"""A network with few vantages is named nowhere in what leaves the step, and everything is decided as before."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import msgspec
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from detectors.incidents.snapshots import Kind, Scope, incident_id
from detectors.readings import Says, Witness
from producers.records import Decoded, ProbeResult, Tick
from streams.engine.metrics import WorkerMetrics, WorldCollector
from streams.incidents import from_record, to_record
from streams.machine import Message, Salt
from streams.pseudonyms import is_unnamed
from streams.publish.exports import Header, write
from streams.publish.pages import to_html, to_markdown
from streams.publish.report import MinuteCounts, Span, build
from streams.records import Incident, Status, Vantage, VantageState, Window, decode
from streams.settings import LabelSettings, Settings, SettingsError, fingerprint, load
from streams.step.country import CountryMachine
from tests.streams.page.world import client, observatory
from tests.streams.step.liars import START, feed, result, settings

#: Numbers that stand nowhere by chance, of networks with three vantages, and of networks with one.
NAMED = (600_011, 600_043, 600_071)
SMALL = (600_029, 600_053)
SECRET = "a secret of thirty-two characters"
SALT = Salt(b"sixteen by chance")
#: Minutes until what is usual is known, of the loss, and until its end is told.
KNOWN, LOST, BACK = 55, 15, 20


def vantages(asn: int) -> Sequence[str]:
    return [f"v{asn}-{i}" for i in range(3 if asn in NAMED else 1)]


def register() -> list[Vantage]:
    return [
        Vantage(vantage=name, country="PK", asn=asn, since=START)
        for asn in (*NAMED, *SMALL)
        for name in vantages(asn)
    ]


def minute_of(minute: int, cut: Sequence[int], silent: Sequence[int], **more: Any) -> Iterator[Decoded]:
    draw = random.Random(minute)
    for asn in (*NAMED, *SMALL):
        if asn in silent:
            continue
        for name in vantages(asn):
            for platform in ("x", "facebook"):
                for second in (3, 23, 43):
                    fine = draw.random() < 0.98 and not (platform == "x" and asn in cut)
                    own = {"vantage": name, "every_seconds": 20.0, **more}
                    yield result(minute, second, asn, platform, fine, **own)


class Told(NamedTuple):
    """What left a machine, and the machine itself as it was while something was wrong."""

    messages: list[Message]
    incidents: list[Incident]
    metrics: bytes
    machine: CountryMachine


def run(
    cut: Sequence[int] = (),
    silent: Sequence[int] = (),
    *,
    entries: Sequence[Vantage] | None = None,
    notes: Sequence[Any] = (SALT,),
    more: dict[str, Any] | None = None,
    **trust: Any,
) -> Told:
    """Everything is well for as long as it takes to know it; then something is lost for a while; then it is back."""
    how = {"name_small_networks": None, **trust}
    machine = CountryMachine(settings(**how))
    for note in (*notes, *(register() if entries is None else entries)):
        machine.note(note)
    messages: list[Message] = []
    incidents: list[Incident] = []
    metrics = b""
    for minute in range(KNOWN + LOST + BACK):
        lost = KNOWN <= minute < KNOWN + LOST
        records = [*minute_of(minute, cut if lost else (), silent if lost else (), **(more or {}))]
        records.append(Tick(time=START + timedelta(minutes=minute, seconds=59)))
        outbox = machine.apply(machine.read_decoded(records))
        messages += outbox.after
        incidents += outbox.incidents
        if minute == KNOWN + LOST - 2:
            registry = CollectorRegistry()
            worker = WorkerMetrics(registry, LabelSettings())
            registry.register(WorldCollector(lambda: [("probes-0", machine)], worker, lambda: 0.0))
            metrics = generate_latest(registry)
    return Told(messages, incidents, metrics, machine)


@cache
def a_cut() -> Told:
    """Everybody loses a platform."""
    return run((*NAMED, *SMALL))


@cache
def a_small_one(*, named: bool = False) -> Told:
    """One of the small networks loses a platform, and nobody else."""
    return run(SMALL[:1], name_small_networks=named or None)


def naming_of(secret: str) -> Any:
    """How networks are named under a secret, once the register has been told."""
    machine = CountryMachine(settings(name_small_networks=None, pseudonym_secret=secret))
    for note in (SALT, *register()):
        machine.note(note)
    machine.apply(machine.read_decoded([Tick(time=START)]))
    return machine._naming


def names_none(text: str | bytes) -> bool:
    """Whether no small network's number stands in it."""
    data = text if isinstance(text, bytes) else text.encode()
    return not any(str(asn).encode() in data for asn in SMALL)


@pytest.mark.parametrize("told", [a_cut, a_small_one], ids=["all", "small"])
def test_no_record_holds_a_small_networks_number(told: Any) -> None:
    said: Told = told()
    assert said.incidents and said.incidents[-1].status is Status.RESOLVED
    assert {message.topic for message in said.messages} == {"alerts", "health", "windows"}
    for message in said.messages:
        assert names_none(message.key) and names_none(message.value), message.value
    assert not names_none(msgspec.json.encode(a_small_one(named=True).incidents[-1]))
    # The named ones are there: it is not that none is told.
    windows = b"".join(message.value for message in said.messages if message.topic == "windows")
    assert all(str(asn).encode() in windows for asn in NAMED)


def test_no_metric_holds_it_and_each_network_has_its_series() -> None:
    shown = a_cut().metrics
    assert names_none(shown) and str(NAMED[0]).encode() in shown
    lines = [one for one in shown.decode().splitlines() if one.startswith("netdusk_anomaly_score{")]
    assert len(lines) == len({line.partition("}")[0] for line in lines}) == 2 * len((*NAMED, *SMALL))
    assert b'netdusk_incident_active{country="PK"' in shown


def test_an_incidents_parts_can_be_told_apart_from_its_first_snapshot_to_its_last() -> None:
    last = a_cut().incidents[-1]
    hidden = [network for network in last.networks if is_unnamed(network.asn)]
    assert len({network.asn for network in hidden}) == len({network.name for network in hidden}) == len(SMALL)
    assert {network.asn for network in last.networks if not is_unnamed(network.asn)} == set(NAMED)
    for snapshot in a_cut().incidents:
        unnamed = {network.asn for network in snapshot.networks if is_unnamed(network.asn)}
        assert unnamed <= {network.asn for network in hidden}
    # The order is that of the numbers told: between which others the real one lies is told by nothing.
    assert [network.asn for network in last.networks] == sorted(network.asn for network in last.networks)


def test_windows_have_the_same_numbers_in_the_order_of_what_is_told() -> None:
    said = a_cut()
    hidden = {network.asn for network in said.incidents[-1].networks if is_unnamed(network.asn)}
    windows = [decode(message.value) for message in said.messages if message.topic == "windows"]
    for window in windows:
        assert isinstance(window, Window)
        rows = list(zip(window.platform, window.region, window.asn, strict=True))
        assert rows == sorted(rows)
        assert {asn for asn in window.asn if is_unnamed(asn)} <= hidden
    assert sum(sum(window.n) for window in windows if isinstance(window, Window)) > 0


def test_the_sentence_says_that_a_network_is_not_named() -> None:
    told = a_small_one().incidents[-1]
    assert [network.name for network in told.networks] == [
        f"unnamed network {told.networks[0].asn % 10_000:04d}"
    ]
    assert "in Pakistan on unnamed network " in told.summary


@pytest.mark.parametrize(
    ("told", "drawn"),
    [(a_cut, False), (a_small_one, False), pytest.param(a_cut, True, marks=pytest.mark.system)],
    ids=["all", "small", "all with charts"],
)
async def test_no_page_feed_report_or_bundle_holds_it(told: Any, drawn: bool) -> None:
    said: Told = told()
    records = [decode(message.value) for message in said.messages if message.topic in ("alerts", "windows")]
    windows = [record for record in records if isinstance(record, Window)]
    name, snapshots = said.incidents[-1].id, said.incidents
    server = await observatory(*snapshots, more=tuple(windows))
    number = next(network.asn for network in snapshots[-1].networks if is_unnamed(network.asn))
    async with client(server) as asking:
        for path in (
            f"/incident/{name}",
            f"/badge/incident/{name}.svg",
            "/country/PK?by=network",
            f"/network/AS{number}",
            "/api/v1/incidents",
            "/api/v1/networks",
            f"/api/v1/incidents/{name}",
            "/api/v1/series?country=PK&by=network&from=2024-01-20T06:00:00Z&to=2024-01-20T09:00:00Z",
            "/api/v1/incidents?format=csv",
            "/feed.atom",
            "/feed.json",
            "/metrics",
        ):
            answer = await asking.get(path)
            text = await answer.text()
            assert answer.status == 200, path
            assert names_none(text), path
            if path.startswith(("/incident/", "/network/", "/api/v1/incidents/")):
                assert "unnamed network" in text, path
    tally = MinuteCounts(snapshots[-1], Span.around(snapshots[-1]))
    for window in windows:
        tally.add_window(window)
    report = build(snapshots, tally, settings=load())
    assert {row.label for row in report.networks} >= {f"unnamed network {number % 10_000:04d}"}
    assert all(row.n > 0 for row in report.networks)
    # Charts take a second, and have what the report has.
    page = to_html(report if drawn else msgspec.structs.replace(report, lines=(), grid=()))
    for text in (page, to_markdown(report), msgspec.json.encode(report).decode()):
        assert names_none(text)
    header = Header(incident=name, made=datetime(2024, 1, 21, tzinfo=UTC), version="0", simulated=False)
    assert names_none(b"".join(write(header, snapshots, windows)))


def test_a_report_from_raw_results_names_none_that_the_incident_does_not() -> None:
    snapshots = a_small_one().incidents
    tally = MinuteCounts(snapshots[-1], Span.around(snapshots[-1]), unnamed=True)
    for minute in range(KNOWN - 5, KNOWN + LOST + 5):
        tally.add_all(one for one in minute_of(minute, SMALL, ()) if isinstance(one, ProbeResult))
    report = build(snapshots, tally, settings=load())
    assert len(report.grid) == len((*NAMED, *SMALL))
    text = msgspec.json.encode(report)
    assert not any(str(asn).encode() in text for asn in (*SMALL, *NAMED))


def test_nobody_can_try_out_which_network_an_id_stands_for() -> None:
    told = a_small_one().incidents[0]
    window = int(told.detected.timestamp()) - 60
    guesses = {incident_id(told.kind, "PK", window, "", f"x {asn}") for asn in (*SMALL, *NAMED)}
    assert told.id not in guesses
    # The same guess is right where the network is named, so that it is the right one.
    named = a_small_one(named=True).incidents[0]
    assert named.id == incident_id(Kind.PLATFORM, "PK", window, "", f"x {SMALL[0]}")


@pytest.mark.world
def test_everything_is_decided_as_where_all_are_named() -> None:
    hidden, named = a_small_one().incidents, a_small_one(named=True).incidents
    assert len(hidden) == len(named)
    told = ("id", "networks", "summary", "detector")
    for one, other in zip(hidden, named, strict=True):
        same = dict.fromkeys(told) | {"networks": (), "detector": other.detector, "summary": ""}
        same |= {"id": ""}
        assert msgspec.structs.replace(one, **same) == msgspec.structs.replace(other, **same)
        assert [(n.lost, n.onset, n.recovered) for n in one.networks] == [
            (n.lost, n.onset, n.recovered) for n in other.networks
        ]
    assert {network.asn for network in named[-1].networks} == set(SMALL[:1])


def test_a_secret_gives_the_same_number_in_each_partition_and_another_secret_another() -> None:
    def number(secret: str | None, salt: bytes) -> int:
        machine = CountryMachine(settings(name_small_networks=None, pseudonym_secret=secret))
        machine.note(Salt(salt))
        machine.apply(machine.read_decoded([Tick(time=START)]))
        return machine._naming.told_as("PK", SMALL[0], 1_705_758_000)

    assert number(SECRET, b"one") == number(SECRET, b"other") != number(SECRET[::-1], b"one")
    assert number(None, b"one") != number(None, b"other")


def test_numbers_are_others_each_month_and_in_each_country_and_stand_for_themselves() -> None:
    naming = naming_of(SECRET)
    january, february = 1_705_758_000, 1_706_800_000
    numbers = [
        naming.told_as("PK", SMALL[0], january),
        naming.told_as("PK", SMALL[0], february),
        naming.told_as("PK", SMALL[1], january),
        naming.told_as("IN", SMALL[0], january),
    ]
    assert len(set(numbers)) == 4 and all(map(is_unnamed, numbers))
    # What was told already is not told by another number.
    assert naming.told_as("PK", numbers[0], february) == numbers[0]
    assert naming.told_as("PK", 0, january) == 0


@pytest.mark.parametrize(
    ("how", "hidden"),
    [
        ({}, True),
        ({"policy": "signed"}, True),
        ({"name_small_networks": True}, False),
        ({"name_small_networks": False}, True),
        ({"policy": "open"}, False),
        ({"policy": None}, False),
    ],
)
def test_who_is_named_by_policy(how: dict[str, Any], hidden: bool) -> None:
    machine = CountryMachine(settings(**{"name_small_networks": None, **how}))
    for entry in register():
        machine.note(entry)
    machine.apply(machine.read_decoded([Tick(time=START)]))
    assert is_unnamed(machine._naming.told_as("PK", SMALL[0], 0)) is hidden
    assert not is_unnamed(machine._naming.told_as("PK", NAMED[0], 0))
    assert machine._naming.told_as("PK", SMALL[0], 0, simulated=True) == SMALL[0]


def test_vantages_without_a_vote_make_no_network_large() -> None:
    entries = [
        Vantage(vantage=f"v{SMALL[0]}-{i}", country="PK", asn=SMALL[0], since=START, state=state)
        for i, state in enumerate((VantageState.ACTIVE, VantageState.PROBATION, VantageState.REVOKED))
    ]
    machine = CountryMachine(settings(name_small_networks=None))
    for entry in [*entries, Vantage(vantage="other", country="IN", asn=SMALL[0], since=START)]:
        machine.note(entry)
    machine.apply(machine.read_decoded([Tick(time=START)]))
    assert is_unnamed(machine._naming.told_as("PK", SMALL[0], 0))


def test_what_a_source_measures_is_public_and_named() -> None:
    source = Vantage(vantage="ooni-pk", country="PK", sources=("ooni",), since=START)
    machine = CountryMachine(settings(name_small_networks=None))
    for entry in [*register(), source]:
        machine.note(entry)
    crowd = [result(1, 3, asn, "x", True, vantage=f"ooni-PK-AS{asn}") for asn in (77_001, SMALL[0])]
    alone = [result(1, 3, 77_003, "x", True, vantage="a-stranger")]
    feed(machine, 0, [])
    feed(machine, 1, [*crowd, *alone])
    named = {asn for asn in (77_001, 77_003, *SMALL) if not is_unnamed(machine._naming.told_as("PK", asn, 0))}
    assert named == {77_001, SMALL[0]}
    machine.note(msgspec.structs.replace(source, state=VantageState.REVOKED))
    feed(machine, 2, [])
    assert is_unnamed(machine._naming.told_as("PK", 77_001, 0))


@pytest.mark.parametrize("policy", ["registered", "signed"])
def test_who_takes_a_sources_name_speaks_for_no_network_under_signed(policy: str) -> None:
    """Under `registered` they do, and name a small one: there the name is all that is known of who writes."""
    source = Vantage(vantage="ooni-pk", country="PK", sources=("ooni",), since=START)
    machine = CountryMachine(settings(policy, name_small_networks=None))
    for entry in [*register(), source]:
        machine.note(entry)
    feed(machine, 0, [])
    invented = {"vantage": "ooni-invented"}
    feed(machine, 1, [result(1, 3, asn, "x", True, id=f"{asn}", **invented) for asn in (77_001, SMALL[0])])
    feed(machine, 4, [])
    believed = policy == "registered"
    assert (machine.networks_live() == {"PK": 2}) is believed
    assert is_unnamed(machine._naming.told_as("PK", SMALL[0], 0)) is not believed


def test_windows_of_an_incident_join_with_it_until_the_month_turns() -> None:
    naming = naming_of(SECRET)
    onset = int(datetime(2024, 1, 31, 23, 40, tzinfo=UTC).timestamp())
    numbers = [naming.told_as("PK", SMALL[0], onset + minutes * 60) for minutes in (0, 19, 20)]
    assert numbers[0] == numbers[1] != numbers[2]


@pytest.mark.world
def test_strangers_networks_are_not_named_either() -> None:
    said = run((*NAMED, *SMALL), entries=[])
    assert said.incidents and all(one.id.startswith("unregistered-") for one in said.incidents)
    for message in said.messages:
        assert not any(str(asn).encode() in message.value for asn in (*NAMED, *SMALL))


@pytest.mark.parametrize(("asn", "told"), [(SMALL[0], "IODA agrees: ping-slash24."), (NAMED[0], None)])
def test_others_figures_of_a_network_name_it_not(asn: int, told: str | None) -> None:
    machine = a_small_one().machine
    witness = Witness("ioda", Says.AGREES, "ping-slash24", 11.0, 7321.0, 1_705_758_000, f"https://ioda/{asn}")
    last = from_record(machine.recalled(a_small_one().incidents[-1]))
    silent = replace(
        last,
        kind=Kind.CONNECTIVITY,
        networks=tuple(replace(loss, asn=asn, name=None) for loss in last.networks),
        witnesses=(witness,),
    )
    record = to_record(machine._naming.snapshot(silent))
    [word] = record.corroboration
    if told is None:
        assert (word.value, word.url) == (11.0, f"https://ioda/{asn}") and "7,321" in word.text
    else:
        assert (word.value, word.usual, word.time, word.url, word.text) == (None, None, None, None, told)
        assert names_none(msgspec.json.encode(record)) and b"7321" not in msgspec.json.encode(record)
    # What others say of the whole country stands as it is.
    wide = to_record(machine._naming.snapshot(replace(silent, scope=Scope.NATION_SCALE)))
    assert wide.corroboration[0].value == 11.0


def test_salt_is_kept_and_the_first_one_stays() -> None:
    machine = a_small_one().machine
    other = CountryMachine(machine.settings)
    other.restore(machine.snapshot())
    other.note(Salt(b"another sixteen!"))
    other.apply(other.decode_batch(other.read_decoded([]).encode()))
    at = 1_705_758_000
    assert other._naming.salt == SALT.value
    assert other._naming.told_as("PK", SMALL[0], at) == machine._naming.told_as("PK", SMALL[0], at)
    assert other.snapshot() == machine.snapshot()


def test_salt_is_in_the_log_so_that_a_replay_makes_the_same_numbers() -> None:
    first, again = (CountryMachine(settings(name_small_networks=None)) for _ in range(2))
    first.note(SALT)
    batch = first.read_decoded([Tick(time=START)])
    first.apply(batch)
    again.apply(again.decode_batch(batch.encode()))
    assert again._naming.salt == SALT.value and again.snapshot() == first.snapshot()


@pytest.mark.world
def test_an_incident_that_is_adopted_has_its_networks_again() -> None:
    said = a_small_one()
    told = next(one for one in said.incidents if one.status is Status.OPEN)
    recalled = said.machine.recalled(told)
    assert {network.asn for network in recalled.networks} == set(SMALL[:1])
    # Of one that was told by another salt the networks are not known: nothing is made up.
    strange = run(SMALL[:1], notes=(Salt(b"another sixteen!"),)).machine.recalled(told)
    assert strange == told


def test_another_secret_is_another_fingerprint_and_tells_nothing_of_it() -> None:
    def mark(**how: Any) -> str:
        return fingerprint(settings(**{"name_small_networks": None, **how}))

    marks = [
        mark(),
        mark(pseudonym_secret=SECRET),
        mark(pseudonym_secret=SECRET + "!"),
        mark(name_small_networks=True),
    ]
    assert len(set(marks)) == 4
    assert mark(name_small_networks=True, pseudonym_secret=SECRET) == marks[-1]


def test_one_s_own_services_and_machine_are_named() -> None:
    assert load(profile="own", trust={"policy": "registered"}).trust.names_all
    assert not load(trust={"policy": "registered"}).trust.names_all
    with pytest.raises(SettingsError, match="needs a register in which vantages are counted"):
        load(trust={"policy": "open", "name_small_networks": False})
    assert Settings().trust.names_all
