"""The servers themselves: a figure becomes an alert, a page, and its end."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.monitoring.servers import Alertmanager, Exporter, Prometheus, Webhook, pages, resolves

pytestmark = pytest.mark.integration

RULES = {
    "groups": [
        {
            "name": "g",
            "interval": "200ms",
            "rules": [{"alert": "Broken", "expr": "broken == 1", "labels": {"a": "b"}}],
        }
    ]
}


def routes(url: str) -> dict[str, object]:
    return {
        "route": {"receiver": "phone", "group_by": ["a"], "group_wait": "0s", "group_interval": "1s"},
        "receivers": [{"name": "phone", "webhook_configs": [{"url": url}]}],
    }


def test_a_figure_becomes_a_page_and_its_end(tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(yaml.safe_dump(RULES))
    figures: list[bytes | None] = [None]
    with (
        Exporter(lambda: figures[0]) as exporter,
        Webhook() as phone,
        Alertmanager(tmp_path, routes(f"{phone.url}phone")) as alertmanager,
        Prometheus(
            tmp_path, [exporter.target], rules=[rules], alertmanagers=[alertmanager.target], seconds=0.2
        ) as prometheus,
    ):
        prometheus.wait_for("up == 0")
        figures[0] = b"broken 1\n"
        phone.wait_for(pages, "a page")
        assert prometheus.firing() == {"Broken"}
        assert [alert["labels"]["alertname"] for alert in alertmanager.alerts()] == ["Broken"]
        figures[0] = b"broken 0\n"
        calls = phone.wait_for(resolves, "its end")
    assert len(pages(calls)) == len(resolves(calls)) == 1
    assert phone.to("phone") == calls


def test_a_process_that_cannot_start_says_why(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"alertmanager ended with 1:[\s\S]*nowhere"):
        Alertmanager(tmp_path, {"route": {"receiver": "nowhere"}}).start()
