"""What /metrics shows: the names and labels that others build on, and how many series there can be."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest
from prometheus_client.parser import text_string_to_metric_families

from detectors.readings import Pulse, SeriesGauge
from streams.engine.families import FAMILIES, Type
from streams.machine import Counting, Observable, ProbeCount, Pulsing
from streams.records import Kind, Scope, Severity
from streams.settings import LabelSettings, load
from streams.step.country import CountryMachine
from streams.step.worldwide import WorldMachine
from tests.monitoring.servers import program
from tests.monitoring.world import NOW, Machine, Page, incident
from tools.metrics import DOCUMENT, document

#: What other programs know us by: these names and labels may grow, and never change.
PUBLISHED = {
    "netdusk_reachability_ratio": {"platform", "country", "asn"},
    "netdusk_expected_reachability_ratio": {"platform", "country", "asn"},
    "netdusk_anomaly_score": {"platform", "country", "asn"},
    "netdusk_probes_total": {"platform", "country", "outcome"},
    "netdusk_incident_active": {"kind", "scope", "country", "platform", "simulated"},
    "netdusk_incident_severity": {"kind", "country", "platform"},
    "netdusk_incident_mechanism": {"country", "platform", "mechanism"},
    "netdusk_incident_onset_timestamp_seconds": {"kind", "country", "platform"},
    "netdusk_incidents_total": {"kind", "scope", "severity"},
    "netdusk_networks_live": {"country"},
    "netdusk_records_total": {"result"},
    "netdusk_watermark_lag_seconds": {"partition"},
    "netdusk_detection_delay_seconds": set(),
    "netdusk_step_seconds": set(),
    "netdusk_checkpoint_bytes": set(),
    "netdusk_build_info": set(),
}
#: Labels that hold what anybody may send: none may be an id, an address or a sentence.
FORBIDDEN = {"id", "incident", "instance", "job", "vantage", "target", "url", "error", "reason", "region"}


def samples(page: Page) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    families = text_string_to_metric_families(page.figures().decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


def values(page: Page, name: str) -> dict[tuple[str, ...], float]:
    """By label values, in the family's order."""
    order = FAMILIES[name].labels
    return {
        tuple(dict(labels).get(label, "") for label in order): value
        for (found, labels), value in samples(page).items()
        if found == name
    }


def series(
    asn: int, score: float = 0.0, *, platform: str = "x", country: str = "PK", simulated: bool = False
) -> SeriesGauge:
    return SeriesGauge(platform, country, asn, 1.0 - score / 2, 0.98, score, simulated, 0.9)


@pytest.mark.parametrize("name", PUBLISHED)
def test_what_others_build_on_is_there(name: str) -> None:
    assert PUBLISHED[name] <= set(FAMILIES[name].labels)


def test_no_label_holds_what_anybody_may_send() -> None:
    assert not FORBIDDEN & {label for family in FAMILIES.values() for label in family.labels}


def test_everything_shown_is_in_the_table_and_everything_in_the_table_is_shown() -> None:
    machine = Machine(
        watermark_ms=int(NOW.timestamp() * 1000),
        series=[series(0), series(17557)],
        open=[incident()],
        heard=[Pulse("PK", False, 5, 12, int(NOW.timestamp()))],
        counted={ProbeCount("x", "PK", "ok"): 1},
    )
    page = Page({"netdusk.probes.v1-0": machine})
    page.metrics.partitions.labels("running").set(1)
    shown = {
        name.removesuffix("_bucket").removesuffix("_count").removesuffix("_sum"): {k for k, _ in labels}
        - {"le"}
        for name, labels in samples(page)
        if name.startswith("netdusk_")
    }
    table = {name: set(family.labels) for name, family in FAMILIES.items()}
    assert shown == table, (
        "fill what is lacking in streams/engine/metrics.py, or give this test's machine what makes it show: "
        f"{sorted(shown.keys() ^ table.keys())}"
    )


def test_the_document_is_that_of_the_code() -> None:
    assert DOCUMENT.read_text() == document(), "run `make docs`"


