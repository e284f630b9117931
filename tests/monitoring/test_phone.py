"""From a probe to the page on somebody's phone: the scenario through broker, worker, Prometheus and Alertmanager."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from rich.console import Console

from producers.simulated import scenario
from streams.local.demo import board, demo_settings, run
from streams.local.live import Show
from streams.local.stack import Stack
from streams.records import Status
from streams.settings import load
from tests.monitoring.servers import Alertmanager, Prometheus, Webhook, pages, resolves

pytestmark = pytest.mark.integration

DRILL = Path(__file__).parents[2] / "monitoring" / "drill" / "netdusk-incidents.yaml"
SPEED = 1200.0  # an evening of five hours takes fifteen seconds


async def test_each_evening_rings_once_and_is_resolved_once(tmp_path: Path) -> None:
    """Both evenings, as `make demo` plays them; our rules as drills have them: they page for simulated results."""
    settings, overrides = demo_settings(load(), "")
    out = io.StringIO()
    with Webhook() as phone, Alertmanager(tmp_path / "alertmanager", routes(phone.url)) as alertmanager:
        prometheus: list[Prometheus] = []

        async def scrape(house: Stack) -> None:
            target = house.worker_url.removeprefix("http://")
            started = Prometheus(
                tmp_path / "prometheus",
                [target],
                alertmanagers=[alertmanager.target],
                rules=[DRILL],
                seconds=0.5,
            )
            await asyncio.to_thread(started.start)
            prometheus.append(started)

        try:
            async with Stack(settings, tmp_path / "house", overrides=overrides) as house:
                show = Show(board(), Console(file=out, width=200))
                seen = await run(
                    house,
                    show,
                    speed=SPEED,
                    seed=0,
                    evenings=[e.name for e in scenario.EVENINGS],
                    ready=scrape,
                )
                await asyncio.to_thread(
                    phone.wait_for, lambda calls: len(resolves(calls)) == 2, "both evenings resolved", 30
                )
        finally:
            for started in prometheus:
                started.stop()
    assert len({snapshot.id for snapshot in seen.snapshots}) == 2, out.getvalue()
    assert {snapshot.status for snapshot in seen.snapshots} >= {Status.OPEN, Status.RESOLVED}
    assert all(snapshot.simulated for snapshot in seen.snapshots)
    rung = pages(phone.calls)
    assert len(rung) == 2
    assert len(resolves(phone.calls)) == 2
    for call in rung:
        assert call.names() == {"NationScaleDisruption"}
        assert {alert["labels"]["country"] for alert in call.alerts} == {"PK"}
        assert {alert["labels"]["simulated"] for alert in call.alerts} == {"true"}
        assert all(
            alert["annotations"]["runbook_url"].endswith("NationScaleDisruption.md") for alert in call.alerts
        )
    platforms = {alert["labels"]["platform"] for call in phone.calls for alert in call.alerts}
    assert platforms == set(scenario.BLOCKED)


def routes(url: str) -> dict[str, object]:
    return {
        "route": {
            "receiver": "phone",
            "group_by": ["alertname", "country"],
            "group_wait": "1s",
            "group_interval": "1s",
            "repeat_interval": "1h",
        },
        "receivers": [{"name": "phone", "webhook_configs": [{"url": f"{url}/phone", "send_resolved": True}]}],
    }
