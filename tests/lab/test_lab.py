"""The lab's provider, packet by packet; and one censor in the whole lab, where there are real servers."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path

import dns.message
import dns.rcode
import pytest
from msgspec.structs import replace

from producers.names import is_region
from producers.records import ProbeResult, Timings
from streams.settings import Settings
from tests.lab.censors import CENSORS, Verdict
from tests.lab.country import WINDOW_SECONDS
from tests.lab.history import Warm
from tests.lab.isp import Middlebox
from tests.lab.packets import ACK, RST, SYN, take_apart, tcp, udp
from tests.lab.page import Kept, append, heading, kept, read, row
from tests.lab.places import ABROAD, COUNTRIES, NETWORKS
from tests.lab.platforms import Names, addresses_of

HOME, FAR, RESOLVER = ("41.1.1.2", 40_000), ("31.0.1.1", 443), ("31.0.53.1", 53)
#: A ClientHello with the name x.test, as OpenSSL writes it, cut after the extension.
HELLO = bytes.fromhex(
    "16030100430100003f0303"
    + "00" * 32
    + "00"
    + "00021301"
    + "0100"
    + "0014"
    + "0000000b0009000006782e74657374"
)


def box(**rule: object) -> Middlebox:
    made = Middlebox()
    made.set([rule])
    return made


def question(host: str) -> bytes:
    return udp(HOME, RESOLVER, dns.message.make_query(host, "A").to_wire())


def test_without_rules_everything_goes_on() -> None:
    packet = question("x.test")
    assert Middlebox().pass_on(packet, outward=True, now=0) == [(True, packet)]


@pytest.mark.parametrize(
    ("does", "rcode", "answers"),
    [("dns_forge", 0, ["10.10.34.34"]), ("dns_nxdomain", 3, []), ("dns_refused", 5, [])],
)
def test_names(does: str, rcode: int, answers: list[str]) -> None:
    provider = box(does=does, names=["x.test"], answer="10.10.34.34")
    [(outward, raw)] = provider.pass_on(question("api.x.test"), outward=True, now=0)
    packet = take_apart(raw)
    assert packet is not None
    assert not outward
    assert (packet.source_port, packet.target_port) == (53, HOME[1])
    reply = dns.message.from_wire(packet.payload)
    assert reply.rcode() == rcode
    assert [item.to_text() for found in reply.answer for item in found] == answers
    other = question("notx.test")
    assert provider.pass_on(other, outward=True, now=0) == [(True, other)]


def test_a_reset_on_the_name_in_the_hello() -> None:
    provider = box(does="sni_reset", names=["x.test"])
    syn, hello = tcp(HOME, FAR, SYN, 99), tcp(HOME, FAR, ACK, 100, 500, HELLO)
    assert provider.pass_on(syn, outward=True, now=0) == [(True, syn)]
    (back, to_home), (on, to_server) = provider.pass_on(hello, outward=True, now=0)
    first, second = take_apart(to_home), take_apart(to_server)
    assert first is not None
    assert second is not None
    assert (back, on) == (False, True)
    assert (first.flags, first.sequence, first.acknowledged) == (RST | ACK, 500, 100 + len(HELLO))
    assert (second.flags, second.sequence) == (RST, 100)
    assert provider.pass_on(tcp(FAR, HOME, ACK, 500, 200), outward=False, now=0) == []


def test_addresses_and_customers() -> None:
    syn = tcp(HOME, FAR, SYN, 99)
    assert box(does="ip_drop", addresses=[FAR[0]]).pass_on(syn, outward=True, now=0) == []
    [(_, raw)] = box(does="ip_reset", addresses=[FAR[0]]).pass_on(syn, outward=True, now=0)
    packet = take_apart(raw)
    assert packet is not None
    assert (packet.flags, packet.acknowledged) == (RST | ACK, 100)
    elsewhere = box(does="drop_all", homes=["41.1.2.2"])
    assert elsewhere.pass_on(syn, outward=True, now=0) == [(True, syn)]


def test_quic_is_dropped_both_ways_and_tcp_goes_on() -> None:
    provider = box(does="quic_drop", addresses=[FAR[0]])
    syn, other = tcp(HOME, FAR, SYN, 99), udp(HOME, (FAR[0], 53), b"x")
    assert provider.pass_on(udp(HOME, FAR, b"x"), outward=True, now=0) == []
    assert provider.pass_on(udp(FAR, HOME, b"x"), outward=False, now=0) == []
    assert provider.pass_on(syn, outward=True, now=0) == [(True, syn)]
    assert provider.pass_on(other, outward=True, now=0) == [(True, other)]


def test_a_throttle_queues_and_drops_what_does_not_fit() -> None:
    provider = box(does="throttle", names=["x.test"], rate=1000.0)
    hello = tcp(HOME, FAR, ACK, 100, 500, HELLO)
    assert provider.pass_on(hello, outward=True, now=0) == [(True, hello)]
    data = tcp(FAR, HOME, ACK, 500, 200, b"x" * 960)
    for _ in range(40):
        assert provider.pass_on(data, outward=False, now=0) == []
    assert provider.due(0.99) == []
    assert len(provider.due(1.0)) == 1
    assert len(provider.due(100.0)) == 23, "24,000 bytes wait at the most"


def test_a_name_server_answers_the_same_question_under_each_number() -> None:
    names = Names()
    for number in (7, 7, 8):
        asked = dns.message.make_query("telegram.test", "AAAA")
        asked.id = number
        reply = dns.message.from_wire(names.answer(asked.to_wire()))
        assert reply.id == number
        assert [item.to_text() for found in reply.answer for item in found] == ["2a0e:31:6::1"]
    for host, kind, rcode in (("x.test", "AAAA", 0), ("other.test", "A", 3)):
        reply = dns.message.from_wire(names.answer(dns.message.make_query(host, kind).to_wire()))
        assert (reply.rcode(), reply.answer) == (rcode, [])


def verdict(failed: int, **told: object) -> Kept:
    return kept(Verdict(CENSORS[0], abroad=400, abroad_failed=failed, **told))  # type: ignore[arg-type]


def right(**others: object) -> Kept:
    shown = {"what": "platform, nation-scale", "mechanism": "tls.connection_reset", "told": 3.0, "over": 6.0}
    return replace(verdict(0), **{"faults": (), "counts": True, "onset_off": -0.5, **shown, **others})


def test_a_wrong_verdict_counts_where_the_machine_kept_up() -> None:
    assert verdict(4).faults == ("nothing was told",)
    assert verdict(4).counts
    assert not verdict(5).counts


def test_of_several_runs_a_row_says_how_many_were_right() -> None:
    assert row([right()]).endswith("| 1 of 1 |")
    assert row([verdict(0)]).endswith("| 0 of 1: nothing was told |")
    assert row([right(), verdict(0), right()]).endswith("| 2 of 3: nothing was told |")


def test_a_row_has_the_times_in_the_middle_and_the_latest() -> None:
    runs = [right(told=told) for told in (2.5, 3.0, 3.1, 9.0)]
    assert "| 3.0 | 9.0 | 4 | 3 of 4 | -0.5 | 6.0 |" in row(runs)
    assert "| 0.0 | 6.0 |" in row([right(onset_off=-0.04)])


def test_what_is_kept_of_a_verdict_is_read_again(tmp_path: Path) -> None:
    results = tmp_path / "made" / "results.jsonl"
    assert read(results) == []
    for one in (right(), verdict(5)):
        append(results, one)
    assert read(results) == [right(), verdict(5)]


def test_the_heading_counts_what_counts() -> None:
    text = heading([right(pace=5), right(pace=10, told=4.5), verdict(0), verdict(5)])
    assert text.startswith("2 of 3 verdicts are right, 1 in time; 1 do not count.")
    assert "Times in windows of 12 s and 6 s" in heading([right(pace=10), right(pace=5)])


def test_a_run_that_is_not_judged_is_counted_apart() -> None:
    said = row([verdict(0), verdict(0), verdict(5)])
    assert said.endswith("| 0 of 2: nothing was told (1 not judged: the machine did not keep up) |")


@pytest.mark.parametrize(("windows", "in_time"), [(None, False), (4.0, True), (4.1, False)])
def test_told_in_time_is_told_within_the_median_of_its_kind(windows: float | None, in_time: bool) -> None:
    told = verdict(0, told_seconds=windows and windows * WINDOW_SECONDS)
    assert told.bar == 4
    assert told.in_time is in_time
    assert f"| {int(in_time)} of 1 |" in row([told])


def test_countries_side_by_side_share_no_address_no_region_and_no_device() -> None:
    homes = [ABROAD, *(home for country in COUNTRIES for home in country.homes)]
    assert len({home.address for home in homes}) == len({home.address_6 for home in homes}) == len(homes)
    assert len({home.name for home in homes if home.country != "NL"}) == 6 * len(COUNTRIES)
    world = addresses_of(len(COUNTRIES))
    assert len({*world, *(home.address for home in homes)}) == len(world) + len(homes)
    assert {country.resolver(network) for country in COUNTRIES for network in NETWORKS} < {*world}
    assert all(is_region(home.region, home.country) for home in homes if home.region)
    assert len({home.prefixes for home in homes}) == 1 + len(NETWORKS) * len(COUNTRIES)
    devices = {country.device(network) for country in COUNTRIES for network in NETWORKS}
    assert len(devices) == len(NETWORKS) * len(COUNTRIES)
    for home in homes:
        four, six = map(ip_network, home.prefixes)
        assert ip_address(home.address) in four
        assert ip_address(home.address_6) in six


def test_a_censor_means_the_homes_and_regions_of_its_own_country() -> None:
    [one_region] = [censor for censor in CENSORS if censor.name == "one region"]
    there = one_region.within(COUNTRIES[3])
    assert there.expected.regions == ("NP-P1",)
    assert there.rule.homes == tuple(home.address for home in COUNTRIES[3].homes if home.region == "NP-P1")
    assert one_region.within(COUNTRIES[0]) == one_region
    [reset] = [censor for censor in CENSORS if censor.rule.does == "ip_reset"]
    assert reset.within(COUNTRIES[3]) == reset, "platforms are the world's"


@pytest.mark.world
def test_the_warm_state_goes_on_from_where_it_was() -> None:
    end = datetime(2026, 1, 1, tzinfo=UTC)
    measured = [
        ProbeResult(
            id=home.name,
            time=end,
            country=home.country,
            asn=home.asn,
            vantage=home.name,
            platform="x",
            target="https://x.test/",
            ok=True,
            control_ok=True,
            timings_ms=Timings(tcp=4.0),
        )
        for home in COUNTRIES[0].homes
    ]

    def warm() -> Warm:
        return Warm(Settings(), measured, rhythm_seconds=60, window_seconds=60)

    in_two = warm()
    in_two.until(end)
    assert in_two.until(end + timedelta(minutes=5)) != warm().until(end)
    in_five = warm()
    in_five.until(end)  # where it begins
    for minute in range(1, 6):
        last = in_five.until(end + timedelta(minutes=minute))
    assert last == in_two.until(end + timedelta(minutes=5))


@pytest.mark.integration
def test_the_whole_product_tells_of_a_censor() -> None:
    """`make lab` runs all of them; docs/lab.md says what is told of each."""
    command = [sys.executable, "-m", "tests.lab", "--only", "reset on the name", "--together", "1"]
    # Exit code 3: the machine did not keep up, by what failed where nobody interferes. Then time goes slower.
    for pace in ({}, {"LAB_PACE": "4"}):
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=1800, env={**os.environ, **pace}
        )
        if done.returncode != 3:
            break
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "\nright  reset on the name" in done.stdout, done.stdout
