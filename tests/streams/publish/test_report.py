"""What a report says: lines, tables, words and costs, from snapshots and the results around them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from detectors.readings import Says
from producers.records import encode as encode_probe
from streams.commands.report import app
from streams.publish import charts
from streams.publish.pages import figure, to_html, to_markdown
from streams.publish.report import MinuteCounts, Report, ReportLine, Span, build, of_one
from streams.publish.share import to_png
from streams.records import (
    Annotation,
    AnnotationKind,
    CalendarEvent,
    Corroboration,
    Evidence,
    HealthRecord,
    Incident,
    Kind,
    Network,
    Reachability,
    Scope,
    Status,
    encode,
)
from streams.settings import SettingsError, load
from streams.words import headline
from tests.streams.publish.stories import ASNS, END, EVENT, ID, ONSET, incident, result, results, story

SETTINGS = load()


#: What is reported where a test gives nothing else: made once, and changed by nobody.
RESULTS = tuple(results())


def report_of(snapshots: list[Incident], given: Any = None, **more: Any) -> Report:
    tally = MinuteCounts(snapshots[-1], Span.around(snapshots[-1]))
    tally.add_all(RESULTS if given is None else given)
    return build(snapshots, tally, settings=more.pop("settings", SETTINGS), events=[EVENT], **more)


def line(report: Report, name: str) -> ReportLine:
    [found] = [line for line in report.lines if line.name == name]
    return found


def at(line: ReportLine, time: datetime) -> float | None:
    return [point.ratio for point in line.points if point.time <= time][-1]


# ---- lines


def test_a_platform_is_seen_to_fall_and_come_back_beside_one_that_stays_well() -> None:
    report = report_of(story())
    for name in ("x", "youtube"):
        assert at(line(report, name), ONSET - timedelta(minutes=30)) == 1.0
        assert at(line(report, name), ONSET + timedelta(hours=1)) == 0.0
        assert at(line(report, name), END + timedelta(minutes=30)) == 1.0
    assert {p.ratio for p in line(report, "google").points} == {1.0}
    assert [(one.name, one.affected) for one in report.lines] == [
        ("x", True),
        ("youtube", True),
        ("google", False),
    ]


def test_every_network_counts_alike_however_much_it_is_probed() -> None:
    many = results(asns=ASNS[:1], platforms=("x",))
    few = (r for r in results(lambda *_: True, asns=ASNS[1:2], platforms=("x",)) if r.time.minute % 5 == 0)
    report = report_of(story(), [*many, *few])
    assert at(line(report, "x"), ONSET + timedelta(hours=1)) == 0.5


def test_nothing_measured_is_a_gap_and_no_zero() -> None:
    silent = (r for r in results() if not ONSET + timedelta(hours=1) <= r.time < ONSET + timedelta(hours=2))
    report = report_of(story(), silent)
    assert at(line(report, "x"), ONSET + timedelta(minutes=90)) is None
    assert at(line(report, "x"), ONSET + timedelta(minutes=150)) == 0.0


def test_what_does_not_belong_is_not_counted() -> None:
    strangers = [
        *results(lambda *_: False, country="IN"),
        *results(lambda *_: False, simulated=True),
        result(ONSET - timedelta(days=2), False),
        result(END + timedelta(days=2), False),
    ]
    plain, mixed = report_of(story()), report_of(story(), [*results(), *strangers])
    assert (plain.lines, plain.grid, plain.regions, plain.networks) == (
        mixed.lines,
        mixed.grid,
        mixed.regions,
        mixed.networks,
    )


def test_of_a_regional_incident_its_regions_are_drawn_and_all_are_listed() -> None:
    snapshots = story(scope=Scope.REGION, regions=("PK-BA",))
    report = report_of(
        snapshots, [*results(region="PK-BA"), *results(lambda *_: True, region="PK-PB", vantage="w")]
    )
    assert at(line(report, "x"), ONSET + timedelta(hours=1)) == 0.0
    assert [(r.label, r.named, r.before, r.during) for r in report.regions] == [
        ("Balochistan (PK-BA)", True, 1.0, 0.0),
        ("Punjab (PK-PB)", False, 1.0, 1.0),
    ]
    assert "| Punjab (PK-PB) |" in to_markdown(report)


def test_of_lost_connectivity_the_results_that_arrive_are_drawn() -> None:
    snapshots = story(kind=Kind.CONNECTIVITY, platforms=(), mechanism=None)
    quiet = (r for r in results(lambda *_: True) if not ONSET <= r.time < END)
    report = report_of(snapshots, quiet)
    [drawn] = report.lines
    assert at(drawn, ONSET - timedelta(minutes=30)) == pytest.approx(1.0)
    assert at(drawn, ONSET + timedelta(hours=1)) == 0.0  # nothing arrived: that is the finding, no gap
    assert report.regions == ()


def test_of_a_global_incident_countries_are_drawn() -> None:
    snapshots = story(
        kind=Kind.GLOBAL,
        scope=Scope.GLOBAL,
        country=None,
        countries=("DE", "PK"),
        networks=(),
        platforms=("x",),
    )
    report = report_of(snapshots, [*results(country="PK"), *results(country="DE"), *results(country="NO")])
    assert [(row.name, row.label, row.n > 0) for row in report.networks] == [
        ("DE", "Germany", True),
        ("PK", "Pakistan", True),
    ]
    assert {(row.name, row.affected) for row in report.grid} == {("DE", True), ("PK", True), ("NO", False)}


def test_the_grid_has_the_earliest_loss_first() -> None:
    networks = tuple(
        Network(asn=asn, lost=0.9, onset=ONSET + timedelta(minutes=m))
        for asn, m in zip(ASNS, (9, 0, 5), strict=True)
    )
    report = report_of([incident(networks=networks)], results(asns=(*ASNS, 64599)))
    assert [row.name for row in report.grid] == ["AS64502", "AS64503", "AS64501", "AS64599"]
    assert [row.affected for row in report.grid] == [True, True, True, False]
    assert [row.name for row in report.networks] == ["AS64502", "AS64503", "AS64501"]


def test_a_long_incident_still_has_few_points() -> None:
    long = incident(updated=ONSET + timedelta(days=40))
    report = report_of([long], [result(ONSET, False)])
    assert all(len(one.points) <= 241 for one in report.lines)


def test_without_results_the_health_records_are_drawn() -> None:
    health = [
        HealthRecord(
            platform="x",
            country=country,
            start=ONSET + timedelta(minutes=i),
            n=30,
            k=3,
            expected=0.98,
            reachability=0.1,
            score=9.0,
            networks_live=3,
            networks_bad=3,
        )
        for i in range(60)
        for country in ("PK", "IN")
    ]
    report = report_of(story(), [], health=health)
    assert [one.name for one in report.lines] == ["x"]
    assert at(line(report, "x"), ONSET + timedelta(minutes=30)) == pytest.approx(0.1)
    assert {p.n for p in line(report, "x").points} <= {0, 30, 60, 90, 120, 150}


# ---- words and figures

HEADLINES: dict[str, tuple[dict[str, Any], str]] = {
    "open": ({}, "Live metrics show X (Twitter) and YouTube restricted across Pakistan"),
    "over": (
        {"status": Status.RESOLVED, "resolved": END, "duration_seconds": 14_400},
        "Live metrics show that X (Twitter) and YouTube were restricted across Pakistan for 4 h 00 min",
    ),
    "one, throttled, over": (
        {
            "platforms": ("x",),
            "mechanism": msgspec.structs.replace(incident().mechanism, name="http.throttled"),
            "status": Status.RESOLVED,
            "duration_seconds": 3000,
        },
        "Live metrics show that X (Twitter) was throttled across Pakistan for 50 min",
    ),
    "a region": (
        {"scope": Scope.REGION, "regions": ("PK-BA",)},
        "Live metrics show X (Twitter) and YouTube restricted in Balochistan, Pakistan",
    ),
    "a carrier": (
        {"scope": Scope.PROVIDER, "networks": incident().networks[:1]},
        "Live metrics show X (Twitter) and YouTube restricted in Pakistan on Carrier 0",
    ),
    "carriers": (
        {"scope": Scope.MULTI_PROVIDER},
        "Live metrics show X (Twitter) and YouTube restricted in Pakistan on Carrier 0, Carrier 1 and Carrier 2",
    ),
    "dark": (
        {"kind": Kind.CONNECTIVITY, "platforms": ()},
        "Live metrics show a loss of connectivity across Pakistan",
    ),
    "everywhere": (
        {"kind": Kind.GLOBAL, "scope": Scope.GLOBAL, "country": None, "countries": ("DE", "FR")},
        "Live metrics show X (Twitter) and YouTube disrupted in Germany and France",
    ),
    "gone everywhere": (
        {
            "kind": Kind.GLOBAL,
            "scope": Scope.GLOBAL,
            "country": None,
            "countries": ("DE", "FR"),
            "reachability": Reachability(now=0.02, usual=0.98),
        },
        "Live metrics show X (Twitter) and YouTube unreachable in Germany and France",
    ),
    "all that is watched": (
        {"evidence": incident().evidence[:1]},
        "Live metrics show X (Twitter) and YouTube disrupted across Pakistan",
    ),
    "in one country, by its controls": (
        {"kind": Kind.GLOBAL, "scope": Scope.GLOBAL, "country": None, "countries": ("NP",)},
        "Live metrics show X (Twitter) and YouTube disrupted in Nepal and from outside it",
    ),
}


@pytest.mark.parametrize("change, expected", HEADLINES.values(), ids=HEADLINES)
def test_headline(change: dict[str, Any], expected: str) -> None:
    assert headline(incident(**change), SETTINGS.incidents) == expected


def test_what_goes_on_is_told_as_of_now_and_nothing_of_tomorrow() -> None:
    open_ = incident()
    now = ONSET + timedelta(minutes=14)
    span = Span.around(open_, now=now)
    assert span.end == now
    assert Span.around(open_).end > open_.updated  # without a time: as its last snapshot has it
    added, tomorrow, elsewhere = (
        CalendarEvent(id=name, country=country, title=name, start=start, end=start + timedelta(hours=1))
        for name, country, start in (
            ("added", "PK", ONSET - timedelta(minutes=10)),
            ("tomorrow", "PK", ONSET + timedelta(days=1)),
            ("elsewhere", "IQ", ONSET),
        )
    )
    report = build(
        [open_], MinuteCounts(open_, span), settings=load(), events=[added, tomorrow, elsewhere], now=now
    )
    assert report.duration_seconds == 14 * 60
    assert [event.id for event in report.events] == ["added"]


def test_the_worst_is_told_though_it_is_over() -> None:
    report = report_of(story())
    assert (report.worst.now, report.now.now) == (0.04, 0.97)
    assert [(m.seq, m.time, m.reason) for m in report.timeline] == [
        (1, ONSET + timedelta(minutes=4), "opened"),
        (2, ONSET + timedelta(minutes=9), "one more"),
        (3, END + timedelta(minutes=6), "recovered everywhere"),
    ]
    assert [row.mechanism for row in report.networks] == [
        "tls.connection_reset",
        "dns.dns_nxdomain_error",
        "tls.connection_reset",
    ]
    assert [event.id for event in report.events] == ["rally"]


@pytest.mark.parametrize(
    "value, unit, expected",
    [
        (95.0, "s", "95 s"),
        (-420.0, "s", "-420 s"),
        (-1260.0, "s", "-21 min"),
        (5400.0, "s", "1 h 30 min"),
        (0.86, "ratio", "86 %"),
        (2.0, "incidents", "2 incidents"),
        (None, "s", "–"),
    ],
)
def test_figure(value: float | None, unit: str, expected: str) -> None:
    assert figure(Evidence(name="n", value=value, unit=unit, n=1, text="t")) == expected


def test_of_one_takes_an_id_or_how_it_begins() -> None:
    told = [*reversed(story()), incident(id="pk-ff"), incident(id="pk-fe")]
    assert [snapshot.seq for snapshot in of_one(told, ID)] == [1, 2, 3]
    assert of_one(told, "pk-00") == of_one(told, ID)
    for wanted, says in (
        (None, "several"),
        ("pk-f", r"several incidents; name one:\n  pk-fe  2024-03-02 13:40 UTC  \w.*\n  pk-ff  2024-"),
        ("in", "no such"),
    ):
        with pytest.raises(ValueError, match=says):
            of_one(told, wanted)
    assert of_one(story(), None) == story()
    with pytest.raises(ValueError, match=r"name one \(the last 10 of 12\):") as caught:
        of_one([incident(id=f"pk-{number:02}") for number in range(12)], None)
    assert len(str(caught.value).splitlines()) == 11


# ---- cost

FIGURES = {
    "PK": {
        "daily_gdp_usd": 1e9,
        "digital_share": 0.02,
        "source": "https://stats.example/pk",
        "platform_shares": {"x": 0.1, "youtube": 0.3},
    }
}


def test_no_cost_without_figures_of_the_operator() -> None:
    assert report_of(story()).cost is None
    only_x = {"PK": FIGURES["PK"] | {"platform_shares": {"x": 0.1}}}
    assert report_of(story(), settings=load(cost=only_x)).cost is None
    assert report_of(story(), settings=load(cost={"IN": FIGURES["PK"]})).cost is None


def test_cost_is_the_product_of_its_factors() -> None:
    cost = report_of(story(), settings=load(cost=FIGURES)).cost
    assert cost is not None
    assert cost.day_usd == pytest.approx(1e9 * 0.02 * 0.4 * 0.95)
    assert cost.total_usd == pytest.approx(cost.day_usd * 4 / 24)
    assert (cost.reach, cost.platform_share, cost.source) == (
        pytest.approx(0.95),
        pytest.approx(0.4),
        "https://stats.example/pk",
    )


def test_cost_weighs_networks_by_their_users_where_these_are_known() -> None:
    shares = dict(zip(ASNS, (0.5, 0.2, 0.1), strict=True))
    settings = load(cost=FIGURES, incidents={"network_shares": shares})
    cost = report_of(story(), settings=settings).cost
    assert cost is not None
    assert cost.reach == pytest.approx(0.95 * 0.8)
    assert "share of the country's users" in cost.reach_text


def test_cost_of_lost_connectivity_takes_no_platform_share() -> None:
    snapshots = story(kind=Kind.CONNECTIVITY, platforms=())
    cost = report_of(snapshots, settings=load(cost=FIGURES)).cost
    assert cost is not None
    assert cost.platform_share == 1.0


def test_cost_of_a_regional_incident_is_by_what_was_missing_at_its_worst() -> None:
    snapshots = story(scope=Scope.REGION, regions=("PK-BA",))
    cost = report_of(snapshots, settings=load(cost=FIGURES)).cost
    assert cost is not None
    assert cost.reach == pytest.approx((0.98 - 0.04) / 0.98)


@pytest.mark.parametrize(
    "change", [{"daily_gdp_usd": -1}, {"digital_share": 2}, {"source": ""}, {"platform_shares": {"x": 1.5}}]
)
def test_wrong_figures_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match=rf"cost.PK.{next(iter(change))}"):
        load(cost={"PK": FIGURES["PK"] | change})


# ---- forms


#: A page with its charts takes a second: a JavaScript engine draws them. Each test that looks at the page alone is a
#: unit test without them, and a test of the whole with them.
WITH_CHARTS = pytest.mark.parametrize(
    "drawn", [False, pytest.param(True, marks=pytest.mark.system)], ids=["page", "charts"]
)


@lru_cache
def page_of(simulated: bool, *, drawn: bool) -> str:
    """A page, which tests share. What is simulated is full of text from outside."""
    report = (
        hostile()
        if simulated
        else report_of(story(), settings=load(cost=FIGURES), check=["netdusk backtest r.jsonl --json"])
    )
    return to_html(report if drawn else msgspec.structs.replace(report, lines=(), grid=()))


HOSTILE = "<script>alert(1)</script>\"'&|`*"


@lru_cache
def hostile() -> Report:
    snapshots = [
        incident(
            networks=(
                Network(asn=64501, name=HOSTILE, lost=0.9, onset=ONSET),
                Network(asn=64502, lost=0.9, onset=ONSET),
            ),
            platforms=(HOSTILE,),
            reason=HOSTILE,
            summary=HOSTILE,
            regions=(HOSTILE,),
            simulated=True,
            evidence=(
                Evidence(name="n", value=1, unit=HOSTILE, n=1, text=HOSTILE, source=f"https://a.b/{HOSTILE}"),
            ),
            corroboration=(
                Corroboration(
                    source="x", says=Says.AGREES, signal="s", url=f"https://a.b/{HOSTILE}", text=HOSTILE
                ),
            ),
        )
    ]
    given = results(platforms=(HOSTILE, "google"), asns=ASNS[:2], simulated=True)
    return report_of(snapshots, given, check=[HOSTILE])


def test_what_people_say_stands_in_every_form_beside_what_was_measured() -> None:
    said = [
        Annotation(
            id=name, incident=of, time=ONSET, author=HOSTILE, kind=kind, text=f"{name} {HOSTILE}", url=url
        )
        for name, of, kind, url in (
            ("second", ID, AnnotationKind.FALSE_ALARM, None),
            ("first", ID, AnnotationKind.LINK, "https://a.b/c"),
            ("elsewhere", "in-other", AnnotationKind.CAUSE, None),
        )
    ]
    tally = MinuteCounts(story()[-1], Span.around(story()[-1]))
    report = build(story(), tally, settings=SETTINGS, notes=said)
    without = build(story(), tally, settings=SETTINGS)
    assert msgspec.structs.replace(report, notes=()) == without
    page, text = to_html(report), to_markdown(report)
    for form in (page, text):
        assert "A person has marked this as a false alarm." in form and "elsewhere" not in form
        assert form.index("first ") < form.index("second ")
        assert "<script" not in form.replace("\\<script", "")
        assert "What people say of it" in form
    assert 'href="https://a.b/c"' in page
    assert "false alarm" not in to_html(without) + to_markdown(without)
    assert msgspec.json.decode(msgspec.json.encode(report), type=Report).notes == report.notes


@WITH_CHARTS
def test_text_from_outside_is_escaped_in_the_page(drawn: bool) -> None:
    page = page_of(True, drawn=drawn)
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "https://a.b/&lt;script" in page


def test_the_time_of_the_place_stands_beside_utc() -> None:
    report = report_of(story(), [])  # what is drawn says nothing of it
    local = f"{ONSET + timedelta(hours=5):%H:%M} local time (UTC+5)"
    assert report.country == "PK"
    assert local in to_html(report) and f"began {ONSET:%Y-%m-%d %H:%M}" in to_markdown(report).replace(
        "\\", ""
    )
    assert local in to_markdown(report)
    nowhere = msgspec.structs.replace(report, country=None)
    assert "local time" not in to_html(nowhere) + to_markdown(nowhere)


def test_every_form_says_how_it_is_cited() -> None:
    settings = load(page={"title": "Obs_1", "public_url": "https://o.example"})
    report = report_of(story(simulated=True), settings=settings)
    assert report.cite == (
        f"Obs_1. [SIMULATED] X (Twitter) and YouTube were restricted across Pakistan for 4 h 00 min. Incident {ID}, "
        f"snapshot {report.timeline[-1].seq} of {report.updated:%Y-%m-%d %H:%M} UTC. https://o.example/incident/{ID}"
    )
    assert report.bibtex.splitlines()[:2] == [f"@misc{{netdusk-{ID},", "  author = {{Obs\\_1}},"]
    assert f"  url = {{https://o.example/incident/{ID}}}" in report.bibtex
    assert report.bibtex in to_markdown(report)
    nowhere = report_of(story())
    assert nowhere.cite.endswith(" UTC.") and "url" not in nowhere.bibtex


def test_only_web_addresses_become_links() -> None:
    event = msgspec.structs.replace(EVENT, source="javascript:alert(1)")
    tally = MinuteCounts(story()[-1], Span.around(story()[-1]))
    page = to_html(build(story(), tally, settings=SETTINGS, events=[event]))
    assert 'href="javascript' not in page
    assert "javascript:alert(1)" in page  # shown, as text
    assert 'href="https://news.example/rally"' in page


def test_text_from_outside_is_escaped_in_markdown() -> None:
    text = to_markdown(hostile())
    fenced = text.split("```")
    assert "<script>" not in fenced[0] + fenced[2].split("    <script>")[0]
    rows = [row for row in text.splitlines() if row.startswith("| ")]
    assert len({row.replace("\\|", "").count("|") for row in rows[:3]}) == 1


@WITH_CHARTS
@pytest.mark.parametrize("simulated", [True, False])
def test_simulated_is_said_in_every_form(simulated: bool, drawn: bool) -> None:
    report = report_of(story(simulated=simulated), results(simulated=simulated))
    assert (at(line(report, "x"), ONSET + timedelta(hours=1))) == 0.0
    page, text = page_of(simulated, drawn=drawn), to_markdown(report)
    for form in (page, text):
        assert ("SIMULATED" in form) is simulated
    figures = [part.split("</svg>")[0] for part in page.split("<svg")[1:]]
    assert len(figures) == (4 if drawn else 0)
    assert all(("SIMULATED" in figure) is simulated for figure in figures)
    assert msgspec.json.decode(msgspec.json.encode(report))["simulated"] is simulated


@WITH_CHARTS
def test_the_page_asks_nobody_for_anything(drawn: bool) -> None:
    page = page_of(False, drawn=drawn)
    head = page.split("<body")[0]
    assert "default-src 'none'" in head
    for asking in ("<script", "<link", "<img", "<iframe", "@import", "srcset", " src=", "<image", "<use"):
        assert asking not in page
    assert set(re.findall(r"url\((.)", page)) <= {"#"}  # a gradient of the picture's own


@WITH_CHARTS
def test_the_page_says_its_parts(drawn: bool) -> None:
    page = page_of(False, drawn=drawn)
    for part in (
        "Live metrics show that X (Twitter) and YouTube were restricted across Pakistan",
        "Carrier 0 (AS64501)",
        "dns.dns_nxdomain_error",
        "A fault of one carrier",
        "3 networks began to lose within 120 s",
        "recovered everywhere",
        "A rally",
        "US$7,600,000",
        "stats.example/pk",
        "1,234 measurements from 5 vantages on 3 networks",
        f"Incident {ID}, snapshot ",
        f"@misc{{netdusk-{ID},",
        "netdusk backtest r.jsonl --json",
        "0a1b2c3d4e5f",
    ):
        assert part in page, part


def test_a_report_without_results_says_so() -> None:
    report = report_of(story(), [])
    assert "No results of that time were at hand" in to_html(report)
    with pytest.raises(SettingsError, match="no results of that time"):
        to_png(report)


@pytest.mark.system
def test_what_is_drawn_is_vega_lite() -> None:
    """Asked here and not at each drawing, where it takes a fifth of the time."""
    report = report_of(story(simulated=True), results(simulated=True))
    for picture in (charts.strips(report), charts.grid(report)):
        assert picture is not None
        picture.chart.to_dict(format="vega-lite", validate=True)


@pytest.mark.system
def test_the_same_facts_give_the_same_page() -> None:
    chart = charts.grid(report_of(story()))
    assert charts.to_svg(chart, "grid", "words") == charts.to_svg(chart, "grid", "words")
    ids = re.findall(r' id="([^"]+)"', page_of(False, drawn=True))
    assert len(ids) == len(set(ids))


# ---- the command


def files(tmp_path: Path) -> list[str]:
    incidents, probes, calendar = tmp_path / "i.jsonl", tmp_path / "p.jsonl", tmp_path / "c.jsonl"
    incidents.write_bytes(
        b"\n".join(encode(s) for s in [*story(), incident(id="pk-other")]) + b'\n{"scorecard":{}}\n'
    )
    probes.write_bytes(b"\n".join(encode_probe(r) for r in results()) + b"\nnot a record\n")
    calendar.write_bytes(encode(EVENT))
    return ["--incidents", str(incidents), "--probes", str(probes), "--calendar", str(calendar)]


@pytest.mark.parametrize("form", ["html", "md", "json", "png"])
def test_the_command_writes_every_form(form: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    given = files(tmp_path)
    if form == "html":
        given = given[:2]  # without results: drawing takes a second, and `page_of` has it
    outcome = CliRunner().invoke(app, [ID, "--format", form, "--output", str(out), *given])
    assert outcome.exit_code == 0, outcome.output
    starts = {"html": b"<!doctype html>", "md": b"# Live metrics", "json": b"{", "png": b"\x89PNG\r\n\x1a\n"}
    assert out.read_bytes().startswith(starts[form])
    if form == "json":
        made = msgspec.json.decode(out.read_bytes(), type=Report)
        assert made.check == (f"netdusk backtest {tmp_path}/p.jsonl --json --calendar {tmp_path}/c.jsonl",)
        assert len(made.lines) == 3
    if form == "png":
        width, height = (int.from_bytes(out.read_bytes()[i : i + 4]) for i in (16, 20))
        assert (width, height) == (1200, 675)


@pytest.mark.parametrize(
    "arguments, says",
    [
        (["pk-nothing"], "no such incident; name one:"),
        ([], "several incidents"),
    ],
)
def test_an_id_that_is_none_is_said(arguments: list[str], says: str, tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, [*arguments, *files(tmp_path)])
    assert isinstance(outcome.exception, SettingsError)
    assert says in str(outcome.exception)


def test_a_bad_line_is_said_with_its_place(tmp_path: Path) -> None:
    broken = tmp_path / "i.jsonl"
    broken.write_bytes(encode(incident()) + b"\n{\n")
    outcome = CliRunner().invoke(app, ["--incidents", str(broken)])
    assert isinstance(outcome.exception, SettingsError)
    assert f"{broken}, line 2" in str(outcome.exception)
    outcome = CliRunner().invoke(app, ["--probes", str(broken)])
    assert "--incidents" in str(outcome.exception)


def test_what_other_observatories_say_stands_in_every_form_with_its_link() -> None:
    said = Corroboration(
        source="ioda",
        says=Says.DISAGREES,
        signal="bgp",
        text="IODA disagrees: bgp at 90.",
        url="https://ioda.example/country/PK",
    )
    report = report_of([incident(corroboration=(said,))], [])
    for page in (to_markdown(report), to_html(report)):
        assert "What other observatories say" in page
        assert "IODA disagrees: bgp at 90." in page
        assert said.url in page
    assert "What other observatories say" not in to_markdown(report_of([incident()]))
