"""Reads the records of incidents for what contradicts itself: words against figures, counts against lists, times.

It knows nothing of what truly happened: whatever an incident was, these hold.

    netdusk backtest results.jsonl --json > incidents.jsonl; python -m tests.stories.contradictions incidents.jsonl
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Final

from detectors.incidents.case import THROTTLED
from detectors.incidents.loss import bounds
from detectors.incidents.snapshots import Kind, Scope
from streams.records import Incident, Status, decode

#: What is nearer to its usual than this is not lost by its own figure.
NEAR: Final = 0.05
#: A network that has lost less has lost nothing.
LOST_MIN: Final = 0.05
#: Standard errors that are no chance, though each record is asked.
SURE: Final = 2.8
#: What arrives of the usual results, where connectivity is not lost by its own figure.
ARRIVES: Final = 0.75
#: So much later a record should know of what came back.
KNOWN: Final = timedelta(minutes=30)

Check = Callable[[Incident], Iterable[str]]


def _goes_on(record: Incident) -> bool:
    return record.status is not Status.RESOLVED


def _is_slow(record: Incident) -> bool:
    named = record.mechanism is not None and record.mechanism.name == THROTTLED
    return named or "of their usual speed" in record.summary


def says_lost_where_nothing_is(record: Incident) -> Iterator[str]:
    """What goes on has lost something by its own figure, or its sentence says that it may be over."""
    if (
        not _goes_on(record)
        or "of their usual speed" in record.summary
        or "perhaps no more" in record.summary
    ):
        return
    now, usual = record.reachability.now, record.reachability.usual
    if record.reachability.in_regions is not None:
        now = record.reachability.in_regions
    if record.kind is not Kind.CONNECTIVITY and record.reachability.results and now > usual - NEAR:
        yield f"lost, at {now:.2f} of {record.reachability.results}, usually {usual:.2f}"
    if record.kind is Kind.CONNECTIVITY and now > ARRIVES:
        yield f"a loss of connectivity, where {now:.2f} arrives"


def says_restored_where_it_is_not(record: Incident) -> Iterator[str]:
    """What is restored is at its usual level beyond doubt, or not clearly below it; a part that is missing is told."""
    if _goes_on(record) or record.kind is Kind.CONNECTIVITY or _is_slow(record):
        return
    now, usual, n = record.reachability.now, record.reachability.usual, record.reachability.results
    low, high = bounds(now * n, n, SURE)
    if " is restored in part " in record.summary:
        if low > usual - 0.03:
            yield f"in part, at {now:.2f} of {n}, usually {usual:.2f}"
    elif " is fully restored " in record.summary:
        if now < usual - 0.03:
            yield f"fully, at {now:.2f} of {n}, usually {usual:.2f}"
    elif " is restored " in record.summary and n >= 20 and high < usual - 0.03:
        yield f"restored, at {now:.2f} of {n}, usually {usual:.2f}"


def networks_that_lost_nothing(record: Incident) -> Iterator[str]:
    """A network of several has lost something itself, or is slow."""
    ways = record.mechanism.by_network if record.mechanism is not None else {}
    if len(record.networks) > 1 and not _is_slow(record):
        for network in record.networks:
            if network.lost < LOST_MIN and ways.get(f"AS{network.asn}") != THROTTLED:
                yield f"AS{network.asn} lost {network.lost}"


def scope_against_networks(record: Incident) -> Iterator[str]:
    """A scope and the number of networks agree."""
    count, live = len(record.networks), max(record.networks_live, len(record.networks))
    lost = [network for network in record.networks if network.recovered is None]
    if record.left_out or record.kind is Kind.GLOBAL:
        return
    if record.scope is Scope.PROVIDER and (len(lost) if _goes_on(record) else count) != 1:
        yield f"provider, with {count} networks, {len(lost)} of them lost"
    if record.scope is Scope.NATION_SCALE and not record.regions and 2 * count <= live:
        yield f"nation-scale, with {count} of {live} networks"


def counts_of_the_sentence(record: Incident) -> Iterator[str]:
    """The counts of a sentence are those of its record."""
    if record.left_out:
        return
    text, count = record.summary, len(record.networks)
    for said, of in re.findall(r"on (\d+) of (\d+) networks", text.replace(",", "")):
        if int(said) > int(of):
            yield f"{said} of {of} networks"
    if (back := re.search(r"partially restored, on (\d+) of (\d+) networks", text)) is not None:
        recovered = sum(network.recovered is not None for network in record.networks)
        if (int(back[1]), int(back[2])) != (recovered, count):
            yield f"partially restored on {back[1]} of {back[2]}: {recovered} of {count} in the record"
        if recovered == count:
            yield "all of its networks are back, and it goes on"
    few = re.search(r"(\d+) of the last (\d+) attempts succeeded", text)
    if few is not None and (int(few[2]) != record.reachability.results or int(few[1]) > int(few[2])):
        yield f"{few[0]}: {record.reachability.results} in the record"
    if (one := re.search(r"(\w+) of (\w+) addresses? of ", text)) is not None and not record.targets:
        yield f"{one[0]}, with no targets in the record"


def times_in_order(record: Incident) -> Iterator[str]:
    """What is over ends with the last part of it that came back; nothing is back before it was lost."""
    for network in record.networks:
        yield from _in_order(f"AS{network.asn}", network.onset, network.recovered, record)
    for one in record.platforms_detail:
        yield from _in_order(one.platform, one.onset, one.recovered, record)
    if record.resolved is not None and not record.onset <= record.resolved <= record.updated:
        yield f"from {record.onset} to {record.resolved}, told at {record.updated}"


def _in_order(name: str, onset: datetime, recovered: datetime | None, record: Incident) -> Iterator[str]:
    if recovered is not None and recovered < onset:
        yield f"{name} is back at {recovered}, and lost at {onset}"
    if recovered is not None and record.resolved is not None and recovered > record.resolved:
        yield f"{name} is back at {recovered}, and all of it at {record.resolved}"


def reason_against_record(record: Incident) -> Iterator[str]:
    """The reason of an update names no other level than its sentence does."""
    told = re.search(r"(?:eased|worse(?: again)?): (\d+)% of attempts succeed", record.reason)
    n = record.reachability.results
    if told is not None and _goes_on(record) and n:
        low, high = bounds(record.reachability.now * n, n, SURE)
        if not low - 0.15 <= int(told[1]) / 100 <= high + 0.15:
            yield f"reason {told[1]}%, sentence {record.reachability.now:.0%} of {n}"


ONE: Final[Sequence[Check]] = (
    says_lost_where_nothing_is,
    says_restored_where_it_is_not,
    networks_that_lost_nothing,
    scope_against_networks,
    counts_of_the_sentence,
    times_in_order,
    reason_against_record,
)


def said_twice(before: Incident, after: Incident) -> Iterator[str]:
    """An update says something else than the record before it."""
    if after.summary == before.summary and after.status is before.status:
        yield f"said twice, {after.reason}"


def back_where_it_was_lost(before: Incident, after: Incident) -> Iterator[str]:
    """A platform that was back by then was not clearly lost in a record of later."""
    for one in after.platforms_detail:
        was = next((each for each in before.platforms_detail if each.platform == one.platform), None)
        if was is None or one.recovered is None or before.updated < one.recovered + KNOWN:
            continue
        n = was.reachability.results
        if (
            was.recovered is None
            and bounds(was.reachability.now * n, n, SURE)[1] < was.reachability.usual - 0.1
        ):
            yield f"{one.platform} is back since {one.recovered:%d %H:%M}, and had {was.reachability.now:.2f}"


def over_before_it_was_lost_again(before: Incident, after: Incident) -> Iterator[str]:
    """What was told to be lost again was not over long before that."""
    again = "lost again" in before.reason.split("; ")
    if again and after.resolved is not None and after.resolved < before.updated - KNOWN:
        yield f"over since {after.resolved:%d %H:%M}, and lost again at {before.updated:%d %H:%M}"


def addresses_that_came_and_went(before: Incident, after: Incident) -> Iterator[str]:
    """What is lost on all addresses had been lost on some."""
    if "lost on all addresses" in after.reason and not before.targets:
        yield "lost on all addresses, and it knew of none"


TWO: Final[Sequence[Callable[[Incident, Incident], Iterable[str]]]] = (
    said_twice,
    back_where_it_was_lost,
    over_before_it_was_lost_again,
    addresses_that_came_and_went,
)


def contradictions(records: Iterable[Incident]) -> list[str]:
    """Return what contradicts itself in the records of some incidents, a line each."""
    by_id: dict[str, list[Incident]] = {}
    for record in records:
        by_id.setdefault(record.id, []).append(record)
    lines = []
    for name, told in by_id.items():
        for record in told:
            if record.retracted or record.summary.removeprefix("SIMULATED: ").startswith(
                ("Closed", "Withdrawn")
            ):
                continue
            for check in ONE:
                lines += [_line(name, record, check.__name__, text) for text in check(record)]
        for before, after in pairwise(told):
            for compare in TWO:
                lines += [_line(name, after, compare.__name__, text) for text in compare(before, after)]
    return lines


def _line(name: str, record: Incident, check: str, text: str) -> str:
    return (
        f"{name} {record.seq} {record.updated:%d %H:%M} {check}: {text} | {record.reason} | {record.summary}"
    )


def main(paths: Sequence[str]) -> int:
    """Print what contradicts itself in files of records; the number of lines decides the exit code."""
    found = 0
    for path in paths:
        lines = filter(None, Path(path).read_bytes().splitlines())
        records = [record for record in map(decode, lines) if isinstance(record, Incident)]
        for text in contradictions(records):
            found += 1
            print(f"{Path(path).stem} {text}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
