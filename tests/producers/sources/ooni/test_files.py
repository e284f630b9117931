"""Files of measurements: JSON with comments, lines, arrays, packed ones, SQL; and what the command says of them."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import tarfile
from pathlib import Path

import lz4.frame
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from producers.records import ProbeResult, decode
from producers.sources.ooni.fastpath import PENDING_MAX, SqlError, rows
from producers.sources.ooni.platforms import WELL_KNOWN, Platforms, host_of, registered_domain
from producers.sources.ooni.reader import MEASUREMENT_BYTES_MAX, OoniReader, RefusalReason, Refused
from streams.commands.ingest import app
from streams.settings import SettingsError
from tests.producers.sources.ooni.measurements import Measurement, reached

READER = OoniReader(Platforms())
UID = "20240120134107.123456_PK_webconnectivity_0123456789abcdef"


def read(path: Path, reader: OoniReader = READER) -> list[ProbeResult | Refused]:
    with path.open("rb") as source:
        return list(reader.read(path, source))


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_one_object_over_many_lines_with_comments(tmp_path: Path) -> None:
    text = json.dumps(reached("https://x.com//a").document(), indent=2)
    path = written(tmp_path / "m.jsonc", b"// seen by somebody\n" + text.encode() + b"\n/* the end */\n")
    [result] = read(path)
    assert isinstance(result, ProbeResult)
    assert result.target == "https://x.com//a"  # what looks like a comment in a string is none


def test_bare_test_keys_take_their_place_and_time_from_the_ooni_id_in_a_comment(tmp_path: Path) -> None:
    m = reached()
    m.keys["x_control_request"] = {"http_request": m.url}
    path = written(
        tmp_path / "keys.jsonc", f"// see https://example/m/{UID}\n{json.dumps(m.keys, indent=1)}".encode()
    )
    [result] = read(path)
    assert isinstance(result, ProbeResult)
    assert (result.country, result.asn, result.time.isoformat()) == ("PK", 0, "2024-01-20T13:41:07+00:00")


def test_bare_test_keys_without_an_id_need_to_be_told(tmp_path: Path) -> None:
    m = reached()
    m.keys["x_control_request"] = {"http_request": m.url}
    path = written(tmp_path / "keys.json", json.dumps(m.keys, indent=1).encode())
    [refused] = read(path)
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NO_PLACE_OR_TIME
    assert "--country" in refused.detail
    outcome = CliRunner().invoke(
        app,
        [
            "ooni",
            str(path),
            "--country",
            "PK",
            "--asn",
            "17557",
            "--time",
            "2024-01-20T13:41:07",
            "--output",
            "-",
        ],
    )
    result = decode(outcome.stdout.splitlines()[0].encode())
    assert isinstance(result, ProbeResult)
    assert (result.country, result.asn, result.time.isoformat()) == ("PK", 17557, "2024-01-20T13:41:07+00:00")


@pytest.mark.parametrize("name", ["m.jsonl", "m.jsonl.gz", "m.json"])
def test_lines_packed_or_not_and_a_bad_one_stops_nothing(tmp_path: Path, name: str) -> None:
    lines = reached().json() + b"\n\n{broken\n" + reached("http://t.me/x").json() + b"\n"
    found = read(written(tmp_path / name, gzip.compress(lines) if name.endswith(".gz") else lines))
    assert [type(item).__name__ for item in found] == ["ProbeResult", "Refused", "ProbeResult"]
    assert isinstance(found[1], Refused)
    assert found[1].reason is RefusalReason.NOT_JSON
    assert found[1].place.endswith(f"{name}:3")


def test_an_array_is_as_many_measurements(tmp_path: Path) -> None:
    path = written(tmp_path / "m.json", json.dumps([reached().document(), {}], indent=1).encode())
    found = read(path)
    assert isinstance(found[0], ProbeResult)
    assert isinstance(found[1], Refused)


@pytest.mark.parametrize("cut", [5, 40, -4])
def test_a_damaged_archive_is_said_after_what_could_be_read(tmp_path: Path, cut: int) -> None:
    packed = gzip.compress(b"".join(reached(f"https://x.com/{i}").json() + b"\n" for i in range(50)))
    found = read(written(tmp_path / "m.jsonl.gz", packed[:cut]))
    assert isinstance(found[-1], Refused)
    assert found[-1].reason is RefusalReason.DAMAGED_FILE


PACKERS = {
    "gz": gzip.compress,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "lz4": lz4.frame.compress,
    "": bytes,
}


@pytest.mark.parametrize("kind", PACKERS)
def test_what_is_packed_is_known_by_its_bytes(tmp_path: Path, kind: str) -> None:
    one = reached("https://x.com/").json()
    [result] = read(written(tmp_path / "misnamed.json", PACKERS[kind](one)))
    assert isinstance(result, ProbeResult)
    tar = tarred(
        {"a/m.json": one, "cut.json.gz": gzip.compress(one)[:-20], f"b.jsonl.{kind}": PACKERS[kind](one)}
    )
    results = read(written(tmp_path / "m.tar", PACKERS[kind](tar)))
    assert [getattr(item, "ok", item) for item in results if isinstance(item, ProbeResult)] == [True, True]
    [refused] = [item for item in results if isinstance(item, Refused)]
    assert (refused.reason, refused.place) == (
        RefusalReason.DAMAGED_FILE,
        f"{tmp_path / 'm.tar'}/cut.json.gz",
    )


def test_a_tar_that_is_cut_gives_what_came_before(tmp_path: Path) -> None:
    one = reached("https://x.com/").json()
    tar = tarred({"a.json": one, "b.json": b" " * 4000})
    results = read(written(tmp_path / "m.tar", tar[: len(one) + 3 * 512 + 1000]))
    assert isinstance(results[0], ProbeResult)
    assert isinstance(results[-1], Refused)
    assert results[-1].reason is RefusalReason.DAMAGED_FILE


def tarred(files: dict[str, bytes]) -> bytes:
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return sink.getvalue()


def test_a_line_too_long_is_refused_and_the_next_one_read(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    with path.open("wb") as sink:
        sink.write(reached().json() + b'\n{"a":"')
        sink.seek(MEASUREMENT_BYTES_MAX + 100, 1)  # a hole: no bytes on the disk
        sink.write(b'"}\n' + reached("http://t.me/x").json())
    found = read(path)
    assert [item.reason if isinstance(item, Refused) else item.platform for item in found] == [
        "example.com",
        RefusalReason.TOO_LARGE,
        "telegram",
    ]


def test_an_empty_file_has_nothing(tmp_path: Path) -> None:
    assert read(written(tmp_path / "m.json", b"\n")) == [
        Refused(RefusalReason.NOT_JSON, "Input data was truncated", str(tmp_path / "m.json"))
    ]


# ---- SQL


@pytest.mark.parametrize(
    "sql, expected",
    [
        ("INSERT INTO t (a,b) VALUES ('x','y');", [{"a": "x", "b": "y"}]),
        (
            "insert into t(b, A) values (1, -2.5e3), (null, true)",
            [{"b": "1", "a": "-2.5e3"}, {"b": None, "a": "true"}],
        ),
        ("-- INSERT INTO t (a) VALUES ('no');\nINSERT INTO t (a) VALUES ('yes');", [{"a": "yes"}]),
        ("/* (';' */ INSERT INTO `db`.`t` (`a`) VALUES ('a;b''c\\'d\\ne');", None),
        ("INSERT INTO t (a) VALUES ('over\ntwo lines');", [{"a": "over\ntwo lines"}]),
        ("INSERT INTO t\n(a)\nVALUES\n('x')\n,('y')\n;", [{"a": "x"}, {"a": "y"}]),
        (r"INSERT INTO t (a) VALUES ('\N');", [{"a": None}]),
        ("CREATE TABLE t (a String);\nINSERT INTO t (a) VALUES ('x');", [{"a": "x"}]),
        ("", []),
    ],
)
def test_inserts(sql: str, expected: list[dict[str, str | None]] | None) -> None:
    found = list(rows(sql.splitlines(keepends=True)))
    if expected is None:
        [error] = found
        assert isinstance(error, SqlError)  # a quoted table with a dot between is said, not guessed
    else:
        assert found == expected


@pytest.mark.parametrize(
    "sql, says",
    [
        ("INSERT INTO t VALUES ('x');", "does not name its columns"),
        ("INSERT INTO t (a,b) VALUES ('x');", "1 values for 2 columns"),
        ("INSERT INTO t (a) VALUES ('x', f(2));", "within a row"),
        ("INSERT INTO t (a) SELECT 1;", "without VALUES"),
        ("INSERT INTO t (a) VALUES ('x", "within a row"),  # its string goes on to the next line's quote
        ("INSERT INTO t (a) VALUES ('x') ('y');", "after a row"),
        ("INSERT t;", "without INTO"),
    ],
)
def test_what_is_no_insert_is_said_and_the_next_one_read(sql: str, says: str) -> None:
    found = list(rows([sql + "\n", "INSERT INTO t (a) VALUES ('next');\n"]))
    assert any(isinstance(item, SqlError) and says in str(item) for item in found)
    if sql.endswith(";"):
        assert found[-1] == {"a": "next"}


def test_a_string_without_end_is_given_up_at_its_limit() -> None:
    lines = ["INSERT INTO t (a) VALUES ('", *(["x" * 100_000] * (PENDING_MAX // 100_000 + 1))]
    assert any(isinstance(item, SqlError) for item in rows(lines))


@settings(deadline=None)
@given(st.text(st.sampled_from("'\\`\"(),;-/*\n aINSERT1"), max_size=60))
def test_any_text_is_rows_or_errors(text: str) -> None:
    assert all(isinstance(item, dict | SqlError) for item in rows(text.splitlines(keepends=True)))


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_a_quoted_text_is_read_back(text: str) -> None:
    quoted = text.replace("\\", "\\\\").replace("'", "''")
    statement = f"INSERT INTO t (a) VALUES ('{quoted}');"
    assert list(rows(line + "\n" for line in statement.split("\n"))) == [{"a": text}]


# ---- fast path rows

ROW = {
    "measurement_uid": UID,
    "input": "https://twitter.com/",
    "probe_cc": "PK",
    "probe_asn": "17557",
    "test_name": "web_connectivity",
    "measurement_start_time": "2024-01-20 13:41:07",
    "scores": "{}",
    "anomaly": "f",
    "confirmed": "f",
    "msm_failure": "f",
    "domain": "twitter.com",
    "blocking_type": "",
}


def kind(name: str) -> str:
    return json.dumps({"blocking_general": 1.0, "analysis": {"blocking_type": name}})


def fingerprint(place: str) -> str:
    return json.dumps({"fingerprints": [{"name": "n", "location_found": place}]})


ROWS: dict[str, tuple[dict[str, str], str]] = {
    "nothing unusual": ({}, "x ok"),
    "dns": ({"anomaly": "t", "scores": kind("dns")}, "x dns/None"),
    "tcp": ({"anomaly": "t", "scores": kind("tcp_ip")}, "x tcp/None"),
    "no answer over TLS": ({"anomaly": "t", "scores": kind("http-failure")}, "x http/None"),
    "no answer in the clear": (
        {"anomaly": "t", "scores": kind("http-failure"), "input": "http://twitter.com/"},
        "x http/None",
    ),
    "another page": ({"anomaly": "t", "scores": kind("http-diff")}, "x http/blockpage"),
    "the kind in its own column": ({"anomaly": "true", "blocking_type": "dns"}, "x dns/None"),
    "a known block page": (
        {"anomaly": "t", "confirmed": "t", "scores": fingerprint("body")},
        "x http/blockpage",
    ),
    "a known false address": ({"anomaly": "t", "confirmed": "t", "scores": fingerprint("dns")}, "x dns/None"),
    "a fingerprint that confirms nothing": ({"scores": fingerprint("body")}, "x ok"),
    "unusual, and no word how": ({"anomaly": "t"}, "x None/None"),
    "telegram": ({"test_name": "telegram", "input": ""}, "telegram ok"),
    "messenger": ({"test_name": "facebook_messenger", "input": "", "anomaly": "t"}, "facebook None/None"),
    "signal": (
        {
            "test_name": "signal",
            "input": "",
            "anomaly": "t",
            "scores": '{"analysis":{"signal_backend_failure":"generic_timeout_error"}}',
        },
        "signal None/generic_timeout_error",
    ),
    "the measurement failed": ({"msm_failure": "t", "anomaly": "t"}, "measurement_failed"),
    "a test of no platform": ({"test_name": "ndt"}, "other_test"),
    "scores that are none": ({"anomaly": "t", "scores": "["}, "not_a_measurement"),
    "no time": ({"measurement_start_time": ""}, "no_place_or_time"),
    "no country": ({"probe_cc": "ZZ"}, "invalid"),
}


@pytest.mark.parametrize("change, expected", ROWS.values(), ids=ROWS)
def test_row(change: dict[str, str], expected: str) -> None:
    item = READER.row(ROW | change, "row 1")
    if isinstance(item, Refused):
        assert item.reason == expected
    else:
        assert f"{item.platform} {'ok' if item.ok else f'{item.stage}/{item.failure}'}" == expected
        assert item.control_ok is None  # a row does not tell


def test_rows_of_another_table_are_refused(tmp_path: Path) -> None:
    [refused] = read(written(tmp_path / "t.sql", b"INSERT INTO users (a) VALUES ('x');\n"))
    assert isinstance(refused, Refused)
    assert refused.reason is RefusalReason.NOT_A_MEASUREMENT


# ---- platforms


@pytest.mark.parametrize(
    "url, platform",
    [
        ("https://x.com/", "x"),
        ("https://t.co/abc", "x"),
        ("https://netflix.com/", "netflix.com"),  # ends in x.com, and is not x
        ("https://scontent-lhr.xx.fbcdn.net/v/1", "facebook"),
        ("http://WWW.YouTube.COM:80/watch", "youtube"),
        ("https://ur.wikipedia.org/wiki/", "wikipedia"),
        ("https://www.dawn.com.pk/", "dawn.com.pk"),
        ("https://www.gov.uk/", "www.gov.uk"),
        ("https://93.184.216.34/", "93.184.216.34"),
        ("https://[2606:2800::1]:443/", "2606:2800::1"),
        ("http://Яндекс.рф/", "xn--d1acpjx3f.xn--p1ai"),
        ("https://" + "a" * 60 + "." + "b" * 60 + ".org/", "b" * 60 + ".org"),
    ],
)
def test_platform_of_a_url(url: str, platform: str) -> None:
    assert Platforms().of_url(url) == platform
    assert len(platform) <= 64


@pytest.mark.parametrize("url", ["", "mailto:a@b", "http://", "https://[", "http://" + "a" * 70 + ".org/"])
def test_no_host(url: str) -> None:
    assert host_of(url) is None


def test_no_domain_belongs_to_two_platforms() -> None:
    domains = [domain for ends in WELL_KNOWN.values() for domain in ends]
    assert len(domains) == len(set(domains))
    assert all(registered_domain(domain) == domain for domain in domains)


def test_a_map_of_ones_own_goes_first(tmp_path: Path) -> None:
    names = written(tmp_path / "map.toml", b'news = ["Dawn.com"]\ntwitter = ["x.com"]\n')
    lines = reached("https://www.dawn.com/").json() + b"\n" + reached("https://x.com/").json() + b"\n"
    source = written(tmp_path / "m.jsonl", lines)
    outcome = CliRunner().invoke(app, ["ooni", str(source), "--platform-map", str(names), "--output", "-"])
    assert [json.loads(line)["platform"] for line in outcome.stdout.splitlines()] == ["news", "twitter"]


@pytest.mark.parametrize(
    "text, says",
    [
        ("x = 3", "x = 3: write a list of domains"),
        ("x = [", "write lines like"),
        (f'{"a" * 65} = ["x.com"]', "1 to 64 characters"),
    ],
)
def test_a_bad_map_is_said(tmp_path: Path, text: str, says: str) -> None:
    names = written(tmp_path / "map.toml", text.encode())
    source = written(tmp_path / "m.json", reached().json())
    outcome = CliRunner().invoke(app, ["ooni", str(source), "--platform-map", str(names), "--output", "-"])
    assert isinstance(outcome.exception, SettingsError)
    assert str(names) in str(outcome.exception)
    assert says in str(outcome.exception)


# ---- the command


def test_the_command_writes_a_file_and_says_what_was_not_written(tmp_path: Path) -> None:
    lines = [
        reached().json(),
        Measurement().lookup(failure="dns_nxdomain_error").control().json(),
        reached().json(test_name="ndt"),
        b"{",
    ]
    source = written(tmp_path / "m.jsonl", b"\n".join(lines))
    sink = tmp_path / "out.jsonl"
    outcome = CliRunner().invoke(app, ["ooni", str(source), "--output", str(sink), "--json"])
    assert outcome.exit_code == 0
    facts = json.loads(outcome.stdout)
    assert facts == {
        "files": 1,
        "skipped_files": 0,
        "read": 4,
        "written": 2,
        "signals": 0,
        "ok": 1,
        "failed": {"dns.dns_nxdomain_error": 1},
        "refused": {"other_test": 1, "not_json": 1},
        "refused_because": {"other_test": {"ndt": 1}, "not_json": {"Input data was truncated": 1}},
        "refused_first": {
            "other_test": {"ndt": f"{source}:3"},
            "not_json": {"Input data was truncated": f"{source}:4"},
        },
    }
    records = [decode(line) for line in sink.read_bytes().splitlines()]
    assert [record.ok for record in records if isinstance(record, ProbeResult)] == [True, False]


def test_results_on_stdout_stay_by_themselves(tmp_path: Path) -> None:
    source = written(tmp_path / "m.json", reached().json())
    outcome = CliRunner().invoke(app, ["ooni", str(source), "--output", "-", "--simulated"])
    [line] = outcome.stdout.splitlines()
    assert json.loads(line)["simulated"] is True
    assert "1 result written" in outcome.stderr


def test_nothing_written_is_exit_code_1(tmp_path: Path) -> None:
    source = written(tmp_path / "m.json", b"{}")
    outcome = CliRunner().invoke(app, ["ooni", str(source), "--output", "-"])
    assert outcome.exit_code == 1
    assert "not_a_measurement" in outcome.stderr


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    outcome = CliRunner().invoke(app, ["ooni", str(tmp_path / "none.json"), "--output", "-"])
    assert isinstance(outcome.exception, SettingsError)
    assert "none.json: no such file" in str(outcome.exception)
