"""`netdusk vantage`: what the register takes."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from streams.commands.vantage import check_keys
from streams.records import Vantage
from streams.settings import SettingsError

SINCE = datetime(2024, 1, 20, tzinfo=UTC)
KEY = "A" * 43 + "="


def entry(name: str, key: str | None) -> Vantage:
    return Vantage(vantage=name, country="PK", asn=7, public_key=key, since=SINCE)


@pytest.mark.parametrize("same", [KEY, "A" * 42 + "B="])
def test_a_key_is_enrolled_for_one_vantage_alone_however_it_is_spelt(same: str) -> None:
    check_keys([entry("a", KEY), entry("b", "B" * 43 + "="), entry("c", None), entry("d", None)])
    with pytest.raises(SettingsError, match="b: a has this key"):
        check_keys([entry("a", KEY), entry("b", same)])
