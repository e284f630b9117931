"""Citizen Lab's lists in and out; the rows are made here."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pytest
from typer.testing import CliRunner

from producers.probe.targets import Target, load_targets
from streams.commands.targets import app
from streams.errors import SettingsError
from streams.publish.citizenlab import asked, list_text, read_list

HEAD = "url,category_code,category_description,date_added,source,notes\n"
LIST = (
    HEAD
    + "https://x.com/,GRP,Social Networking,2024-01-01,made,\n"
    + 'https://www.example.com/news,NEWS,News Media,2024-01-01,made,"two\nlines"\n'
    + "https://x.com/,GRP,Social Networking,2024-01-02,made,again\n"
    + "ftp://example.com/,GRP,,,,\n"
    + "http://192.168.1.1/,GRP,,,,\n"
    + "nothing\n"
)


def test_each_url_that_can_be_asked_becomes_one_target() -> None:
    reading = read_list("pk.csv", io.BytesIO(b"\xef\xbb\xbf" + LIST.encode()))
    assert [(one.platform, one.url) for one in reading.targets] == [
        ("x", "https://x.com/"),
        ("example.com", "https://www.example.com/news"),
    ]
    assert [line.partition(": ")[0] for line in reading.left_out] == ["pk.csv:6", "pk.csv:7", "pk.csv:8"]


def test_one_place_is_one_target_however_it_is_written() -> None:
    rows = (
        "https://x.com/",
        "https://x.com",
        "HTTPS://X.com/",
        "https://x.com:443/",
        "https://x.com/a",
        "http://x.com/",
    )
    reading = read_list("a.csv", io.BytesIO((HEAD + "".join(f"{row},GRP,,,,\n" for row in rows)).encode()))
    assert [one.url for one in reading.targets] == ["https://x.com/", "https://x.com/a", "http://x.com/"]


def test_a_name_that_no_server_may_be_asked_for_is_left_out() -> None:
    rows = HEAD + "http://expyuzz4wqqyqhjn.onion/,ANON,,,,\nhttps://onion.example/,ANON,,,,\n"
    reading = read_list("a.csv", io.BytesIO(rows.encode()))
    assert [one.url for one in reading.targets] == ["https://onion.example/"]
    assert [line.partition(": ")[0] for line in reading.left_out] == ["a.csv:2"]


def test_an_address_is_shown_without_a_look_up() -> None:
    urls = ("https://8.8.8.8/", "https://x.com/", "dns://8.8.8.8/x.com", "doh://8.8.8.8/x.com")
    shown = list(asked(Target(platform="x", url=url) for url in urls))
    assert [line.rpartition(" ")[0] for line in shown] == [
        "x: tcp tls http",
        "x: dns tcp tls http",
        "x: dns",
        "x: tcp tls http",
    ]


def test_categories_and_one_name() -> None:
    reading = read_list("pk.csv", io.BytesIO(LIST.encode()), categories=["news"], platform="press")
    assert [(one.platform, one.url) for one in reading.targets] == [("press", "https://www.example.com/news")]
    assert reading.left_out == []


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", HEAD])
def test_what_is_no_list_gives_nothing(text: str) -> None:
    assert read_list("a.csv", io.BytesIO(text.encode())).targets == []


def test_out_and_in_again_is_the_same() -> None:
    targets = [Target(platform="x", url="https://x.com/"), Target(platform="chat", url="tcp://x.com:443")]
    text = list_text(targets, added=date(2024, 1, 20))
    assert text == HEAD + "https://x.com/,GRP,Social Networking,2024-01-20,netdusk,\n"
    assert [one.url for one in read_list("a.csv", io.BytesIO(text.encode())).targets] == ["https://x.com/"]


def test_the_commands_go_round(tmp_path: Path) -> None:
    (tmp_path / "pk.csv").write_text(LIST)
    made, out = tmp_path / "targets.toml", tmp_path / "out.csv"
    imported = CliRunner().invoke(app, ["import", str(tmp_path / "pk.csv"), "-o", str(made)])
    assert imported.exit_code == 1  # three rows were left out, and it says so
    assert "2 targets" in imported.output
    assert {target.platform for target in load_targets(made).target} == {"x", "example.com"}
    checked = CliRunner().invoke(app, ["check", str(made)])
    assert "x: dns tcp tls http https://x.com/\n" in checked.output
    assert checked.output.endswith("good; 2 targets of example.com, x\n")
    assert CliRunner().invoke(app, ["export", str(made), "-o", str(out)]).exit_code == 0
    assert out.read_text().count("https://") == 2


def test_what_no_vantage_would_start_with_is_not_called_good(tmp_path: Path) -> None:
    made = tmp_path / "targets.toml"
    made.write_text('[[target]]\nplatform = "x"\nurl = "http://[64:ff9b::7f00:1]/"\n')
    with pytest.raises(SettingsError, match=r"7f00:1\]/ is at an address that no public service can have"):
        CliRunner().invoke(app, ["check", str(made)], catch_exceptions=False)
