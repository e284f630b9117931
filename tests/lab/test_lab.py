"""The lab's provider, packet by packet; and one censor in the whole lab, where there are real servers."""

from __future__ import annotations

import os
import subprocess
import sys
from ipaddress import ip_address, ip_network

import dns.message
import dns.rcode
import pytest

from producers.names import is_region
from tests.lab.censors import CENSORS, Verdict
from tests.lab.country import WINDOW_SECONDS
from tests.lab.isp import Middlebox
from tests.lab.packets import ACK, RST, SYN, take_apart, tcp, udp
from tests.lab.page import row
from tests.lab.places import COUNTRIES, NETWORKS
from tests.lab.platforms import ADDRESSES

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


def verdict(failed: int, **told: object) -> Verdict:
    return Verdict(CENSORS[0], abroad=400, abroad_failed=failed, **told)  # type: ignore[arg-type]


def test_a_wrong_verdict_counts_where_the_machine_kept_up() -> None:
    assert verdict(4).faults() == ["nothing was told"]
    assert verdict(4).counts
    assert not verdict(5).counts


def test_of_several_runs_a_row_says_how_many_were_right() -> None:
    assert row([verdict(0)]).endswith("| nothing was told |")
    assert row([verdict(0), verdict(0)]).endswith("| 0 of 2: nothing was told |")


def test_a_run_that_is_not_judged_is_counted_apart() -> None:
    said = row([verdict(0), verdict(0), verdict(5)])
    assert said.endswith("| 0 of 2: nothing was told (1 not judged: the machine did not keep up) |")


@pytest.mark.parametrize(("windows", "in_time"), [(None, False), (4.0, True), (4.1, False)])
def test_told_in_time_is_told_within_the_median_of_its_kind(windows: float | None, in_time: bool) -> None:
    told = verdict(0, told_seconds=windows and windows * WINDOW_SECONDS)
    assert CENSORS[0].bar_windows == 4
    assert told.in_time is in_time
    assert f"| {int(in_time)} of 1 |" in row([told])


def test_countries_side_by_side_share_no_address_no_region_and_no_device() -> None:
    homes = [home for country in COUNTRIES for home in country.everybody]
    assert len({home.address for home in homes}) == len({home.address_6 for home in homes}) == len(homes)
    assert len({home.name for home in homes if home.country != "NL"}) == 6 * len(COUNTRIES)
    assert len({address for country in COUNTRIES for address in map(country.moved, ADDRESSES)}) == len(
        COUNTRIES
    ) * len(ADDRESSES)
    assert all(is_region(home.region, home.country) for home in homes if home.region)
    prefixes = [
        ip_network(prefix) for country in COUNTRIES for net in NETWORKS for prefix in country.prefixes(net)
    ]
    assert len(set(prefixes)) == len(prefixes)
    for country in COUNTRIES:
        for home in country.everybody:
            four, six = map(ip_network, country.prefixes(home.network))
            assert ip_address(home.address) in four
            assert ip_address(home.address_6) in six


def test_a_censor_means_the_addresses_and_regions_of_its_own_country() -> None:
    [one_region] = [censor for censor in CENSORS if censor.name == "one region"]
    there = one_region.within(COUNTRIES[3])
    assert there.expected.regions == ("NP-P1",)
    assert there.rule.homes == tuple(home.address for home in COUNTRIES[3].homes if home.region == "NP-P1")
    [reset] = [censor for censor in CENSORS if censor.rule.does == "ip_reset"]
    assert reset.within(COUNTRIES[3]).rule.addresses == ("31.3.2.1", "31.3.2.2")
    assert reset.within(COUNTRIES[0]) == reset


@pytest.mark.integration
def test_the_whole_product_tells_of_a_censor() -> None:
    """`make lab` runs all of them; docs/lab.md says what is told of each."""
    command = [sys.executable, "-m", "tests.lab", "--only", "reset on the name"]
    # Exit code 3: the machine did not keep up, by what failed where nobody interferes. Then time goes slower.
    for pace in ({}, {"LAB_PACE": "4"}):
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=1800, env={**os.environ, **pace}
        )
        if done.returncode != 3:
            break
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    assert "\nright  reset on the name" in done.stdout, done.stdout
