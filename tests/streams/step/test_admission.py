"""A flood of invented names takes the room of honest newcomers for an hour at most, and memory of bounded size."""

from __future__ import annotations

from msgspec.structs import replace

from detectors.readings import MonitorKey
from streams.settings import LimitSettings, Settings, WorkerSettings
from streams.step.admission import OTHER, Admission
from streams.step.country import CountryMachine
from tests.streams.step.test_country import chunk, result, tick

LIMITS = LimitSettings(platforms=3, networks=4, regions=2, vantages=20, series=9, targets=3, monitors=40)
SETTINGS = Settings(limits=LIMITS, worker=WorkerSettings(clock="replay"))


def key(vantage: str, platform: str = "x", region: str = "", asn: int = 1) -> MonitorKey:
    return MonitorKey(platform, "PK", region, asn, vantage, False)


def test_names_beyond_the_bound_are_counted_as_other() -> None:
    admission = Admission(LIMITS, [key(f"v{i}", f"p{i % 3}", f"PK-{i % 2}") for i in range(20)])
    assert admission.fitted(key("new", "p1", "PK-0")) == key(OTHER, "p1", "PK-0")
    assert admission.fitted(key("v1", "new", "PK-0")) == key("v1", OTHER, "PK-0")
    assert admission.fitted(key("v1", "p1", "new")) == key("v1", "p1", "")
    assert admission.fitted(key("v1", "p1", "PK-1")) == key("v1", "p1", "PK-1")
    assert admission.let_in(key(OTHER, "p1")) is None
    assert admission.let_in(key("v1", OTHER)) is None
    assert "limits.networks" in str(
        Admission(LIMITS, [key("a", asn=i) for i in range(4)]).let_in(key("a", asn=9))
    )


def test_a_platform_of_a_network_is_one_series_whoever_measures_it() -> None:
    admission = Admission(LIMITS)
    for asn in (1, 2, 3):
        for platform in ("x", "y", "z"):
            for vantage in ("a", "b"):
                assert admission.let_in(key(vantage, platform, asn=asn)) is None
    assert admission.let_in(key("c", "z", asn=3)) is None
    assert "limits.series" in str(admission.let_in(key("a", "x", asn=4)))


def vantages(machine: CountryMachine) -> set[str]:
    return {monitor.vantage for monitor in machine._monitors.all()}


def test_a_vantage_is_one_of_each_network_that_it_names() -> None:
    admission = Admission(LIMITS)
    for asn in (1, 2, 1, 3, 2):
        assert admission.let_in(key("v", asn=asn)) is None
    (known,) = admission._known.values()
    assert len(known.vantages) == 3
    assert [("v", asn) in known.vantages for asn in (1, 2, 3, 4)] == [True, True, True, False]
    assert ("w", 1) not in known.vantages


def test_a_flood_of_names_gives_its_room_up_within_the_hour() -> None:
    machine = CountryMachine(SETTINGS)
    first, sizes = 0, []
    for minute in range(130):
        at = minute * 60.0
        records = [tick(at + 1), replace(result(at, f"h{minute}"), vantage="honest")]
        if minute == 5:
            records += [replace(result(at, f"f{i}"), vantage=f"flood-{i}") for i in range(500)]
            records += [
                replace(result(at, f"p{i}"), platform=f"flood-{i}", vantage="honest") for i in range(500)
            ]
        if minute > 10:
            records.append(replace(result(at, f"n{minute}"), vantage="newcomer"))
        machine.apply(machine.read(chunk(records, first)))
        first += len(records)
        if minute % 5 == 4 or minute == 6:
            sizes.append(len(machine.snapshot()))
        if minute == 30:
            assert vantages(machine) >= {"honest", OTHER}
            assert "newcomer" not in vantages(machine)
            assert len(machine._monitors.all()) <= LIMITS.monitors
    assert machine.totals.rejected == 0
    assert vantages(machine) == {"honest", OTHER, "newcomer"}
    assert max(sizes) < 100_000
    assert sizes[-1] < 3 * sizes[0]
