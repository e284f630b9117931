"""One odd row stops no file: each part of a documented answer is replaced by what nobody expects there."""

from __future__ import annotations

import copy
import io
import json
from collections.abc import Callable, Iterator
from typing import IO, Any, Final

import msgspec
import pytest
import zstandard

from producers.records import ProbeResult
from producers.sources import cloudflare, ioda, ripe_atlas
from producers.sources.contract import Item, RefusalReason, Refused, moment
from producers.sources.files import read_all, unpacked
from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader
from producers.sources.prometheus import Labels, PrometheusReader
from producers.sources.tables import Mapping_, TableReader

PLACE: Final = {"metric": {"instance": "https://x.com/", "country": "PK", "__name__": "probe_success"}}
PROBES: Final = {1: ripe_atlas.Place("PK", 17557, connected=True)}
PING: Final = {
    "type": "ping",
    "prb_id": 1,
    "msm_id": 2,
    "timestamp": 1705758000,
    "dst_name": "x.com",
    "dst_addr": "192.0.2.1",
    "rcvd": 3,
    "avg": 20.5,
}
OONI: Final = {
    "test_name": "web_connectivity",
    "input": "https://x.com/",
    "probe_cc": "PK",
    "probe_asn": "AS17557",
    "measurement_start_time": "2024-01-20 13:40:00",
    "test_start_time": "2024-01-20 13:40:00",
    "report_id": "r",
    "test_keys": {
        "blocking": "dns",
        "accessible": False,
        "control_failure": None,
        "dns_experiment_failure": "dns_nxdomain_error",
        "queries": [{"failure": None, "answers": [{"answer_type": "A", "ipv4": "192.0.2.1"}]}],
        "tcp_connect": [{"ip": "192.0.2.1", "port": 443, "status": {"success": True, "failure": None}}],
        "requests": [{"failure": None, "response": {"code": 200, "body": "x"}}],
        "control": {"http_request": {"status_code": 200}, "dns": {"addrs": ["192.0.2.1"]}},
    },
}
#: Each with a reader, rows, and the document that holds them.
ANSWERS: Final[
    dict[str, tuple[Callable[[str, IO[bytes]], Iterator[Item]], Any, Callable[[list[Any]], Any]]]
] = {
    "ioda": (
        ioda.read,
        {
            "entityType": "asn",
            "entityCode": "17557",
            "entityAttrs": {"country_code": "PK"},
            "datasource": "bgp",
            "from": 1705758000,
            "until": 1705758600,
            "step": 600,
            "values": [55],
        },
        lambda rows: {"type": "signals", "data": [rows]},
    ),
    "cloudflare": (
        cloudflare.read,
        {
            "eventType": "OUTAGE",
            "locations": ["PK", "IR"],
            "asns": [17557],
            "asnsDetails": [{"asn": "17557", "location": {"code": "PK"}}],
            "outage": {"outageType": "NETWORK"},
            "startDate": "2024-01-20T13:40:00Z",
            "endDate": "2024-01-20T14:40:00Z",
        },
        lambda rows: {"result": {"annotations": rows}},
    ),
    "prometheus": (
        PrometheusReader(Labels(constants={"country": "PK"})).read,
        {**PLACE, "values": [[1705758000, "1"]]},
        lambda rows: {"status": "success", "data": {"result": rows}},
    ),
    "ripe-atlas": (ripe_atlas.AtlasReader(PROBES).read, PING, lambda rows: rows),
    "ooni": (OoniReader(Platforms(), None, None, None, False).read_stream, OONI, lambda rows: rows),
}
ODD: Final = (None, [], {}, [None], [[]], {"a": {}}, "", "x", -1, 1.5, True, 10**30, "9" * 400)


