"""Where no broker answers, a command says one sentence, and ends when it is told to."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import ssl
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError, TopicAuthorizationFailedError
from typer.testing import CliRunner

from streams.cli import app
from streams.commands import archive, notify
from streams.errors import SettingsError
from streams.kafka.unanswered import answered, cause_of, until
from streams.settings import KafkaSettings, Settings

NOBODY = KafkaSettings(bootstrap="127.0.0.1:1")


@pytest.mark.parametrize(
    "command",
    (
        "incidents",
        "topics",
        "report",
        "calendar list",
        "vantage list",
        "calendar add x --country PK --start 2026-01-01",
    ),
)
def test_every_command_says_the_cause_and_the_remedy_in_one_sentence(
    command: str, capfd: pytest.CaptureFixture[str]
) -> None:
    done = CliRunner().invoke(app, [*command.split(), "--bootstrap", NOBODY.bootstrap])
    assert isinstance(done.exception, SettingsError), done.output
    assert str(done.exception) == (
        "kafka.bootstrap = '127.0.0.1:1': no broker answers: connection refused; "
        "name a broker with --bootstrap HOST:PORT, or start one with `netdusk broker run`"
    )
    assert capfd.readouterr().err == ""  # no line of the library's


@pytest.mark.parametrize(
    ("error", "sentence"),
    (
        (TopicAuthorizationFailedError("t"), "the broker refused: "),
        (gzip.BadGzipFile("Not a gzipped file"), "Not a gzipped file"),
        (FileNotFoundError(2, "No such file or directory", "x"), "No such file or directory: 'x'"),
    ),
)
def test_another_trouble_is_not_called_a_broker_that_is_away(error: Exception, sentence: str) -> None:
    with pytest.raises(SettingsError) as caught, answered(NOBODY):
        raise error
    assert sentence in str(caught.value)
    assert "no broker answers" not in str(caught.value)


def test_causes_are_in_the_words_of_a_person() -> None:
    untrusted = ssl.SSLCertVerificationError(1, "certificate verify failed")
    untrusted.verify_message = "self-signed certificate"
    assert cause_of(untrusted) == "its certificate is not trusted (self-signed certificate)"
    assert cause_of(KafkaError("why")) == "KafkaError: why"


async def test_until_does_it_or_stops() -> None:
    stopped = asyncio.Event()
    assert await until(stopped, asyncio.sleep(0))
    with pytest.raises(ZeroDivisionError):
        await until(stopped, _divide())
    stopped.set()
    assert not await until(stopped, asyncio.Event().wait())


async def _divide() -> None:
    raise ZeroDivisionError


@pytest.mark.parametrize(
    ("module", "run"),
    (
        (archive, lambda: archive._run(Settings(), SimpleNamespace(), once=False)),
        (notify, lambda: notify._run(Settings(), {})),
    ),
)
async def test_sigterm_ends_it_while_it_waits_for_a_broker(
    module: Any, run: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def nobody(_: KafkaSettings) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.Event().wait()

    monkeypatch.setattr(module, "wait_for_broker", nobody)
    await run()
