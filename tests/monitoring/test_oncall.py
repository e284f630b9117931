"""From a figure to a telephone: the shipped rules and the shipped configuration, on real servers.

The page is the worker's own collector over incidents made by hand; a minute of the rules passes in a second.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from detectors.readings import Pulse
from monitoring.config import ON_CALL
from monitoring.shipped import rule_files
from streams.records import Kind, Scope, Severity
from tests.monitoring.oncall import ALERTMANAGER, alertmanager_config, write
from tests.monitoring.servers import (
    Alertmanager,
    Call,
    Exporter,
    Prometheus,
    Webhook,
    pages,
    program,
    resolves,
    wait_until,
)
from tests.monitoring.world import Machine, Page, incident

pytestmark = pytest.mark.integration

PACE: Final = 1 / 60
#: Two hundred names of two letters: what countries they are is of no interest here.
COUNTRIES: Final = [f"{a}{b}" for a in "ABCDEFGHIJ" for b in "ABCDEFGHIJKLMNOPQRST"]
ROUTES: Final = [
    (
        {"alertname": "NationScaleDisruption", "severity": "critical", "country": "PK", "simulated": "false"},
        "pager",
    ),
    (
        {"alertname": "NationScaleDisruption", "severity": "critical", "country": "PK", "simulated": "true"},
        "nobody",
    ),
    (
        {"alertname": "ConnectivityDark", "severity": "critical", "country": "PK", "simulated": "false"},
        "pager",
    ),
    (
        {"alertname": "GlobalPlatformOutage", "severity": "critical", "platform": "x", "simulated": "false"},
        "pager",
    ),
    (
        {"alertname": "GlobalPlatformOutage", "severity": "critical", "platform": "x", "simulated": "true"},
        "nobody",
    ),
    (
        {"alertname": "ProviderDisruption", "severity": "warning", "country": "PK", "simulated": "false"},
        "chat",
    ),
    (
        {"alertname": "ThrottlingSuspected", "severity": "warning", "country": "PK", "simulated": "false"},
        "chat",
    ),
    ({"alertname": "WorkerStalled", "severity": "critical", "reason": "absent"}, "pager"),
    ({"alertname": "CanarySilent", "severity": "critical", "reason": "late"}, "pager"),
    ({"alertname": "ObservatoryBlind", "severity": "warning", "country": "PK", "simulated": "false"}, "chat"),
    ({"alertname": "WatermarkLag", "severity": "warning", "partition": "p"}, "chat"),
    ({"alertname": "NetduskWatchdog", "severity": "none"}, "dead-mans-switch"),
]


@dataclass
class OnCall:
    """A worker's page, Prometheus, Alertmanager and a phone."""

    page: Page
    machine: Machine
    prometheus: Prometheus
    alertmanager: Alertmanager
    phone: Webhook
    down: list[bool]

    def pager(self) -> list[str]:
        return [call.group for call in pages(self.phone.to("pager"))]


@contextmanager
def on_call(folder: Path, *, pace: float = PACE) -> Iterator[OnCall]:
    """The whole chain; `pace` is a factor on Alertmanager's waits."""
    machine = Machine(
        heard=[Pulse(country, False, 5, 12, int(time.time())) for country in ("PK", "IR", "SD")]
    )
    page = Page({"netdusk.probes.v1-0": machine}, now=time.time)
    down = [False]
    spoken = {"PK"}
    rules = rule_files(replace(ON_CALL, patience=PACE, pace=PACE))

    def figures() -> bytes | None:
        countries = {incident.country for incident in machine.open if incident.country} | spoken
        spoken.update(countries)
        machine.heard = [Pulse(country, False, 5, 12, int(time.time())) for country in sorted(countries)]
        return None if down[0] else page.figures()

    with ExitStack() as stack:
        exporter = stack.enter_context(Exporter(figures))
        phone = stack.enter_context(Webhook())
        alertmanager = stack.enter_context(Alertmanager(folder, alertmanager_config(phone.url, pace=pace)))
        prometheus = stack.enter_context(
            Prometheus(
                folder,
                [exporter.target],
                rules=write(folder, {name: text for name, text in rules.items() if "canary" not in name}),
                alertmanagers=[alertmanager.target],
                seconds=0.25,
            )
        )
        prometheus.wait_for("netdusk_build_info")
        yield OnCall(page, machine, prometheus, alertmanager, phone, down)


