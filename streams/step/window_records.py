"""Closed windows as the windows topic has them: a record a country. Counts nothing itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime

from detectors.readings import CountryTally
from streams.machine import Message
from streams.records import Window, encode
from streams.step.naming import Naming


def window_messages(
    tallies: Iterable[CountryTally], start: int, end: int, elsewhere: Callable[[str], bool], naming: Naming
) -> list[Message]:
    """What is sent of a closed window: a record a country, but for those that are judged `elsewhere`."""
    begin, until = datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(end, UTC)
    return [
        Message(
            "windows",
            tally.country.encode(),
            encode(
                Window(
                    country=tally.country,
                    start=begin,
                    end=until,
                    simulated=tally.simulated,
                    networks_live=tally.networks_live,
                    vantages=tally.vantages,
                    awaited=round(tally.awaited, 3),
                    came=round(tally.came, 3),
                    platform=tally.platform,
                    region=tally.region,
                    asn=tally.asn,
                    n=tally.n,
                    k=tally.k,
                    expected=tally.expected,
                    ttfb_ms=tally.ttfb_ms,
                    failure=tally.failure,
                )
            ),
        )
        for tally in (naming.tally(one, start) for one in tallies if not elsewhere(one.country))
    ]
