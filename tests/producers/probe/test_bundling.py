"""Results on their way as signed bundles."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from producers.bundles import Signer, Verifier, new_key, opened
from producers.probe.sink import BundleSender, SendError


class _Broker:
    def __init__(self, refuses: bool = False) -> None:
        self.values: list[bytes] = []
        self._refuses = refuses

    def send(self, values: Sequence[bytes]) -> None:
        if self._refuses:
            raise SendError("away", values[1:], values[:1])
        self.values += values

    def close(self) -> None:
        self.values.clear()


def test_results_go_in_bundles_of_their_vantage() -> None:
    broker = _Broker()
    values = [b"%d" % number for number in range(1201)]
    BundleSender(broker, "v1").send(values)
    bundles = [opened(value) for value in broker.values]
    assert [one.vantage for one in bundles] == ["v1"] * 3
    assert [line for one in bundles for line in one.lines] == values


def test_what_was_not_acknowledged_are_results_and_no_bundles() -> None:
    values = [b"%d" % number for number in range(700)]
    with pytest.raises(SendError, match="away") as raised:
        BundleSender(_Broker(refuses=True), "v1").send(values)
    assert list(raised.value.refused) == values[:500]
    assert list(raised.value.unsent) == values[500:]


def test_what_is_signed_can_be_verified() -> None:
    private, public = new_key()
    signer, verifier = Signer(private), Verifier()
    headers, again = dict(signer.headers(b"{}")), dict(signer.headers(b"{}"))
    sequence = int(headers["netdusk-sequence"])
    assert verifier.good(public, sequence, b"{}", headers["netdusk-signature"])
    assert not verifier.good(public, sequence + 1, b"{}", headers["netdusk-signature"])
    assert int(again["netdusk-sequence"]) > sequence