@pytest.mark.parametrize(
    "labels, receiver", ROUTES, ids=[f"{labels['alertname']}-{receiver}" for labels, receiver in ROUTES]
)
def test_amtool_finds_the_way(labels: dict[str, str], receiver: str) -> None:
    given = [f"{name}={value}" for name, value in labels.items()]
    done = subprocess.run(
        [program("amtool"), "config", "routes", "test", f"--config.file={ALERTMANAGER}", *given],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, receiver), done.stderr


def test_amtool_finds_the_configuration_good(tmp_path: Path) -> None:
    check = [program("amtool"), "check-config"]
    assert subprocess.run([*check, str(ALERTMANAGER)], capture_output=True, check=False).returncode == 0
    bad = tmp_path / "bad.yml"
    bad.write_text(ALERTMANAGER.read_text().replace("receiver: chat", "receiver: nowhere"))
    assert subprocess.run([*check, str(bad)], capture_output=True, check=False).returncode != 0


def test_one_incident_is_one_page_and_one_end_through_restart_and_handover(tmp_path: Path) -> None:
    four = ("facebook", "instagram", "x", "youtube")
    with on_call(tmp_path) as stage:
        prometheus, machine, phone = stage.prometheus, stage.machine, stage.phone
        machine.open = [
            incident(platforms=four),
            incident(country="IR", confirmed=False),
            incident(simulated=True),
        ]
        phone.wait_for(lambda _: stage.pager(), "a page")
        # The worker restarts: its page answers 503, and the series are gone.
        stage.down[0] = True
        prometheus.wait_for("absent(netdusk_incident_active)")
        time.sleep(6 * PACE * 60)  # longer than any keep_firing_for
        stage.down[0] = False
        prometheus.wait_for("netdusk_incident_active")
        # The incident narrows on its way out.
        machine.open = [incident(platforms=four, scope=Scope.PROVIDER, severity=Severity.MINOR)]
        prometheus.wait_for('netdusk_incident_active{scope="provider"}')
        time.sleep(6 * PACE * 60)
        # Another worker takes the partition over.
        stage.page.machines = {}
        prometheus.wait_for("absent(netdusk_incident_active)")
        stage.page.machines = {"netdusk.probes.v1-0": machine}
        prometheus.wait_for("netdusk_incident_active")
        assert not resolves(about_pakistan(phone))
        machine.open = []
        phone.wait_for(lambda _: resolves(about_pakistan(phone)), "the end")
        prometheus.wait_for('absent(ALERTS{alertname="NationScaleDisruption"})')
    calls = about_pakistan(phone)
    assert len(pages(calls)) == len(resolves(calls)) == 1
    (page,) = pages(calls)
    assert {alert["labels"]["platform"] for alert in page.alerts} == set(four)
    assert {alert["labels"]["country"] for alert in page.alerts} == {"PK"}
    assert "instance" not in page.alerts[0]["labels"]
    assert page.alerts[0]["annotations"]["summary"].endswith("nation-scale disruption in PK")
    told = {name for call in phone.calls for name in call.names()}
    # Six minutes without a worker are its own page, and nobody else's.
    assert told - {"WorkerStalled"} == {"NationScaleDisruption", "NetduskWatchdog"}


