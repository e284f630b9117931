"""Services of one's own, from a figure to a telephone: the shipped rules and waits as they are, on real servers."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import pytest
import yaml

from detectors.readings import Pulse
from monitoring.config import ON_CALL
from monitoring.shipped import ROOT, own_rules, rule_files
from streams.records import Scope
from tests.monitoring.oncall import write
from tests.monitoring.servers import Alertmanager, Exporter, Prometheus, Webhook, pages, resolves
from tests.monitoring.world import Machine, Page, incident

pytestmark = pytest.mark.integration

#: Two scrapes, two evaluations, and Alertmanager's wait: with what netdusk takes (tests/streams/test_profiles.py) under
#: three minutes from the first failure, and from the last.
SECONDS: Final = 40.0
SCRAPE_SECONDS: Final = 5


def alertmanager(url: str) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ROOT / "monitoring/alertmanager/own.yml").read_text())
    for receiver in config["receivers"]:
        for webhook in receiver.get("webhook_configs", []):
            webhook["url"] = f"{url}{(urlsplit(webhook['url']).hostname or '').partition('.')[0]}"
    return config


def test_a_service_is_paged_and_its_end_told_within_seconds(tmp_path: Path) -> None:
    pulse = Pulse("DE", False, 2, 2, int(time.time()))
    machine = Machine(heard=[pulse])
    page = Page({"netdusk.probes.v1-0": machine}, now=time.time)
    rules = own_rules(ON_CALL) | {
        name: text for name, text in rule_files(ON_CALL).items() if name == "netdusk-self.yaml"
    }
    with (
        Exporter(page.figures) as exporter,
        Webhook() as phone,
        Alertmanager(tmp_path, alertmanager(phone.url)) as manager,
        Prometheus(
            tmp_path,
            [exporter.target],
            rules=write(tmp_path, rules),
            alertmanagers=[manager.target],
            seconds=SCRAPE_SECONDS,
        ) as prometheus,
    ):
        prometheus.wait_for("netdusk_build_info")
        machine.open = [
            incident("DE", ("shop",), scope=Scope.MULTI_PROVIDER, mechanism="tcp.connection_refused")
        ]
        began = time.monotonic()
        phone.wait_for(lambda _: pages(phone.to("pager")), "the page", SECONDS)
        paged = time.monotonic() - began
        machine.open = []
        began = time.monotonic()
        phone.wait_for(lambda _: resolves(phone.to("pager")), "the end", SECONDS)
        ended = time.monotonic() - began
    assert max(paged, ended) <= SECONDS
    (call,) = pages(phone.to("pager"))
    (alert,) = call.alerts
    assert alert["labels"]["alertname"] == "ServiceUnreachable"
    assert alert["annotations"]["description"].endswith(
        "Most failures are tcp.connection_refused. Control from elsewhere answers: look at the way from here."
    )
