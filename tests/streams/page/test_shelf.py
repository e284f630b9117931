"""An archive that fails, hangs or is damaged takes nothing from the page but what it held."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from streams.archive.store import Store
from streams.archive.writer import Archiver
from streams.commands.page import read_shelf
from streams.page import shelf as shelf_module
from streams.page.history import ShelfError
from streams.page.server import PageServer
from streams.page.shelf import ArchiveShelf
from streams.records import encode
from tests.streams.archive.memory import MemoryStore
from tests.streams.page.test_page import FALSE_ALARM
from tests.streams.page.world import NOW, client, observatory, settings, window
from tests.streams.publish.stories import ID, incident

NOTICE = "The archive can't be read now"
OLD = NOW - timedelta(days=3)


class FailingStore(MemoryStore):
    """A store of a server that answers with errors, or not at all, while it fails."""

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(files)
        self.fails = True
        self.gate: threading.Event | None = None
        self.asked = 0

    def _served(self) -> None:
        self.asked += 1
        if self.gate is not None:
            assert self.gate.wait(30)
        if self.fails:
            raise OSError("AWS Error SLOW_DOWN during ListObjectsV2: Please reduce your request rate")

    def names(self, folder: str) -> list[str]:
        self._served()
        return super().names(folder)

    def get(self, path: str) -> bytes | None:
        self._served()
        return super().get(path)

    def open(self, path: str) -> Any:
        self._served()
        return super().open(path)


def filled() -> FailingStore:
    """An archive of three days before, and one incident."""
    writer = Archiver(MemoryStore())
    writer.begin("windows", 0, 0, 10)
    for offset in range(10):
        writer.take("windows", 0, offset, encode(window(OLD + timedelta(minutes=offset))))
    writer.begin("alerts", 0, 0, 1)
    writer.take("alerts", 0, 0, encode(incident(id="pk-old", onset=OLD)))
    writer.flush()
    assert isinstance(writer.store, MemoryStore)
    return FailingStore(writer.store.files)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize("hangs", [False, True])
async def test_pages_show_what_is_in_memory_while_the_archive_fails(
    hangs: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, clock = filled(), Clock()
    if hangs:
        store.gate = threading.Event()
        monkeypatch.setattr(shelf_module, "_ANSWER_SECONDS", 0.0)
    server = await observatory(shelf=ArchiveShelf(store, clock=clock))
    span = f"from={OLD:%Y-%m-%dT%H:%M}Z&to={NOW:%Y-%m-%dT%H:%M}Z"
    async with client(server) as asking:
        for path in ("/country/PK", f"/incident/{ID}", "/", f"/country/PK?{span}"):
            answer = await asking.get(path)
            page = await answer.text()
            assert answer.status == 200, path
            assert (NOTICE.replace("'", "&#39;") in page) is path.startswith("/country"), path
            assert "restricted across Pakistan" in page
        assert store.asked == 1, "it is left alone for a while"
        series = await asking.get(f"/api/v1/series?country=PK&{span}")
        assert series.status == 503 and "archive" in (await series.json())["error"]
        assert (await asking.get(f"/country/PK.png?{span}")).status == 503
        store.fails = False
        if store.gate is not None:
            store.gate.set()
            assert server.site.history.shelf._hanging is not None  # type: ignore[union-attr]  # it is a shelf
            server.site.history.shelf._hanging.join()  # type: ignore[union-attr]
            monkeypatch.setattr(shelf_module, "_ANSWER_SECONDS", 30.0)
        clock.now += 31
        again = await asking.get(f"/api/v1/series?country=PK&{span}&step=900")
        assert again.status == 200
        assert (await again.json())["data"][0]["time"].startswith(f"{OLD:%Y-%m-%d}")


async def test_a_damaged_file_leaves_a_hole_that_the_page_tells_of() -> None:
    store = filled()
    store.fails = False
    for path in store.files:
        if path.startswith("windows/"):
            store.files[path] = b"PAR1"
    server = await observatory(shelf=ArchiveShelf(store))
    async with client(server) as asking:
        page = await (await asking.get(f"/country/PK?from={OLD:%Y-%m-%dT%H:%M}Z")).text()
        other = await (await asking.get("/country/UG")).text()
    assert NOTICE.replace("'", "&#39;") in page and NOTICE.replace("'", "&#39;") not in other


async def test_a_note_of_no_zone_in_the_archive_is_passed_over() -> None:
    store = filled()
    store.fails = False
    writer = Archiver(MemoryStore(store.files))
    writer.begin("annotations", 0, 0, 3)
    wrong = ({"time": "2024-01-20T00:00:00"}, {"author": "\u202edesk"}, {})
    for offset, fields in enumerate(wrong):
        note = msgspec.to_builtins(FALSE_ALARM) | {"id": f"n{offset}", "incident": "pk-old"} | fields
        writer.take("annotations", 0, offset, msgspec.json.encode(note))
    writer.flush()
    server = PageServer(settings(), clock=lambda: NOW)
    await read_shelf(server, ArchiveShelf(store))
    assert list(server.observatory.cases["pk-old"].annotations) == ["n2"]
    server._thread.shutdown()


async def test_incidents_of_an_archive_that_failed_come_once_it_answers() -> None:
    store = filled()
    server, tries = PageServer(settings(), clock=lambda: NOW), 0

    class Shelf(ArchiveShelf):
        def incidents(self) -> Any:
            nonlocal tries
            tries += 1
            store.fails = tries < 3
            return super().incidents()

    await read_shelf(server, Shelf(store), rest_seconds=0.0)
    assert tries == 3 and "pk-old" in server.observatory.cases
    await read_shelf(server, None)
    server._thread.shutdown()


def test_a_mistake_of_the_reader_is_no_endless_rest() -> None:
    clock = Clock()
    shelf = ArchiveShelf(Store(), clock=clock)
    for _ in range(2):
        with pytest.raises(ShelfError):
            shelf.bounds("PK")
        clock.now += 31
