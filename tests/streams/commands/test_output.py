"""Where results go, and how a table reads in a pipe."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from aiokafka.errors import KafkaError

from streams.commands import incidents
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
    incidents.show_table(incidents.table_of([long]))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[1].rstrip().endswith("[end].")


def test_a_person_does_not_wait_for_ever_for_a_broker() -> None:
    with pytest.raises((KafkaError, OSError)):
        asyncio.run(wait_for_broker(KafkaSettings(bootstrap="127.0.0.1:1"), patience_seconds=0.1))
