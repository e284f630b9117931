"""Kafka's jars: held to their hashes, taken from a folder, and never half there."""

from __future__ import annotations

import hashlib
import socket
import ssl
from pathlib import Path

import pytest

from streams.local import kafka_files
from streams.local.kafka_files import BrokerError, Jar, cache_folder, fetch, locked, missing

CONTENT = b"not really a jar"
JAR = Jar("org.example", "thing", "1.0", hashlib.sha256(CONTENT).hexdigest(), len(CONTENT))


@pytest.fixture(autouse=True)
def one_jar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kafka_files, "locked", lambda: (JAR,))


def test_the_lock_names_kafka_and_its_clients_in_one_version() -> None:
    versions = {jar.artifact: jar.version for jar in locked()}
    assert versions["kafka_2.13"] == versions["kafka-clients"] == kafka_files.VERSION
    assert all(len(jar.sha256) == 64 and jar.size > 0 for jar in locked())


def test_a_folder_that_was_carried_here_is_enough(tmp_path: Path) -> None:
    source, folder = tmp_path / "usb", tmp_path / "cache"
    source.mkdir()
    (source / JAR.name).write_bytes(CONTENT)
    seen: list[tuple[int, int]] = []
    assert missing(folder) == [JAR]
    assert fetch(folder, source=source, progress=lambda done, total: seen.append((done, total))) == len(
        CONTENT
    )
    assert missing(folder) == []
    assert seen == [(len(CONTENT), len(CONTENT))]
    assert fetch(folder, source=tmp_path / "nowhere") == 0


def test_another_jar_under_the_name_is_refused_and_not_kept(tmp_path: Path) -> None:
    (tmp_path / JAR.name).write_bytes(CONTENT[::-1])
    with pytest.raises(BrokerError, match="it is not the jar that was locked"):
        fetch(tmp_path / "cache", source=tmp_path)
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_jar_of_another_size_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / JAR.name).write_bytes(CONTENT[:-1])
    assert missing(tmp_path) == [JAR]


def test_a_folder_without_the_jar_is_said(tmp_path: Path) -> None:
    with pytest.raises(BrokerError, match=r"has no thing-1\.0\.jar"):
        fetch(tmp_path / "cache", source=tmp_path)


def test_a_cache_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BrokerError, match="name another with NETDUSK_CACHE"):
        fetch(tmp_path / "file" / "cache", source=tmp_path)


def test_the_cache_is_where_the_user_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NETDUSK_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path / f"kafka-{kafka_files.VERSION}"
    monkeypatch.delenv("NETDUSK_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "netdusk" / f"kafka-{kafka_files.VERSION}"


def wrapped(error: Exception) -> Exception:
    """An error as requests has it: one in another, the words of all in its own."""
    try:
        try:
            raise error
        except Exception as inner:
            raise RuntimeError(f"HTTPSConnectionPool(host='x'): Max retries exceeded ({inner!r})") from inner
    except RuntimeError as outer:
        return outer


def untrusted() -> ssl.SSLCertVerificationError:
    error = ssl.SSLCertVerificationError(1, "[SSL: CERTIFICATE_VERIFY_FAILED]")
    error.verify_message = "self-signed certificate in certificate chain"
    return error


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            untrusted(),
            "not trusted (self-signed certificate in certificate chain); where a proxy has its own",
        ),
        (socket.gaierror(-2, "Name or service not known"), "its server's name can't be resolved"),
        (ConnectionRefusedError(111, "Connection refused"), "connection refused"),
        (ValueError("404 of the server"), "404 of the server"),
    ],
)
def test_what_can_not_be_fetched_is_said_in_a_sentence(error: Exception, said: str) -> None:
    sentence = kafka_files._plainly(wrapped(error))
    assert said in sentence
    assert "HTTPSConnectionPool" not in sentence
