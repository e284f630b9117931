"""Where nobody need have chosen what is lost: servers answer with errors, networks lose all, countries fail alike."""

from __future__ import annotations

import pytest

from detectors.incidents.snapshots import Snapshot
from detectors.settings import IncidentSettings
from streams.words import summary
from tests.detectors.incidents.hand import country, reading, run, story

NETWORKS = (1, 2, 3)
BUSY = "http.http_unexpected_status_code:503"
RESET = "tls.connection_reset"


def sentence(snapshot: Snapshot) -> str:
    return summary(snapshot, IncidentSettings())


def names_of(snapshot: Snapshot) -> set[str]:
    return {fact.name for fact in snapshot.facts}


@pytest.mark.parametrize(("mechanism", "word"), [(BUSY, "disrupted"), (RESET, "restricted")])
def test_what_servers_answer_with_an_error_is_nobodys_choice(mechanism: str, word: str) -> None:
    lines = {("x", n): "....xxxxxx" for n in NETWORKS} | {("y", n): "." * 10 for n in NETWORKS}
    told = run(story(lines, mechanism=mechanism))
    assert f"X (Twitter) {word} across Pakistan" in sentence(told[-1])
    assert ("server_errors" in names_of(told[-1])) == (mechanism == BUSY)


def test_what_is_well_beside_it_is_told_of_now() -> None:
    """Its network loses one platform after the other: in its first minutes the others were well."""
    late = "....x" + "x" * 15
    lines = {("x", 1): late, ("y", 1): "......" + "x" * 14} | {
        (p, n): "." * 20 for p in ("x", "y") for n in (2, 3)
    }
    told = run(story(lines))
    first, last = told[0], told[-1]
    assert (first.platforms, last.platforms) == (("x",), ("x", "y"))
    assert "selectivity" in names_of(first)
    assert "selectivity" not in names_of(last)
    assert "restricted in Pakistan on AS1" in sentence(first)
    assert "disrupted in Pakistan on AS1" in sentence(last)


def test_what_leans_beside_it_is_not_well() -> None:
    """One series that leans joins no incident, and is not told of as well either: the end's snapshot counts it."""
    lines = {("x", n): "....xxxxxxxxxxxx........" for n in NETWORKS} | {
        ("y", n): "...............~........" if n == 1 else "." * 24 for n in NETWORKS
    }
    told = run(story(lines))
    counts = [
        (fact.figures["well"], fact.n) for one in told for fact in one.facts if fact.name == "selectivity"
    ]
    assert counts == [(3, 3), (2, 3)]


def of_countries(ways: dict[str, str]) -> list[Snapshot]:
    """Each country loses x, a window after the one before; a last one has lost nothing."""
    lines = {name: "...." + "." * i + "x" * (20 - i) for i, name in enumerate(ways)}
    readings = [
        reading(
            [
                country(
                    at,
                    {("x", n): line for n in NETWORKS} | {("y", n): "." * 24 for n in NETWORKS},
                    name=name,
                    mechanism=ways[name],
                )
                for name, line in lines.items()
            ]
        )
        for at in range(24)
    ]
    return run(readings)


def test_countries_that_fail_alike_are_linked_and_counted() -> None:
    told = of_countries(dict.fromkeys(("DE", "FR", "IT"), RESET))
    ids = {one.country: one.id for one in told}
    last = [one for one in told if one.country == "IT"][-1]
    assert set(last.linked) == {ids["DE"], ids["FR"]}
    assert "X (Twitter) disrupted across Italy" in sentence(last)
    assert "the same fails alike in two other countries" in sentence(last)
    assert ids["IT"] not in last.linked


def test_countries_that_fail_each_in_its_own_way_are_not_linked() -> None:
    told = of_countries({"DE": RESET, "FR": "dns.dns_nxdomain_error", "IT": "tcp.generic_timeout_error"})
    assert {one.linked for one in told} == {()}
    assert all("restricted" in sentence(one) for one in told)
