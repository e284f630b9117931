"""Where results go, and how a table reads in a pipe."""

from __future__ import annotations

import asyncio
import io
import sys
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError
from typer.testing import CliRunner

from streams import cli
from streams.commands import incidents
from streams.commands.lines import console, show_table
from streams.commands.output import put, to_stdout
from streams.errors import SettingsError
from streams.kafka.client import wait_for_broker
from streams.settings import KafkaSettings
from tests.streams.publish.stories import incident


def test_a_hyphen_and_nothing_are_stdout(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    assert [to_stdout(name) for name in (None, "-", Path("-"), "x")] == [True, True, True, False]
    put(b"a", None)
    put(b"b", Path("-"))
    assert capfdbinary.readouterr().out == b"ab"
    put(b"c", tmp_path / "c")
    assert (tmp_path / "c").read_bytes() == b"c"
    with pytest.raises(SettingsError, match="name a file that can be written"):
        put(b"", tmp_path / "none" / "c")


def test_a_table_in_a_pipe_has_a_line_an_incident(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    long = incident(summary="Live metrics show " + "word " * 60 + "[end].")
    show_table(incidents.table_of([long]))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].rstrip().endswith("[end].")


def test_a_sentence_in_a_pipe_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    for stderr in (False, True):
        console(stderr=stderr).print("word " * 60 + "[end].")
    out, err = capsys.readouterr()
    assert out == err == "word " * 60 + "[end].\n"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (["backtest", "FOLDER"], "FOLDER: is a folder, not a file"),
        (["replay", "FOLDER"], "FOLDER: is a folder, not a file"),
        (["report", "--incidents", "FOLDER"], "FOLDER: is a folder, not a file"),
        (["report", "--incidents", "EMPTY"], "EMPTY: no incident: nothing was told"),
        (["report", "pk-1", "--incidents", "EMPTY"], "EMPTY: pk-1: no such incident; nothing was told"),
        (
            ["history", "PK", "--archive", "EMPTY"],
            "--archive EMPTY: is a file; an archive is a folder, or a URL",
        ),
        (["check-config", "--config", "FOLDER"], "FOLDER: is a folder, not a file; name an existing one"),
    ],
)
def test_a_folder_for_a_file_and_a_file_for_a_folder_are_said(
    tmp_path: Path, command: list[str], said: str
) -> None:
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    names = {"FOLDER": str(tmp_path), "EMPTY": str(empty)}
    for name, place in names.items():
        said = said.replace(name, place)
    outcome = CliRunner().invoke(cli.app, [names.get(word, word) for word in command])
    assert isinstance(outcome.exception, SettingsError)
    assert str(outcome.exception).startswith(said)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"schema":"netdusk.probe/1","id":"1"}', "is a result, and no incident; name it with --probes"),
        ('{"schema":"theirs/1"}', "it has to be a record of netdusk's"),
        ("[1]", "it has to be a record of netdusk's"),
        ("{", "it has to be a record of netdusk's"),
    ],
)
def test_results_in_the_place_of_incidents_are_known(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text(line + "\n")
    outcome = CliRunner().invoke(cli.app, ["report", "--incidents", str(path)])
    assert isinstance(outcome.exception, SettingsError)
    assert str(outcome.exception).startswith(f"{path}, line 1: ")
    assert said in str(outcome.exception)


@pytest.mark.parametrize("encoding", ["ascii", "iso-8859-1"])
def test_what_is_written_into_a_pipe_is_utf_8_in_every_locale(
    monkeypatch: pytest.MonkeyPatch, encoding: str
) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding))
    cli._speak_to_any_locale()
    console().print("Zürich ▁█")
    sys.stdout.flush()
    assert raw.getvalue().decode() == "Zürich ▁█\n"


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


def test_a_terminal_of_another_encoding_gets_what_it_can_show(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", Terminal(raw, encoding="iso-8859-1"))
    cli._speak_to_any_locale()
    sys.stdout.write("Zürich ▁█\n")
    sys.stdout.flush()
    assert raw.getvalue().decode("iso-8859-1") == "Zürich ??\n"


def test_a_person_does_not_wait_for_ever_for_a_broker() -> None:
    with pytest.raises((KafkaError, OSError)):
        asyncio.run(wait_for_broker(KafkaSettings(bootstrap="127.0.0.1:1"), patience_seconds=0.1))
