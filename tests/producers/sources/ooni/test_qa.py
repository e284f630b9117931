"""The confusion matrix tells right from wrong, for stories made here and for files."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from producers.sources.ooni.platforms import Platforms
from producers.sources.ooni.reader import OoniReader
from tests.producers.sources.ooni.measurements import reached
from tests.producers.sources.ooni.qa import handed, made, outcome_of, stage_of

READER = OoniReader(Platforms())


def test_every_story_made_here_is_on_the_diagonal() -> None:
    assert [name for name, value, right in made() if outcome_of(READER, value) != right] == []


def test_a_file_is_weighed_by_its_name_and_by_what_ooni_concluded(tmp_path: Path) -> None:
    document = reached().document()
    document["test_keys"] |= {"blocking": False, "accessible": True}
    (tmp_path / "successWithHTTPS.json").write_bytes(msgspec.json.encode(document))
    document["test_keys"] |= {"blocking": "tcp_ip", "accessible": False}
    (tmp_path / "tcpBlockingConnectTimeout.json").write_bytes(msgspec.json.encode(document))
    (good, value, right), (bad, wrong_value, wrong) = handed(tmp_path)
    assert (good, bad) == ("successWithHTTPS", "tcpBlockingConnectTimeout")
    assert outcome_of(READER, value) == right == ("none", "reached")
    assert outcome_of(READER, wrong_value) != wrong == ("tcp", "blocked")


@pytest.mark.parametrize(
    "name, stage",
    [
        ("redirectWithConsistentDNSAndThenConnectionResetForHTTP", "http"),
        ("redirectWithConsistentDNSAndThenConnectionResetForHTTPS", "tls"),
        ("redirectWithConsistentDNSAndThenNXDOMAIN", "dns"),
        ("dnsHijackingToProxyWithHTTPURL", "none"),
        ("anotherThing", None),
    ],
)
def test_what_a_name_says(name: str, stage: str | None) -> None:
    assert stage_of(name) == stage
