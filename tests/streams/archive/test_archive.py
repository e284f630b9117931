"""The archive holds each window once, whatever is killed, told twice, made anew or put together."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.archive.parts import ArchivePart, folder_of
from streams.archive.reader import Archive, By, step_for
from streams.archive.store import ArrowStore, FolderStore, Store, ToldStore, store_at
from streams.archive.tables import write
from streams.archive.writer import Archiver
from streams.errors import SettingsError
from streams.records import Window, encode
from tests.effort import examples
from tests.streams.archive.memory import KilledError, MemoryStore

START = datetime(2024, 1, 20, 22, 0, tzinfo=UTC)


def window(minute: int, country: str = "PK", *, simulated: bool = False, cells: int = 3) -> Window:
    start = START + timedelta(minutes=minute)
    return Window(
        country=country,
        start=start,
        end=start + timedelta(minutes=1),
        simulated=simulated,
        networks_live=cells,
        vantages=2 * cells,
        awaited=12.5,
        came=11.25,
        platform=["facebook", "x", "x"][:cells],
        region=["", "PK-PB", "PK-SD"][:cells],
        asn=[9541, 9541, 4_200_000_000][:cells],
        n=[4, 10, 2][:cells],
        k=[4, minute % 11, 0][:cells],
        expected=[0.987, None, 0.5][:cells],
        ttfb_ms=[80, None, 30_000][:cells],
        failure=["", "tls.connection_reset", "dns.dns_nxdomain_error"][:cells],
    )


def log_of(minutes: int) -> list[Window]:
    """Two countries of one partition; one is silent for a while."""
    return [
        one
        for minute in range(minutes)
        for one in (window(minute), window(minute, "IR", cells=0 if 3 < minute < 6 else 2))
    ]


def told(log: Sequence[Window], country: str) -> list[Window]:
    return [one for one in log if one.country == country]


def feed(archiver: Archiver, values: Sequence[bytes], flush_at: Sequence[int] = (), start: int = 0) -> None:
    """As the command does it: from where the archive says, to the end."""
    begin = archiver.begin("windows", 0, start, start + len(values))
    for offset in range(begin, start + len(values)):
        archiver.take("windows", 0, offset, values[offset - start])
        if offset in flush_at:
            archiver.flush()
            archiver.tidy()
    archiver.reached("windows", 0, start + len(values))
    archiver.flush()
    archiver.tidy()


def held(store: MemoryStore, country: str) -> list[Window]:
    return list(Archive(store).windows(country))


def test_what_is_read_is_what_was_told() -> None:
    log = [*log_of(8), window(8, simulated=True), window(8)]
    store = MemoryStore()
    feed(Archiver(store), [encode(one) for one in log])
    assert held(store, "IR") == told(log, "IR")
    assert held(store, "PK") == [*told(log_of(9), "PK")[:9], window(8, simulated=True)]
    assert Archive(store).countries() == ["IR", "PK"]


@pytest.mark.system
def test_a_kill_at_any_write_loses_nothing_and_doubles_nothing() -> None:
    log = [window(minute, country) for minute in range(0, 230, 13) for country in ("PK", "IR")]
    values = [encode(one) for one in log]
    values.insert(5, values[4])  # told twice, within a part
    values.insert(30, values[10])  # and in another
    whole = MemoryStore()
    feed(Archiver(whole), values, flush_at=(9, 10, 29))
    expected = {country: held(whole, country) for country in ("PK", "IR")}
    assert expected["PK"] == sorted(
        {one.start: one for one in told(log, "PK")}.values(), key=lambda one: one.start
    )
    for killed_at in range(whole.writes):
        store = MemoryStore(killed_at=killed_at)
        with pytest.raises(KilledError):
            feed(Archiver(store), values, flush_at=(9, 10, 29))
        for country, windows in expected.items():
            starts = [one.start for one in held(store, country)]
            assert len(starts) == len(set(starts)) and set(starts) <= {one.start for one in windows}
        store.killed_at = None
        # Whoever goes on flushes at other moments.
        feed(Archiver(store), values, flush_at=(3, 35))
        assert {country: held(store, country) for country in expected} == expected, killed_at


def test_a_day_that_is_over_is_one_file() -> None:
    values = [encode(window(minute)) for minute in range(0, 300, 5)]
    store = MemoryStore()
    feed(Archiver(store), values, flush_at=range(0, 60, 4))
    names = store.names(folder_of("PK", date(2024, 1, 20)))
    assert len(names) == 1 and store.names("hours/country=PK/day=2024-01-20") == names
    assert [one.start for one in held(store, "PK")] == [
        START + timedelta(minutes=minute) for minute in range(0, 300, 5)
    ]


def test_a_topic_made_anew_goes_on_and_a_forgotten_stretch_is_counted() -> None:
    store = MemoryStore()
    feed(Archiver(store), [encode(window(minute)) for minute in range(10)])
    again = Archiver(store)
    feed(again, [encode(window(minute)) for minute in range(20, 25)])
    assert len(held(store, "PK")) == 15 and again.gaps == 0
    late = Archiver(store)
    feed(late, [encode(window(30))], start=9)
    assert late.gaps == 4 and len(held(store, "PK")) == 16


def test_old_windows_are_deleted_where_a_setting_says_so() -> None:
    values = [encode(window(day * 1440)) for day in range(6)]
    store = MemoryStore()
    feed(Archiver(store, keep_days=2), values, flush_at=range(6))
    assert [day.day for day in Archive(store).days("PK")] == [23, 24, 25]


@pytest.mark.parametrize("where", ["folder", "memory://archive"])
def test_files_stand_whole_in_a_folder_and_behind_a_url(where: str, tmp_path: Path) -> None:
    store = store_at(str(tmp_path) if where == "folder" else where)
    store.put("a/b.json", b"1")
    store.put("a/b.json", b"2")
    assert (store.get("a/b.json"), store.get("a/c"), store.names("a")) == (b"2", None, ["b.json"])
    store.delete("a/b.json")
    store.delete("a/b.json")
    assert store.names("a") == []


def test_a_url_that_nobody_knows_is_told_with_the_remedy() -> None:
    with pytest.raises(SettingsError, match="name a folder or a URL"):
        store_at("gopher://x/y")


def test_series_count_every_network_alike_and_never_add_simulated_to_real(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    archiver = Archiver(store)
    log = [window(minute, simulated=simulated) for minute in range(10) for simulated in (False, True)]
    feed(archiver, [encode(one) for one in log])
    archive = Archive(store)
    end = START + timedelta(hours=1)
    rows = archive.series("PK", START, end, step=600, simulated=False)
    assert [(row.name, row.n, row.k) for row in rows] == [("facebook", 40, 40), ("x", 120, 45)]
    x = rows[1]
    # One network had 45 of 100, the other 0 of 20.
    assert x.reachability == pytest.approx((45 / 100 + 0) / 2)
    assert (x.expected, x.failure, x.ttfb_ms) == (0.5, "tls.connection_reset", 30_000.0)
    assert rows == archive.series("PK", START, end, step=600), "real ones, where there are any"
    networks = archive.series("PK", START, end, by=By.NETWORK, step=600, platform="x")
    assert [(row.name, row.n) for row in networks] == [("AS4200000000", 20), ("AS9541", 100)]
    regions = archive.series("PK", START, end, by=By.REGION, step=600)
    assert [row.name for row in regions] == ["PK-PB", "PK-SD", "not told"]
    assert archive.table("PK", START, START + timedelta(minutes=2)).num_rows == 16


def test_sums_by_the_hour_say_what_the_windows_say(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    values = [encode(window(minute)) for minute in range(0, 300, 7)]
    feed(Archiver(store), values)
    archive = Archive(store)
    first, end = START, START + timedelta(hours=5)
    assert (tmp_path / "hours/country=PK/day=2024-01-20").is_dir()
    by_hours = [archive.series("PK", first, end, by=by, step=3600) for by in By]
    for file in (tmp_path / "hours").rglob("*.parquet"):
        file.unlink()
    assert [archive.series("PK", first, end, by=by, step=3600) for by in By] == by_hours


def test_a_span_has_no_more_steps_than_a_page_shows() -> None:
    assert step_for(START, START + timedelta(hours=2)) == 60
    assert step_for(START, START + timedelta(days=31)) == 3600


def test_what_was_fetched_of_a_partition_that_went_is_left_to_its_next_owner(tmp_path: Path) -> None:
    archiver = Archiver(FolderStore(tmp_path))
    value = encode(window(0, "IR"))
    archiver.begin("windows", 0, 0, 2)
    archiver.take("windows", 0, 0, value)
    archiver.flush()
    archiver.end("windows", 0)
    archiver.take("windows", 0, 1, value)
    archiver.reached("windows", 0, 2)
    assert archiver.flush() == {}
    assert Archiver(FolderStore(tmp_path)).begin("windows", 0, 0, 2) == 1


def test_many_may_ask_at_once() -> None:
    """One database answers them all; each has tables of its own."""
    store = MemoryStore()
    feed(Archiver(store), [encode(one) for one in log_of(12)], flush_at=(5, 11))
    archive, end = Archive(store), START + timedelta(hours=1)
    alone = {country: archive.series(country, START, end, step=600) for country in ("PK", "IR")}
    assert alone["PK"] != alone["IR"]
    asked = ["PK", "IR"] * 4
    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(lambda country: archive.series(country, START, end, step=600), asked))
    assert said == [alone[country] for country in asked]


def kept(minutes: int = 200) -> MemoryStore:
    """Two days of two countries, each in two parts."""
    return MemoryStore(dict(_kept(minutes)))


@cache
def _kept(minutes: int) -> dict[str, bytes]:
    store = MemoryStore()
    feed(Archiver(store), [encode(one) for one in log_of(minutes)], flush_at=(minutes // 2, minutes))
    return store.files


def other_table() -> bytes:
    return write(pa.table({"platform": ["x"]}))


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "page", "other"])
def test_a_broken_file_is_told_and_the_others_are_read(damage: str, local: bool, tmp_path: Path) -> None:
    files = kept().files
    path = next(name for name in files if name.startswith("windows/country=PK/day=2024-01-21"))
    whole = files[path]
    files[path] = {
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "noise": bytes(range(256)) * 8,
        "page": whole[:40] + bytes(200) + whole[240:],
        "other": other_table(),
    }[damage]
    files |= {
        "windows/country=PK/day=new/x": b"",
        "windows/country=PK/day=2024-01-21/note.txt": b"",
        "windows/x": b"",
    }
    store: Store = MemoryStore(files)
    if local:
        store = FolderStore(tmp_path)
        for name, data in files.items():
            store.put(name, data)
    archive = Archive(store)
    rows = archive.series("PK", START, START + timedelta(days=1))
    assert rows and list(archive.broken) == [path]
    assert {one.start.day for one in archive.windows("PK")} >= {20}
    assert len(list(archive.windows("IR"))) == 200 and list(archive.broken) == [path]
    assert archive.countries() == ["IR", "PK"]


def test_a_broken_file_is_never_put_together_nor_deleted() -> None:
    store = kept()
    path = next(name for name in store.files if name.startswith("windows/country=PK/day=2024-01-20"))
    folder = path.rpartition("/")[0]
    feed(Archiver(store), [encode(one) for one in log_of(200)], flush_at=(60, 100))
    store.files[path] = b"PAR1"
    before = dict(store.files)
    writer = Archiver(store)
    writer.put_together(folder, 0)
    assert store.files == before and path in writer.archive.broken


@examples(24)
@given(st.binary(max_size=400))
def test_any_bytes_are_a_file_or_told_to_be_none(data: bytes) -> None:
    name = ArchivePart(0, 0, 0, 1).name
    places = (f"incidents/{name}", f"windows/country=PK/day=2024-01-20/{name}")
    archive = Archive(MemoryStore({**dict.fromkeys(places, data), "incidents/g0-p0-0-1.parquet": data}))
    assert archive.incidents() == [] and list(archive.windows("PK")) == []
    assert archive.series("PK", START, START + timedelta(hours=1)) == []
    assert len(archive.broken) == 2


def test_a_position_that_can_not_be_read_is_told_with_the_remedy() -> None:
    store = MemoryStore({"positions/windows-0.json": b"{"})
    with pytest.raises(
        SettingsError, match=r"positions/windows-0\.json in the archive can't be read .* delete it"
    ):
        Archiver(store).begin("windows", 0, 0, 5)


@pytest.mark.parametrize("url", ["nothing://key:hidden@bucket/x", "s3://key:hidden@bucket/x?nonsense=1"])
def test_keys_within_an_address_are_in_no_message(url: str) -> None:
    with pytest.raises(SettingsError) as raised:
        store_at(url)
    assert "hidden" not in str(raised.value)
    with pytest.raises(SettingsError) as raised:
        ToldStore(ArrowStore(FailingSystem(), "bucket"), url).names("a")
    assert "hidden" not in str(raised.value) and "bucket/x" in str(raised.value)


class FailingSystem:
    """A file system whose client raises errors of its own kind."""

    def __getattr__(self, name: str) -> Any:
        def fail(*_: object, **__: object) -> Any:
            raise RuntimeError("429 from the bucket")

        return fail


def test_whatever_an_object_stores_client_raises_is_told_as_a_failure_of_the_store() -> None:
    store = ArrowStore(FailingSystem(), "bucket")
    for ask in (
        lambda: store.put("a/b", b""),
        lambda: store.get("a/b"),
        lambda: store.names("a"),
        lambda: store.delete("a/b"),
        lambda: store.open("a/b"),
    ):
        with pytest.raises(OSError, match="RuntimeError: 429 from the bucket") as failed:
            ask()
        assert failed.value.errno is not None  # a file that can't be read has none
