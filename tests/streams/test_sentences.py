"""What is told as a record: one plain sentence on what was measured, and every figure in its place."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from detectors import incidents as detectors_of_incidents
from detectors.incidents.snapshots import Fact, Snapshot
from detectors.settings import IncidentSettings
from streams.incidents import to_record
from streams.publish.cost import estimate
from streams.records import decode, encode
from streams.settings import CostSettings
from streams.words import country_name, evidence_text, headline
from tests.detectors.incidents.hand import run, story
from tests.detectors.incidents.test_assembler import ALL, on

NAMES = IncidentSettings(network_names={1: "PTCL", 2: "Jazz"}, platform_names={"y": "Y-Net"})


def sentences(snapshots: list[Snapshot]) -> list[str]:
    return [to_record(snapshot, NAMES).summary for snapshot in snapshots]


def test_a_block_and_its_end() -> None:
    lines = on("x facebook", ALL, "....xxxxx......") | on("google", ALL, "." * 15)
    assert sentences(run(story(lines))) == [
        "Live metrics show Facebook and X (Twitter) restricted across Pakistan on 5 of 5 networks since 00:04 UTC; "
        "0% of attempts succeed, usually 98%; most attempts fail with tls.connection_reset.",
        "Live metrics show that access to Facebook and X (Twitter) is restored across Pakistan on 5 of 5 "
        "networks after 5 min; 100% of attempts succeed, usually 98%.",
    ]


def test_a_few_networks_that_fell_long_before_do_not_date_the_fall_of_all() -> None:
    early = on("x", [1, 2], "....xxxxxxxxxxxxxxxxxxxxxxxxx")
    late = on("x", [3, 4, 5], "....................xxxxxxxxx")
    last = run(story(early | late | on("google", ALL, "." * 29)))[-1]
    assert (
        " restricted across Pakistan on 5 of 5 networks since 00:04 UTC, on most networks since 00:20 UTC; "
        in (to_record(last, NAMES).summary)
    )
    [mark] = [fact for fact in last.facts if fact.name == "half_hour_mark"]
    assert evidence_text(mark).startswith(
        "began on most networks at 00:20 UTC, 10 min before a half-hour mark"
    )
    assert {network.asn: network.onset for network in last.networks}[1] == last.onset


def test_a_few_networks_that_fell_long_before_do_not_make_the_fall_of_all_last_longer() -> None:
    early = on("x", [1, 2], "....xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..........")
    late = on("x", [3, 4, 5], "....................xxxxxxxxxxxxxxxxxxxxxxxx..........")
    last = run(story(early | late | on("google", ALL, "." * 54)))[-1]
    told = to_record(last, NAMES)
    assert (told.resolved is not None, told.duration_seconds) == (True, 2400)
    assert headline(told, NAMES).endswith(" across Pakistan for 24 min")
    figures = CostSettings(daily_gdp_usd=1e9, digital_share=0.1, source="us", platform_shares={"x": 0.5})
    assert (cost := estimate([told], {"PK": figures}, {})) is not None
    assert round(cost.duration_days * 86_400) == 1440
    assert (
        " restored across Pakistan on 5 of 5 networks after 40 min, on most networks after 24 min; "
        in told.summary
    )


def test_where_nothing_else_is_watched_no_platform_was_chosen() -> None:
    first, last = sentences(run(story(on("x facebook", ALL, "....xxxxx......"))))
    assert first.startswith(
        "Live metrics show Facebook and X (Twitter) disrupted across Pakistan on 5 of 5 networks"
    )
    assert first.endswith("tls.connection_reset; no other platform is watched there.")
    assert "access to Facebook and X (Twitter) is restored" in last
    slow = sentences(run(story(on("x facebook", ALL, "....sss" + "." * 30))))
    assert " slowed down across Pakistan " in slow[0]
    assert "that the usual speed of Facebook and X (Twitter) is restored across Pakistan" in slow[-1]


def test_networks_have_names_where_the_operator_gives_them() -> None:
    lines = on("y", [1, 2], "....xxxx") | on("y", [3, 4, 5], "........")
    (sentence,) = sentences(run(story(lines), settings=NAMES))
    assert sentence.startswith(
        "Live metrics show Y-Net restricted in Pakistan on PTCL and Jazz since 00:04 UTC;"
    )


def test_parts_and_slowness_and_silence_have_words() -> None:
    parts = on("x", [1, 2], "....xxxxx" + "." * 9) | on("x", [3, 4, 5], "....xxxxx" + "x" * 9)
    assert sentences(run(story(parts)))[1].endswith("; partially restored, on 2 of 5 networks.")
    throttled = sentences(run(story(on("x", ALL, "....sss"))))[0]
    assert " throttled across Pakistan " in throttled
    assert "; answers come at 2% of their usual speed; " in throttled
    dark = dict.fromkeys((1, 2, 3), "....xxxx")
    (sentence,) = sentences(run(story(on("x", [1, 2, 3], "....????"), volumes=dark)))
    assert sentence.startswith(
        "Live metrics show a loss of connectivity across Pakistan on 3 of 3 networks since"
    )
    lost = on("x", [1, 2, 3, 4], "....xxxxx" + "." * 25) | on("x", [5], "....xxx" + "?" * 27)
    end = sentences(run(story(lost)))[-1]
    assert " is restored across Pakistan on 4 of 5 networks " in end
    assert end.endswith("; nothing has been heard from 1 of those affected.")


def test_a_crowd_that_falls_silent_is_told_as_no_more_than_that() -> None:
    dark = dict.fromkeys((1, 2, 3), "....xxxx......")
    readings = story(on("x", [1, 2, 3], "....????......"), volumes=dark)
    for one in readings:
        one.countries[0].silence_doubt = "crowd"
    snapshots = run(readings)
    assert sentences(snapshots) == [
        "Live metrics show that hardly any measurements arrive from Pakistan, on 3 of 3 networks, since 00:04 UTC; "
        "0% of the usual results arrive; those who measure there promise no rhythm, and may just measure less.",
        "Live metrics show that measurements arrive again from Pakistan, on 3 of 3 networks, after 4 min; "
        "100% of the usual results arrive.",
    ]
    opened = to_record(snapshots[0], NAMES)
    assert headline(opened, NAMES) == "Live metrics show hardly any measurements from Pakistan"
    assert not opened.confirmed


def test_what_is_simulated_says_so_first() -> None:
    (sentence,) = sentences(run(story(on("x", ALL, "....xxx"), simulated=True)))
    assert sentence.startswith("SIMULATED: Live metrics show")


def test_a_record_has_every_figure_and_reads_back() -> None:
    ways = {5: "dns.dns_nxdomain_error"}
    snapshots = run(story(on("x", ALL, "....xxxxx......"), mechanism=ways))
    for snapshot in snapshots:
        record = to_record(snapshot, NAMES)
        assert decode(encode(record)) == record
        assert (record.id, record.seq, record.status.value) == (
            snapshot.id,
            snapshot.seq,
            snapshot.status.value,
        )
        assert record.mechanism is not None
        assert record.mechanism.by_network == {"AS5": "dns.dns_nxdomain_error"}
        assert record.duration_seconds == (record.resolved or record.updated).timestamp() - snapshot.onset
        assert [network.asn for network in record.networks] == list(ALL)
        assert record.networks[0].lost == pytest.approx(1.0)
        assert (record.detector.version, record.detector.settings) == ("test", "settings")
    assert snapshots[0].measurements < snapshots[1].measurements


@pytest.mark.parametrize(
    ("code", "name"), [("PK", "Pakistan"), ("XK", "Kosovo"), ("QN", "QN"), ("MM", "Burma")]
)
def test_a_country_has_the_operators_name_or_a_common_one(code: str, name: str) -> None:
    assert country_name(code, {"MM": "Burma"}) == name


def test_an_incident_of_any_size_fits_a_record_and_says_how_many_more() -> None:
    (snapshot,) = run(story(on("x", ALL, "....xxx")))
    names = tuple(f"{number:04d}" + "\U0001f300" * 60 for number in range(4000))
    one = snapshot.by_platform[0]
    huge = replace(
        snapshot,
        platforms=names,
        by_platform=tuple(replace(one, platform=name) for name in names),
        networks=snapshot.networks * 5000,
        linked=names,
        targets=names,
    )
    record = to_record(huge)
    assert len(encode(record)) < 500_000
    assert len(record.platforms) + record.left_out["platforms"] == 4000
    assert len(record.networks) + record.left_out["networks"] == 25_000
    assert "3988 more disrupted" in record.summary


def test_two_results_are_no_percentage() -> None:
    (snapshot,) = run(story(on("x", ALL, "....xxx")))
    few = replace(snapshot, reachability=0.5, results=2)
    assert "; 1 of the last 2 attempts succeeded, usually 98%;" in to_record(few).summary


_FACTS = [
    (
        Fact("onset_spread", 90.0, "s", 4, figures={"of": "networks", "together": 1}),
        "4 networks began to lose within 90 s of each other",
    ),
    (
        Fact("onset_spread", 900.0, "s", 4, figures={"of": "networks", "together": 0}),
        "4 networks began to lose within 900 s of each other: one after another",
    ),
    (
        Fact("onset_spread", 90.0, "s", 12, figures={"of": "countries", "together": 1}),
        "12 countries began to lose within 90 s of each other",
    ),
    (
        Fact("selectivity", 0.8, "ratio", 10, figures={"well": 8}),
        "8 of 10 series of other platforms on the same networks were well meanwhile",
    ),
    (
        Fact("vantages_apart", 0.25, "ratio", 8, figures={"well": 2}),
        "2 of 8 vantages on the networks that lost it were well, and are in none of the figures: what most of a "
        "network's vantages measure counts",
    ),
    (
        Fact("server_errors", 0.62, "ratio", 50),
        "62% of the recent failures are answers with a status of 500 to 599, which servers give",
    ),
    (
        Fact("alike_countries", 4.0, "countries", 5),
        "the same platforms began to fail within half an hour, in the same ways, in 5 countries",
    ),
    (
        Fact("control", 0.9, "ratio", 40, figures={"answered": 0.904}),
        "for 90% of the recent failures the same target answered outside the country",
    ),
    (
        Fact("control", 0.9, "ratio", 40, figures={"answered": 0.904, "by": "network"}),
        "for 90% of the recent failures, with one vote a network, the same target answered outside the country",
    ),
    (
        Fact("contrast", 0.06, "ratio", 50, figures={"middle": 0.06, "low": 0.02, "high": 0.24}),
        "at the same moments, from the same vantages, it came at 6% of its control's speed (2% to 24%, 95 %) on the "
        "networks that lost it",
    ),
    (
        Fact("mechanism_sameness", 0.8, "ratio", 5, figures={"same": 4, "mechanism": "tls.connection_reset"}),
        "4 of 5 networks fail in the same way, tls.connection_reset",
    ),
    (
        Fact("half_hour_mark", -120.0, "s", 1, figures={"onset": 1705757280, "of": "all"}),
        "began at 13:28 UTC, 2 min before a half-hour mark of local time; 86 % of labelled government and exam "
        "shutdowns begin on one, and 27 % of spontaneous outages, which is chance",
    ),
    (
        Fact("recurrence", 2.0, "incidents", 3, figures={"days": 8}),
        "2 like incidents began at this time of day within the last 8 days; 48 % of labelled government and exam "
        "shutdowns have one, and no spontaneous outage",
    ),
    (
        Fact("like_incidents", 3.0, "incidents", 3, figures={"days": 30}),
        "3 like incidents within the last 30 days",
    ),
    (Fact("calendar", 600.0, "s", 1, figures={"event": "the vote"}), "began 10 min before the vote"),
    (Fact("calendar", -600.0, "s", 1, figures={"event": "the vote"}), "began during the vote"),
    (Fact("countries", 0.5, "ratio", 40, figures={"lost": 20}), "lost in 20 of 40 watched countries"),
    (
        Fact(
            "certificate",
            1.0,
            "ratio",
            9,
            figures={
                "share": 1.0,
                "error": "ssl_invalid_hostname",
                "same": 2,
                "networks": 2,
                "answered": 0.5,
            },
        ),
        "100% of the failures are one certificate error, ssl_invalid_hostname, on 2 of 2 networks; for 50% the same "
        "target answered outside the country",
    ),
]


@pytest.mark.parametrize(("fact", "text"), _FACTS, ids=lambda one: one.name if isinstance(one, Fact) else "")
def test_a_fact_says_the_same_when_it_was_kept(fact: Fact, text: str) -> None:
    kept = msgspec.msgpack.decode(msgspec.msgpack.encode(fact), type=Fact)
    assert (evidence_text(fact), evidence_text(kept)) == (text, text)


def test_a_fact_that_was_kept_with_its_sentence_keeps_it() -> None:
    before = {"name": "calendar", "value": 1.0, "unit": "s", "n": 1, "text": "began as was written then"}
    assert evidence_text(msgspec.convert(before, Fact)) == "began as was written then"


def test_every_fact_has_a_sentence_and_detectors_write_none() -> None:
    names, written = set(), set()
    for path in Path(detectors_of_incidents.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Fact":
                names.add(ast.literal_eval(node.args[0]))
                if len(node.args) > 4 or any(keyword.arg == "text" for keyword in node.keywords):
                    written.add(path.name)
    assert not written
    assert names == {fact.name for fact, _ in _FACTS}
