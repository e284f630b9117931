"""What an incident costs a country, by a published formula, from figures that the operator gives with their source.

    cost of a day = daily GDP x digital share x platform share x reach
    cost so far   = cost of a day x duration in days

The first three factors are settings (`[cost.PK]`), and there is no estimate without them. The form is West's
(Brookings 2016: the GDP of the days, times the share of the economy that rests on the Internet, less for a part of the
country or for single services), on which NetBlocks' COST builds too (https://netblocks.org/projects/cost). Reach is
measured: the share of the country's use that was lost, at its worst. What outlasts a disruption (investments, trust) is
left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from msgspec import Struct

from streams.records import Incident, Kind, Scope
from streams.settings import CostSettings
from streams.words import seconds_on_most

_DAY_SECONDS: Final = 86_400.0
SOURCE: Final = (
    "after West, Internet shutdowns cost countries $2.4 billion last year, Brookings Institution 2016"
)


class Estimate(Struct, frozen=True, kw_only=True):
    """What an incident costs, with every factor of it. Amounts are in US dollars."""

    day_usd: float
    total_usd: float
    duration_days: float
    daily_gdp_usd: float
    digital_share: float
    platform_share: float
    reach: float
    reach_text: str
    source: str


def estimate(
    snapshots: Sequence[Incident], cost: Mapping[str, CostSettings], shares: Mapping[int, float]
) -> Estimate | None:
    """Return the cost so far, or None if the settings have no figures for it. `snapshots` are one incident's, in order.

    `shares` are the networks' shares of the country's users. A platform incident needs the share of each of its
    platforms: none is taken from thin air.
    """
    incident = snapshots[-1]
    figures = cost.get(incident.country or "")
    if figures is None or incident.kind is Kind.GLOBAL:
        return None
    platform_share = 1.0
    if incident.kind is Kind.PLATFORM:
        if not incident.platforms or not set(incident.platforms) <= figures.platform_shares.keys():
            return None
        platform_share = min(1.0, sum(figures.platform_shares[name] for name in incident.platforms))
    reach, text = _reach(snapshots, shares)
    days = seconds_on_most(incident) / _DAY_SECONDS
    day = figures.daily_gdp_usd * figures.digital_share * platform_share * reach
    return Estimate(
        day_usd=day,
        total_usd=day * days,
        duration_days=days,
        daily_gdp_usd=figures.daily_gdp_usd,
        digital_share=figures.digital_share,
        platform_share=platform_share,
        reach=reach,
        reach_text=text,
        source=figures.source,
    )


def _reach(snapshots: Sequence[Incident], shares: Mapping[int, float]) -> tuple[float, str]:
    """The share of the country's use that was lost, at its worst, and how it was found."""
    incident = snapshots[-1]
    lost = {network.asn: network.lost for network in incident.networks}
    if incident.scope is Scope.REGION or not lost:
        worst = min(snapshots, key=lambda snapshot: snapshot.reachability.now).reachability
        missing = max(0.0, worst.usual - worst.now) / worst.usual if worst.usual > 0 else 0.0
        return missing, "what was missing of the usual reachability where it was measured"
    if lost.keys() <= shares.keys():
        reach = sum(shares[asn] * part for asn, part in lost.items())
        return min(1.0, reach), "each network's loss, by its share of the country's users"
    live = max(*(snapshot.networks_live for snapshot in snapshots), len(lost))
    return sum(lost.values()) / live, f"the mean loss over {live} live networks, each counted alike"
