"""What fails on some addresses of a platform alone is told as that."""

from __future__ import annotations

import msgspec
import pytest

from detectors.incidents.addresses import lost_targets
from detectors.incidents.loss import Loss
from detectors.incidents.snapshots import Severity, Snapshot
from detectors.readings import CountryReading, TargetResults
from detectors.settings import IncidentSettings
from streams.incidents import from_record, to_record
from streams.words import headline, summary
from tests.detectors.incidents.hand import country, reading, run

NETWORKS = (1, 2, 3, 4)


def targets(*figures: tuple[int, int, float]) -> dict[str, Loss]:
    """Targets a, b, c ... of which (k of n) succeed, and how many usually do."""
    return {
        name: Loss(0, usual, usual, usual, recent_k=k, recent_n=n)
        for name, (k, n, usual) in zip("abcd", figures, strict=False)
    }


@pytest.mark.parametrize(
    ("figures", "lost"),
    [
        ([(20, 20, 0.98), (0, 20, 0.98)], ["b"]),
        ([(4, 4, 0.98), (0, 4, 0.98)], ["b"]),
        ([(1, 1, 0.98), (0, 1, 0.98)], []),  # one result each is chance
        ([(1, 20, 0.98), (0, 20, 0.98)], []),
        ([(14, 20, 0.98), (7, 20, 0.98)], []),  # both have lost something
        ([(10, 20, 0.5), (0, 20, 0.98)], ["b"]),  # one that always failed now and then is well
        ([(0, 20, 0.01), (0, 20, 0.98)], []),  # one that never answered says nothing of the other
        ([(20, 20, 0.98), (1, 20, 0.98), (0, 20, 0.98)], ["b", "c"]),
        ([(20, 20, 0.98), (12, 20, 0.98)], ["b"]),
    ],
)
def test_it_takes_evidence_to_tell_addresses_apart(
    figures: list[tuple[int, int, float]], lost: list[str]
) -> None:
    assert lost_targets(targets(*figures), (), []) == lost


def test_what_can_not_be_told_stays_as_it_was() -> None:
    assert lost_targets(targets((1, 1, 0.98), (0, 1, 0.98)), (), ["b"]) == ["b"]
    assert lost_targets(targets((0, 20, 0.98), (0, 20, 0.98)), (), ["b"]) == []


def test_a_dead_address_has_no_say() -> None:
    assert lost_targets(targets((0, 20, 0.98), (0, 20, 0.98), (20, 20, 0.98)), {"a"}, []) == ["b"]


def window(at: int, marks: str, of_targets: dict[str, str]) -> CountryReading:
    """One window of four networks that all say `marks`, and the same of each target."""
    made = country(at, {("x", asn): marks for asn in NETWORKS})
    results = {
        target: TargetResults(10, 0 if line[at] == "x" else 10, 9.8) for target, line in of_targets.items()
    }
    made.addresses = {("x", asn): results for asn in NETWORKS}
    return made


def tell(marks: str, **of_targets: str) -> list[Snapshot]:
    return run([reading([window(at, marks, of_targets)]) for at in range(len(marks))])


def test_one_of_two_addresses_is_told_with_its_own_figures() -> None:
    marks = "...." + "f" * 12 + "." * 20
    first, *_, last = tell(marks, a="." * len(marks), b=marks.replace("f", "x"))
    assert first.targets == ("b",)
    assert (first.reachability, first.usual) == (0.0, 0.98)
    assert first.severity is Severity.MAJOR
    assert "one of two addresses of X (Twitter) restricted across Pakistan" in summary(
        first, IncidentSettings()
    )
    record = to_record(first)
    assert record.targets == ("b",)
    assert (record.platforms_detail[0].targets, record.platforms_detail[0].targets_watched) == (("b",), 2)
    assert "one of two addresses of X (Twitter) restricted" in headline(record, IncidentSettings())
    assert from_record(record).targets == ("b",)
    assert last.resolved is not None
    assert last.reachability == pytest.approx(1.0, abs=0.02)


def test_all_addresses_are_the_platform() -> None:
    marks = "...." + "x" * 12
    told = tell(marks, a=marks, b=marks)
    assert [one.targets for one in told] == [()]
    assert told[0].severity is Severity.CRITICAL


def test_the_other_address_follows() -> None:
    """First one of two, an hour later both: one incident, and a reader is told."""
    both = "...." + "f" * 60 + "x" * 30
    told = tell(both, a=both.replace("f", "."), b=both.replace("f", "x"))
    assert told[0].targets == ("b",)
    last = told[-1]
    assert {one.id for one in told} == {last.id}
    assert last.targets == ()
    assert last.severity is Severity.CRITICAL
    assert "lost on all addresses" in [part for one in told for part in one.reason.split("; ")]


def test_an_earlier_snapshot_has_none() -> None:
    detail = to_record(tell("...." + "x" * 8)[0]).platforms_detail[0]
    plain = msgspec.to_builtins(detail)
    del plain["targets"], plain["targets_watched"]
    assert msgspec.convert(plain, type(detail)).targets == ()