def paths(document: Any, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    inner = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in inner:
        yield (*before, key)
        if isinstance(value, dict | list):
            yield from paths(value, (*before, key))


def replaced(document: Any, path: tuple[Any, ...], odd: Any) -> Any:
    changed = copy.deepcopy(document)
    part = changed
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = odd
    return changed


@pytest.mark.parametrize("name", ANSWERS)
def test_the_row_after_an_odd_one_is_read_as_ever(name: str) -> None:
    read, row, document = ANSWERS[name]

    def items(rows: list[Any]) -> list[Item]:
        text = "\n".join(map(json.dumps, rows)) if document(rows) is rows else json.dumps(document(rows))
        return list(read_all("answer", io.BytesIO(text.encode()), read))

    good = items([row])
    assert good
    assert not any(isinstance(item, Refused) for item in good)
    last = msgspec.json.encode(good[-1])
    for path in paths(row):
        for odd in ODD:
            found = items([replaced(row, path, odd), row])
            assert last in [msgspec.json.encode(item) for item in found if not isinstance(item, Refused)], (
                path,
                odd,
            )


@pytest.mark.parametrize("cut", [b'obe_cc": "PK"}}', b'{"test_name": "web_conn', b"\xff\xfe"])
def test_oonis_lines_are_known_though_the_first_one_is_cut(cut: bytes) -> None:
    text = b"\n".join((cut, json.dumps(OONI).encode(), json.dumps(OONI).encode()))
    items = list(read_all("-", io.BytesIO(text), ANSWERS["ooni"][0]))
    assert [isinstance(item, ProbeResult) for item in items] == [False, True, True]


def test_oonis_document_with_a_line_that_is_one_stays_a_document() -> None:
    text = b'{"annotations":\n{},\n' + json.dumps(OONI).encode()[1:]
    [item] = read_all("-", io.BytesIO(text), ANSWERS["ooni"][0])
    assert isinstance(item, ProbeResult)


def test_a_histogram_or_a_sample_that_is_no_number_is_refused_by_itself() -> None:
    read, good, document = ANSWERS["prometheus"]
    rows = [{**PLACE, "histograms": []}, {**PLACE, "values": [[1705758000, "abc"]]}, good]
    items = list(read_all("answer", io.BytesIO(json.dumps(document(rows)).encode()), read))
    assert [item.reason if isinstance(item, Refused) else item.ok for item in items] == [
        RefusalReason.NOT_A_MEASUREMENT,
        RefusalReason.NOT_A_MEASUREMENT,
        True,
    ]


COLUMNS: Final = {name: name for name in ("time", "country", "platform", "ok", "status")}


def table(text: str) -> list[Item]:
    return list(TableReader(Mapping_(columns=COLUMNS)).read("t", unpacked(io.BytesIO(text.encode()))))


def test_what_tables_write_for_times_and_whole_numbers() -> None:
    """BigQuery's ` UTC`, pandas' milliseconds and `200.0`."""
    head = "time,country,platform,ok,status\n"
    for time in ("2024-01-20 13:41:07 UTC", "1705758067", "1705758067000", "1705758067.0"):
        [item] = table(f"{head}{time},PK,x,1,200.0\n")
        assert isinstance(item, ProbeResult)
        assert (f"{item.time:%Y-%m-%dT%H:%M:%S}", item.status) == ("2024-01-20T13:41:07", 200)
    [item] = table(f"{head}2024-01-20,PK,x,1,200.5\n")
    assert isinstance(item, Refused)


def test_a_number_is_no_date_of_the_eighteenth_century() -> None:
    assert moment("1705120912345").year == 2024
    assert moment("20240113").month == 1


def test_json_lines_may_begin_with_empty_ones() -> None:
    [item] = table(
        '\n \n{"time": 1705758067, "country": "PK", "platform": "x", "ok": true, "status": null}\n'
    )
    assert isinstance(item, ProbeResult)


def test_what_was_packed_a_thousandfold_is_unpacked_piece_by_piece() -> None:
    stream = unpacked(io.BytesIO(zstandard.ZstdCompressor(level=19).compress(b"\0" * (32 << 20))))
    sizes = []
    while piece := stream.read1(1 << 26):
        sizes.append(len(piece))
    assert sum(sizes) == 32 << 20
    assert max(sizes) <= 512 // 4 * 128 * 1024
