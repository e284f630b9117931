"""Results are kept as they came: every field, each once, wherever the writer is killed."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from producers.bundles import bundle
from producers.failures import Failure, Stage
from producers.records import ProbeResult, Tick, Timings, decode, encode
from streams.archive.parts import RESULTS, folder_of
from streams.archive.reader import Archive
from streams.archive.results import RESULT_COLUMNS, result_table, results_in, results_of
from streams.archive.store import FolderStore
from streams.archive.tables import read, write
from streams.archive.writer import Archiver
from streams.commands.history import app
from tests.streams.archive.memory import KilledError, MemoryStore

NOON = datetime(2024, 1, 20, 12, tzinfo=UTC)


def result(number: int, country: str = "PK", at: datetime = NOON) -> ProbeResult:
    failed = number % 3 == 0
    return ProbeResult(
        id=f"r{number}",
        time=at + timedelta(seconds=number),
        platform="x",
        country=country,
        asn=17557,
        vantage=f"v{number % 2}",
        ok=not failed,
        stage=Stage.TLS if failed else None,
        failure=Failure.CONNECTION_RESET if failed else None,
        timings_ms=Timings(dns=1.25, total=80.5) if number % 2 else None,
    )


def feed(
    archiver: Archiver,
    values: Sequence[bytes | None],
    came: Sequence[datetime] | None = None,
    flush_at: Sequence[int] = (),
) -> None:
    begin = archiver.begin("probes", 0, 0, len(values))
    for offset in range(begin, len(values)):
        archiver.take("probes", 0, offset, values[offset], NOON if came is None else came[offset])
        if offset in flush_at:
            archiver.flush()
            archiver.tidy()
    archiver.reached("probes", 0, len(values))
    archiver.flush()
    archiver.tidy()


def held(store: MemoryStore, country: str = "PK") -> list[ProbeResult]:
    return list(Archive(store).results(country, NOON - timedelta(days=30), NOON + timedelta(days=30)))


def test_every_field_of_a_result_has_a_column() -> None:
    timings = {f"{name}_ms" for name in Timings.__struct_fields__}
    assert set(RESULT_COLUMNS.names) == (set(ProbeResult.__struct_fields__) - {"timings_ms"}) | timings


@pytest.mark.parametrize("name", ["full", "least", "newer", "sums"])
def test_a_published_result_comes_back_as_it_was(name: str) -> None:
    one = decode((Path(__file__).parents[2] / "contracts" / f"probe-1-{name}.json").read_bytes())
    assert isinstance(one, ProbeResult)
    assert list(results_of(read(MemoryStore({"f": write(result_table([one]))}).open("f")))) == [one]


@given(
    st.lists(
        st.builds(
            result,
            st.integers(0, 50),
            st.sampled_from(["PK", "IR"]),
            st.datetimes(datetime(2001, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
        )
    )
)
def test_any_results_come_back_in_their_order(results: list[ProbeResult]) -> None:
    assert list(results_of(result_table(results))) == results


def test_a_file_of_an_earlier_release_lacks_columns() -> None:
    table = result_table([result(1)]).drop_columns(["certificate_expires", "quic_ms", "status"])
    assert list(results_of(table)) == [result(1)]


def test_bundles_are_opened_and_what_is_no_result_is_passed_over() -> None:
    store = MemoryStore()
    values = [
        bundle("v1", [encode(result(1)), b"{", encode(result(3))]),
        encode(Tick(time=NOON)),
        None,
        b"nonsense",
        b'{"schema":"netdusk.bundle/1","vantage":"v1","n":9}\n{}',
        encode(result(5)),
    ]
    feed(Archiver(store), values)
    assert held(store) == [result(1), result(3), result(5)]
    assert list(results_in(values[4])) == []


def test_a_result_stands_on_the_day_on_which_it_came_whatever_it_says() -> None:
    store = MemoryStore()
    years = [result(number, at=NOON + timedelta(days=365 * number)) for number in range(-20, 20)]
    feed(Archiver(store), [encode(one) for one in years])
    assert Archive(store).days("PK", RESULTS) == [NOON.date()]
    assert held(store) == [result(0)]


def test_what_waited_in_a_spool_is_found_by_when_it_was_measured() -> None:
    store = MemoryStore()
    values = [encode(result(number)) for number in range(4)]
    feed(Archiver(store), values, came=[NOON, NOON, NOON + timedelta(days=2), NOON + timedelta(days=5)])
    found = Archive(store).results("PK", NOON, NOON + timedelta(hours=1))
    assert list(found) == [result(number) for number in range(4)]


@pytest.mark.system
def test_a_kill_at_any_write_loses_no_result_and_doubles_none() -> None:
    values = [encode(result(number, "PK" if number % 4 else "IR")) for number in range(40)]
    came = [NOON + timedelta(hours=number) for number in range(40)]
    whole = MemoryStore()
    feed(Archiver(whole), values, came, flush_at=range(0, 40, 7))
    expected = {country: held(whole, country) for country in ("PK", "IR")}
    assert sum(map(len, expected.values())) == 40
    for killed_at in range(whole.writes):
        store = MemoryStore(killed_at=killed_at)
        with pytest.raises(KilledError):
            feed(Archiver(store), values, came, flush_at=range(0, 40, 7))
        store.killed_at = None
        feed(Archiver(store), values, came, flush_at=(3, 35))
        assert {country: held(store, country) for country in expected} == expected, killed_at


def test_a_day_that_is_over_is_one_file_and_is_deleted_where_a_setting_says_so() -> None:
    values = [encode(result(number)) for number in range(60)]
    came = [NOON + timedelta(hours=number) for number in range(60)]
    store = MemoryStore()
    feed(Archiver(store), values, came, flush_at=range(0, 60, 4))
    assert len(store.names(folder_of("PK", date(2024, 1, 20), RESULTS))) == 1
    assert store.names("hours") == []
    kept = MemoryStore()
    feed(Archiver(kept, keep_days=1), values, came, flush_at=range(0, 60, 4))
    assert Archive(kept).days("PK", RESULTS) == [date(2024, 1, 21), date(2024, 1, 22)]


def test_windows_and_results_lie_side_by_side() -> None:
    store = MemoryStore()
    feed(Archiver(store), [encode(result(1))])
    assert Archive(store).countries() == []
    assert Archive(store).countries(RESULTS) == ["PK"]


def test_history_prints_them_as_backtest_reads_them(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "kept")
    archiver = Archiver(store)
    archiver.begin("probes", 0, 0, 2)
    for offset in range(2):
        archiver.take("probes", 0, offset, encode(result(offset)), NOON)
    archiver.flush()
    there = ["PK", "2024-01-20", "--archive", str(tmp_path / "kept"), "--results"]
    printed = CliRunner().invoke(app, there)
    assert printed.exit_code == 0
    assert [decode(line.encode()) for line in printed.stdout.splitlines()] == [result(0), result(1)]
    file = tmp_path / "results.jsonl"
    assert CliRunner().invoke(app, [*there, "-o", str(file)]).exit_code == 0
    assert file.read_text() == printed.stdout
    assert msgspec.json.decode(file.read_bytes().splitlines()[0])["id"] == "r0"
