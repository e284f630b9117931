"""The reconstruction of January 2024: what it promises about itself."""

from collections import defaultdict
from datetime import datetime, timedelta
from itertools import pairwise

import msgspec
import numpy as np
import pytest

from producers.records import ProbeResult, decode, encode
from producers.simulated.scenario import (
    BLOCKED,
    CALENDAR,
    EVENINGS,
    FACTS,
    LABELS,
    NETWORKS,
    UNAFFECTED,
    _probes,
    _schedule,
    pakistan,
)
from streams.records import CalendarEvent

FEW = {"probes_per_minute": 0.3, "quiet_probes_per_minute": 0.06, "history_hours": 1.0, "after_hours": 0.5}


@pytest.fixture(scope="module")
def rows() -> list[ProbeResult]:
    return list(pakistan(3, **FEW))


def test_it_is_small_enough_for_a_demonstration() -> None:
    schedule = _schedule(EVENINGS, 6.0, 2.0, 0.8, 0.12)  # the defaults
    assert 300_000 < len(_probes(np.random.default_rng(0), schedule).time) < 400_000


def test_it_is_ordered_and_says_that_it_is_made_up(rows: list[ProbeResult]) -> None:
    assert all(row.simulated and row.country == "PK" and row.control_ok for row in rows)
    assert all(before.time <= after.time for before, after in pairwise(rows))
    assert len({row.id for row in rows}) == len(rows)


def test_every_kind_of_row_reads_back(rows: list[ProbeResult]) -> None:
    kinds = {(row.stage, row.failure, row.platform): row for row in rows}
    for row in kinds.values():
        assert decode(encode(row)) == row


def test_a_seed_gives_the_same_rows_and_another_one_others(rows: list[ProbeResult]) -> None:
    again = [encode(row) for row, _ in zip(pakistan(3, **FEW), range(500), strict=False)]
    assert again == [encode(row) for row in rows[:500]]
    other = [row.time for row, _ in zip(pakistan(4, **FEW), range(500), strict=False)]
    assert other != [row.time for row in rows[:500]]


@pytest.mark.parametrize("evening", EVENINGS, ids=lambda evening: evening.name)
def test_each_network_loses_the_four_and_nothing_else(rows: list[ProbeResult], evening) -> None:  # type: ignore[no-untyped-def]
    begin, end = evening.start + timedelta(minutes=5), evening.end - timedelta(minutes=5)
    inside = [row for row in rows if begin <= row.time < end]
    ratios: dict[tuple[int, str], list[bool]] = defaultdict(list)
    for row in inside:
        ratios[row.asn, row.platform].append(row.ok)
    assert len(ratios) == len(NETWORKS) * (len(BLOCKED) + len(UNAFFECTED))
    for (_, platform), oks in ratios.items():
        ratio = sum(oks) / len(oks)
        assert ratio < 0.12 if platform in BLOCKED else ratio > 0.9


@pytest.mark.parametrize("evening", EVENINGS, ids=lambda evening: evening.name)
def test_the_labels_hold_the_first_loss_and_the_last_return(rows: list[ProbeResult], evening) -> None:  # type: ignore[no-untyped-def]
    """The block is told from noise by the networks' share of failures in the minutes around each end."""

    def lost(begin: datetime, end: datetime) -> float:
        hit = [not row.ok for row in rows if row.platform in BLOCKED and begin <= row.time < end]
        return sum(hit) / len(hit)

    minute = timedelta(minutes=1)
    assert lost(evening.start - 10 * minute, evening.start) < 0.1
    assert lost(evening.start, evening.start + minute) > 0.1
    assert lost(evening.start + 4 * minute, evening.start + 8 * minute) > 0.9
    assert lost(evening.end - minute, evening.end) < 0.9
    assert lost(evening.end, evening.end + 10 * minute) < 0.1
    label = next(label for label in LABELS if label["start"] == evening.start.isoformat())
    assert label["end"] == evening.end.isoformat()


def test_no_network_falls_silent_between_the_evenings(rows: list[ProbeResult]) -> None:
    last: dict[int, datetime] = {}
    longest = timedelta()
    for row in rows:
        longest = max(longest, row.time - last.get(row.asn, row.time))
        last[row.asn] = row.time
    assert longest < timedelta(minutes=20)


def test_facts_have_sources_and_the_calendar_is_the_topics() -> None:
    assert all(fact.source.startswith("https://") for fact in FACTS)
    for event in CALENDAR:
        record = msgspec.json.decode(msgspec.json.encode(event), type=CalendarEvent)
        assert record.start < record.end and record.source


@pytest.mark.parametrize("evenings", [[], ["2024-01-08"], ["2024-01-07", "yesterday"]])
def test_an_evening_that_is_none_is_refused(evenings: list[str]) -> None:
    with pytest.raises(ValueError, match="choose from 2024-01-07, 2024-01-20"):
        next(pakistan(evenings=evenings))
