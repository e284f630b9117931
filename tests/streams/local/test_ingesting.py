"""Downloads that are cut, and that lead elsewhere."""

from __future__ import annotations

import asyncio
import io
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from producers.signals import Signal
from producers.sources import tor
from producers.sources.contract import RefusalReason, Refused
from streams.local.ingesting import Dial, IngestTotals, Progress, inputs, leads_inside, pieces
from streams.settings import SettingsError

TABLE = b"date,country,users\n2024-01-20,pk,9321\n2024-01-21,pk,9321\n"


@asynccontextmanager
async def serving(answer: bytes) -> AsyncIterator[str]:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 " + answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/table.csv"


def ingested(url: str) -> tuple[int, IngestTotals]:
    totals, found = IngestTotals(), 0
    for piece, acknowledged in pieces(tor.read, inputs([url], io.BytesIO), Progress(None), totals):
        found += sum(isinstance(item, Signal) for item in piece)
        acknowledged()
    return found, totals


@pytest.mark.parametrize(
    ("answer", "found", "cut"),
    [
        (b"200 OK\r\nContent-Length: %d\r\n\r\n" % len(TABLE) + TABLE, 2, 0),
        (b"200 OK\r\nContent-Length: 999\r\n\r\n" + TABLE, 2, 1),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n" % (len(TABLE), TABLE), 2, 1),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(TABLE), TABLE), 2, 0),
        (b"200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n", 0, 1),
        (b"200 OK\r\n\r\n" + TABLE, 2, 0),
    ],
)
async def test_a_download_that_was_cut_gives_what_it_has_and_says_so(
    answer: bytes, found: int, cut: int
) -> None:
    async with serving(answer) as url:
        signals, totals = await asyncio.to_thread(ingested, url)
    assert signals == found
    assert totals.refused == ({RefusalReason.DAMAGED_FILE.value: cut} if cut else {})


@pytest.mark.parametrize("answer", [b"no number\r\n\r\n", b"302 Found\r\nLocation: ftp://127.0.0.1/\r\n\r\n"])
async def test_an_answer_that_is_none_is_told(answer: bytes) -> None:
    async with serving(answer) as url:
        with pytest.raises(SettingsError, match="name a URL that can be read"):
            await asyncio.to_thread(ingested, url)


@pytest.mark.parametrize(
    ("other", "inside"),
    [
        ("https://elsewhere.example/a", False),
        ("http://public.example:8080/a", False),
        ("http://169.254.169.254/latest", True),
        ("http://inside.example/", True),
        ("http://[::ffff:127.0.0.1]/", True),
    ],
)
def test_a_public_host_leads_to_no_address_inside(other: str, inside: bool) -> None:
    known = {
        "public.example": ["8.8.8.8"],
        "elsewhere.example": ["9.9.9.9"],
        "inside.example": ["9.9.9.9", "10.0.0.1"],
        "own.example": ["10.0.0.2"],
    }

    def addresses_of(host: str) -> list[str]:
        return known.get(host, [host])

    assert leads_inside("https://public.example/", other, addresses_of) is inside
    assert not leads_inside("https://own.example/", other, addresses_of), "an operator's own service may"


def test_what_a_cut_run_wrote_behind_its_last_note_is_cut_off(tmp_path: Path) -> None:
    """Half a line would spoil the first record of the next run, and whole ones would be there twice."""
    source, out = tmp_path / "a", tmp_path / "out"
    source.write_text("1\n")
    (chosen,) = inputs([str(source)], io.BytesIO)
    cut = Progress.read(tmp_path / "state")
    with cut.open_output(out) as sink:
        sink.write(b"one\n")
        cut.wrote(out, sink.tell())
        cut.note(chosen, 1, whole=False)
        sink.write(b"two\nthr")
    again = Progress.read(tmp_path / "state")
    with again.open_output(out) as sink:
        sink.write(b"two\n")
    assert out.read_bytes() == b"one\ntwo\n"
    out.write_bytes(b"on")
    with pytest.raises(SettingsError, match=r"2 bytes, and .* says that 4 were written"):
        Progress.read(tmp_path / "state").open_output(out)


def test_each_reason_says_where_it_was_met_first() -> None:
    totals = IngestTotals()
    for number in (2, 7):
        totals.note(Refused(RefusalReason.INVALID, "no number", f"a.csv:{number}"))
    assert totals.facts()["refused_first"] == {"invalid": {"no number": "a.csv:2"}}


INSIDE = "169.254.169.254"


def test_each_connection_goes_to_the_address_that_was_judged() -> None:
    """A name that leads inside at the second look-up is not followed there, and never looked up a third time."""
    answers = {
        "a.example": [["8.8.8.8"], ["127.0.0.1"]],
        "own": [["10.0.0.1"]],
        "b.example": [["8.8.4.4", INSIDE]],
    }
    made: list[str] = []

    def connect(place: tuple[str, int], *more: object) -> socket.socket:
        made.append(place[0])
        return socket.socket()

    def lookup(host: str) -> list[str]:
        return answers[host].pop(0)

    dial = Dial(lookup, connect)
    dial(("a.example", 80), 60.0).close()
    for host in ("a.example", "b.example"):
        with pytest.raises(OSError, match="that is not asked"):
            dial((host, 80))
    assert made == ["8.8.8.8"]
    Dial(lookup, connect)(("own", 80)).close()
    assert made == ["8.8.8.8", "10.0.0.1"], "an operator's own service may be inside"


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    def connect(place: tuple[str, int], *more: object) -> socket.socket:
        if place[0] == "8.8.8.8":
            raise ConnectionRefusedError("refused")
        return socket.socket()

    Dial(lambda _: ["8.8.8.8", "8.8.4.4"], connect)(("a.example", 80)).close()
    with pytest.raises(ConnectionRefusedError):
        Dial(lambda _: ["8.8.8.8"], connect)(("a.example", 80))