def test_what_is_wider_mutes_what_is_narrower(tmp_path: Path) -> None:
    with on_call(tmp_path) as stage:
        stage.machine.open = [incident(platforms=("x",), scope=Scope.PROVIDER), incident("IR", ("youtube",))]
        stage.phone.wait_for(lambda _: stage.phone.to("chat"), "the provider in the chat")
        stage.phone.wait_for(lambda _: stage.pager(), "Iran's page")
        stage.machine.open.append(incident(platforms=("x",)))  # the nation
        world = incident(None, ("x",), kind=Kind.GLOBAL, scope=Scope.GLOBAL)
        wait_until(lambda: inhibited(stage, "ProviderDisruption"), 30, "the provider muted")
        stage.machine.open.append(world)
        wait_until(lambda: inhibited(stage, "NationScaleDisruption") == {("PK", "x")}, 30, "the nation muted")
        stage.phone.wait_for(lambda _: any("Global" in group for group in stage.pager()), "the world's page")
        active = {
            (alert["labels"]["alertname"], alert["labels"].get("country"))
            for alert in stage.alertmanager.alerts(inhibited=False)
        }
    assert {("NationScaleDisruption", "IR"), ("GlobalPlatformOutage", None)} <= active
    assert ("NationScaleDisruption", "PK") not in active


def test_a_storm_of_two_hundred_incidents_is_as_many_pages_as_countries(tmp_path: Path) -> None:
    countries = COUNTRIES[:50]
    with on_call(tmp_path) as stage:
        # Four incidents a country, no platform in ten countries at once: it is no platform's own outage.
        storm = [
            incident(c, (f"platform-{4 * (i // 5) + n}",)) for i, c in enumerate(countries) for n in range(4)
        ]
        assert len(storm) == 200
        stage.machine.open = storm
        stage.phone.wait_for(lambda _: len(stage.pager()) == 50, "a page for each country")
        stage.machine.open = []
        stage.phone.wait_for(lambda _: len(resolves(stage.phone.to("pager"))) == 50, "an end for each")
    calls = stage.phone.to("pager")
    assert len(pages(calls)) == len(resolves(calls)) == len({call.group for call in calls}) == 50
    assert len({alert["fingerprint"] for call in calls for alert in call.alerts}) == 200


def test_a_platform_that_is_gone_in_two_hundred_countries_is_one_page(tmp_path: Path) -> None:
    # Ten seconds of group_wait: however slow the machine, what mutes comes before what is muted is told.
    with on_call(tmp_path, pace=1 / 6) as stage:
        stage.machine.open = [incident(country, ("x",)) for country in COUNTRIES]
        stage.phone.wait_for(lambda _: stage.pager(), "a page")
        wait_until(lambda: len(inhibited(stage, "NationScaleDisruption")) == 200, 30, "200 muted")
        time.sleep(12)  # more than group_wait
        stage.machine.open = []
        stage.phone.wait_for(lambda _: resolves(stage.phone.to("pager")), "its end", 180)
    calls = stage.phone.to("pager")
    assert len(pages(calls)) == len(resolves(calls)) == 1
    assert pages(calls)[0].names() == {"GlobalPlatformOutage"}


def test_alertmanager_may_be_down_for_a_while(tmp_path: Path) -> None:
    with on_call(tmp_path) as stage:
        stage.alertmanager.stop()
        stage.machine.open = [incident()]
        stage.prometheus.wait_for('ALERTS{alertname="NationScaleDisruption", alertstate="firing"}')
        time.sleep(2)
        assert not stage.phone.to("pager")
        stage.alertmanager.start()
        stage.phone.wait_for(lambda _: stage.pager(), "the page, late")
        stage.alertmanager.stop()  # and again: what was told is not told twice
        time.sleep(1)
        stage.alertmanager.start()
        time.sleep(3)
        stage.machine.open = []
        stage.phone.wait_for(lambda _: resolves(stage.phone.to("pager")), "the end")
    calls = stage.phone.to("pager")
    assert len(pages(calls)) == len(resolves(calls)) == 1


def about_pakistan(phone: Webhook) -> list[Call]:
    """What the pager was told of a country, and not of the worker."""
    return [call for call in phone.to("pager") if 'country="PK"' in call.group]


def inhibited(stage: OnCall, name: str) -> set[tuple[str, str]]:
    """Places whose alert of this name is muted by another."""
    return {
        (alert["labels"]["country"], alert["labels"]["platform"])
        for alert in stage.alertmanager.alerts()
        if alert["labels"]["alertname"] == name and alert["status"]["inhibitedBy"]
    }