@pytest.mark.integration
def test_promtool_finds_nothing_to_complain_of() -> None:
    machine = Machine(
        watermark_ms=int(NOW.timestamp() * 1000),
        series=[series(0), series(17557)],
        open=[incident()],
        heard=[Pulse("PK", False, 5, 12, int(NOW.timestamp()))],
        counted={ProbeCount("x", "PK", "ok"): 1},
    )
    figures = Page({"netdusk.probes.v1-0": machine}).figures()
    check = [program("promtool"), "check", "metrics"]
    done = subprocess.run(check, input=figures, capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    bad = subprocess.run(check, input=b"# TYPE a counter\na 1\n", capture_output=True, check=False)
    assert b'counter metrics should have "_total" suffix' in bad.stderr


def test_a_network_and_its_country_are_not_the_same_metric() -> None:
    page = Page({"p": Machine(series=[series(0, 1.2), series(17557, 1.4), series(9541, 0.2)])})
    assert values(page, "netdusk_anomaly_score") == {
        ("x", "PK", "17557", "false"): 1.4,
        ("x", "PK", "9541", "false"): 0.2,
    }
    assert values(page, "netdusk_country_anomaly_score") == {("x", "PK", "false"): 1.2}


def test_simulated_reaches_every_series_about_the_world() -> None:
    machine = Machine(
        series=[series(0, simulated=True), series(17557, simulated=True), series(17557)],
        open=[
            incident(simulated=True),
            incident(severity=Severity.MINOR, mechanism="dns.dns_nxdomain_error"),
        ],
        heard=[Pulse("PK", True, 4, 4, 100), Pulse("PK", False, 5, 12, 200)],
        counted={ProbeCount("x", "PK", "ok", True): 3, ProbeCount("x", "PK", "ok", False): 4},
    )
    page = Page({"p": machine})
    assert set(values(page, "netdusk_reachability_ratio")) == {
        ("x", "PK", "17557", "true"),
        ("x", "PK", "17557", "false"),
    }
    assert set(values(page, "netdusk_incident_active")) == {
        ("platform", "nation-scale", "PK", "x", "true"),
        ("platform", "nation-scale", "PK", "x", "false"),
    }
    assert values(page, "netdusk_incident_severity") == {
        ("platform", "PK", "x", "true"): 3,
        ("platform", "PK", "x", "false"): 1,
    }
    assert set(values(page, "netdusk_incident_mechanism")) == {
        ("PK", "x", "tls.connection_reset", "true"),
        ("PK", "x", "dns.dns_nxdomain_error", "false"),
    }
    assert values(page, "netdusk_probes_total") == {
        ("x", "PK", "ok", "true"): 3,
        ("x", "PK", "ok", "false"): 4,
    }
    assert values(page, "netdusk_networks_live") == {("PK", "true"): 4, ("PK", "false"): 5}
    assert values(page, "netdusk_vantages_live") == {("PK", "true"): 4, ("PK", "false"): 12}
    assert values(page, "netdusk_last_result_timestamp_seconds") == {
        ("PK", "true"): 100,
        ("PK", "false"): 200,
    }


def test_an_incident_is_a_series_a_platform_and_says_whether_it_may_page() -> None:
    later = NOW + timedelta(minutes=5)
    machine = Machine(
        open=[
            incident(platforms=("x", "youtube")),
            incident(country="IR", confirmed=False),
            incident(
                country=None, kind=Kind.GLOBAL, scope=Scope.GLOBAL, platforms=("facebook",), onset=later
            ),
            incident(country="SD", kind=Kind.CONNECTIVITY, platforms=(), mechanism=None),
        ]
    )
    page = Page({"p": machine})
    assert values(page, "netdusk_incident_confirmed") == {
        ("platform", "nation-scale", "PK", "x", "false"): 1,
        ("platform", "nation-scale", "PK", "youtube", "false"): 1,
        ("platform", "nation-scale", "IR", "x", "false"): 0,
        ("global", "global", "", "facebook", "false"): 1,
        ("connectivity", "nation-scale", "SD", "", "false"): 1,
    }
    assert set(values(page, "netdusk_incident_active").values()) == {1}
    assert (
        values(page, "netdusk_incident_onset_timestamp_seconds")[("global", "", "facebook", "false")]
        == later.timestamp()
    )


def test_a_partition_that_is_handed_over_takes_its_series_along() -> None:
    page = Page(
        {
            "a": Machine(series=[series(17557)], open=[incident()]),
            "b": Machine(series=[series(1, country="IR")]),
        }
    )
    del page.machines["a"]
    assert set(values(page, "netdusk_reachability_ratio")) == {("x", "IR", "1", "false")}
    assert not values(page, "netdusk_incident_active")


def test_names_that_are_not_listed_are_other_and_the_worst_stands_for_all() -> None:
    labels = LabelSettings(platforms=("x",), countries=("PK",), asns=(17557,))
    machine = Machine(
        series=[series(17557, 0.1), series(1, 0.2), series(2, 1.5), series(17557, 0.3, country="IR")],
        counted={ProbeCount("nobody-knows", "PK", "ok"): 2, ProbeCount("x", "IR", "ok"): 3},
        open=[incident(country="IR", platforms=("mastodon",))],
    )
    page = Page({"p": machine}, labels=labels)
    assert values(page, "netdusk_anomaly_score") == {
        ("x", "PK", "17557", "false"): 0.1,
        ("x", "PK", "other", "false"): 1.5,
        ("x", "other", "17557", "false"): 0.3,
    }
    assert values(page, "netdusk_probes_total") == {
        ("other", "PK", "ok", "false"): 2,
        ("x", "other", "ok", "false"): 3,
    }
    assert set(values(page, "netdusk_incident_active")) == {
        ("platform", "nation-scale", "other", "other", "false")
    }


def test_newcomers_push_nothing_out_and_are_counted() -> None:
    machine = Machine(series=[series(asn) for asn in range(1, 4)] + [series(0)])
    page = Page({"p": machine}, labels=LabelSettings(series_max=3))
    page.figures()
    assert values(page, "netdusk_series_dropped_total") == {(): 0}
    machine.series.append(series(4, score=3.0))
    assert set(values(page, "netdusk_reachability_ratio")) == {
        ("x", "PK", str(asn), "false") for asn in (1, 2, 3)
    }
    assert set(values(page, "netdusk_country_reachability_ratio")) == {("x", "PK", "false")}
    assert values(page, "netdusk_series_dropped_total") == {(): 2}  # one for each scrape since


def test_made_up_platform_names_do_not_grow_the_counters_without_end() -> None:
    machine = Machine()
    page = Page({"p": machine}, labels=LabelSettings(series_max=100))
    for number in range(1000):
        page.metrics.count_probes({ProbeCount(f"made-up-{number}", "PK", "ok"): 1})
    machine.counted = {ProbeCount("made-up-7", "PK", "ok"): 1}
    counted = values(page, "netdusk_probes_total")
    assert len(counted) == 101
    assert counted["other", "other", "ok", "false"] == 900
    assert counted["made-up-7", "PK", "ok", "false"] == 2


def test_what_can_be_foreseen_is_there_from_the_start() -> None:
    page = Page()
    found = values(page, "netdusk_incidents_total")
    assert set(found.values()) == {0}
    assert ("platform", "nation-scale", "critical") in found
    assert ("global", "global", "minor") in found
    assert ("global", "provider", "minor") not in found
    assert values(page, "netdusk_records_total") == dict.fromkeys(
        [("applied",), ("late",), ("duplicate",), ("rejected",)], 0
    )
    assert ("process_cpu_seconds_total", ()) in samples(page)
    assert not [name for name, _ in samples(page) if name.endswith("_created")]


def test_the_machines_of_the_worker_answer_everything() -> None:
    for machine in (CountryMachine(load()), WorldMachine(load())):
        assert isinstance(machine, Observable)
        assert not machine.incidents()
    assert isinstance(CountryMachine(load()), Pulsing)
    assert isinstance(CountryMachine(load()), Counting)


def test_histograms_have_buckets_in_order() -> None:
    for family in FAMILIES.values():
        assert (family.type is Type.HISTOGRAM) == bool(family.buckets)
        assert list(family.buckets) == sorted(set(family.buckets))
