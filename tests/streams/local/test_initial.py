"""What `netdusk init` writes, held against what reads it; and targets out of a blackbox_exporter's files."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jsonschema
import pytest
import yaml
from typer.testing import CliRunner

from producers.probe.targets import load_targets
from streams.commands import init, targets
from streams.errors import SettingsError
from streams.local.canary_watch import CanaryWatch
from streams.local.initial import InitAnswers, Runs, texts
from streams.local.live import Board
from streams.release import release
from streams.settings import load
from tests.monitoring.servers import program
from tests.monitoring.world import incident

GIVEN = [
    "--country",
    "de",
    "--asn",
    "64500",
    "--url",
    "https://shop.example/health",
    "--url",
    "http://10.0.0.7:8080/",
]


def made(folder: Path, *arguments: str) -> Path:
    outcome = CliRunner().invoke(init.app, [str(folder), *arguments])
    assert outcome.exit_code == 0, outcome.output or outcome.exception
    return folder


@pytest.mark.parametrize("profile", ["own", "observatory"])
@pytest.mark.parametrize("runs", ["systemd", "compose", "none"])
def test_every_file_is_good(tmp_path: Path, profile: str, runs: str) -> None:
    folder = made(tmp_path / "n", *GIVEN, "--profile", profile, "--runs", runs)
    settings = load(folder / "netdusk.toml")
    assert (settings.profile, settings.probe.country, settings.probe.asn) == (profile, "DE", 64500)
    asked = load_targets(settings.probe.targets).target
    assert [(one.platform, one.private) for one in asked] == [("shop.example", False), ("10.0.0.7", True)]
    prometheus = yaml.safe_load((folder / "prometheus.yml").read_text())
    assert all((folder / name).is_file() for name in prometheus["rule_files"])
    own = (folder / "rules" / "netdusk-own.yaml").exists()
    assert own == (profile == "own") != (folder / "rules" / "netdusk-incidents.yaml").exists()
    assert (folder / "netdusk.service").exists() == (runs == "systemd")
    if runs == "compose":
        assert "netdusk" in yaml.safe_load((folder / "compose.yaml").read_text())["services"]


@pytest.mark.integration
@pytest.mark.parametrize("profile", ["own", "observatory"])
def test_prometheus_and_alertmanager_take_them(tmp_path: Path, profile: str) -> None:
    folder = made(tmp_path / "n", *GIVEN, "--profile", profile)
    for check in (
        [program("promtool"), "check", "config", str(folder / "prometheus.yml")],
        [program("amtool"), "check-config", str(folder / "alertmanager.yml")],
    ):
        done = subprocess.run(check, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.integration
@pytest.mark.parametrize("called", ["/home/sam/netdusk/.venv/bin/netdusk", "/srv/netdusk/bin/netdusk"])
def test_systemd_takes_the_unit(tmp_path: Path, called: str) -> None:
    text = texts(InitAnswers(profile="own", country="DE", asn=1, urls=(), runs=Runs.SYSTEMD), called)[
        "netdusk.service"
    ]
    unit = tmp_path / "netdusk.service"
    for right in (True, False):
        # A program that is on this machine: systemd looks for it.
        unit.write_text(re.sub(r"(?m)^ExecStart=\S+", f"ExecStart={sys.executable}", text))
        if not right:
            unit.write_text(unit.read_text().replace("RestartSec=", "RestartSeconds="))
        done = subprocess.run(
            [program("systemd-analyze"), "verify", str(unit)], capture_output=True, text=True, check=False
        )
        assert (done.returncode == 0 and not done.stderr) == right, done.stderr


@pytest.mark.integration
def test_compose_takes_the_file(tmp_path: Path) -> None:
    folder = made(tmp_path / "n", *GIVEN, "--runs", "compose")
    schema = Path(__file__).parents[3] / ".cache" / "chart" / "compose-spec.json"
    assert schema.is_file(), f"{schema} is missing: run `make servers`"
    validator = jsonschema.Draft202012Validator(json.loads(schema.read_text()))
    text = (folder / "compose.yaml").read_text()
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []
    assert not validator.is_valid(yaml.safe_load(text.replace("restart:", "restarts:")))


def test_nothing_is_written_over_and_what_is_missing_is_said(tmp_path: Path) -> None:
    folder = made(tmp_path / "n", *GIVEN)
    for arguments, words in (
        ([str(folder), *GIVEN], "--force"),
        ([str(tmp_path / "o"), "--url", "https://a.example/"], "--country"),
        ([str(tmp_path / "o"), "--country", "DE"], "--url"),
        ([str(tmp_path / "o"), "--country", "ZZ"], "ISO 3166-1"),
        (
            [str(tmp_path / "o"), "--country", "Germany"],
            "--country Germany: write a code of ISO 3166-1 alpha-2, here DE",
        ),
        (
            [str(tmp_path / "o"), "--country", "DE", "--url", "shop.example"],
            "--url: url = 'shop.example': the scheme has to be one of ",
        ),
    ):
        outcome = CliRunner().invoke(init.app, arguments)
        assert isinstance(outcome.exception, SettingsError)
        assert words in str(outcome.exception)


def test_a_service_is_not_told_to_run_what_lies_in_a_home() -> None:
    """ProtectHome hides it, and the home of a user is closed to others."""
    asked = InitAnswers(profile="own", country="DE", asn=1, urls=(), runs=Runs.SYSTEMD)
    for called, run in (
        ("/home/sam/netdusk/.venv/bin/netdusk", "/opt/netdusk/bin/netdusk"),
        ("/root/netdusk/.venv/bin/netdusk", "/opt/netdusk/bin/netdusk"),
        ("/var/tmp/netdusk/.venv/bin/netdusk", "/opt/netdusk/bin/netdusk"),
        ("/srv/netdusk/.venv/bin/netdusk", "/srv/netdusk/.venv/bin/netdusk"),
    ):
        unit = texts(asked, called)["netdusk.service"]
        assert f"\nExecStart={run} up " in unit
        assert ("python3 -m venv /opt/netdusk" in unit) == (run != called)
        assert "ProtectHome=yes" in unit


def test_the_compose_file_names_the_image_that_its_own_command_builds() -> None:
    text = texts(InitAnswers(profile="own", country="DE", asn=1, urls=(), runs=Runs.COMPOSE), "")[
        "compose.yaml"
    ]
    service = yaml.safe_load(text)["services"]["netdusk"]
    assert f"docker build -t {service['image']} ." in text
    assert service["image"].endswith(f":{release()}")
    assert {port.split(":", 1)[1] for port in service["ports"]} == {"8080:8080", "9464:9464", "9465:9465"}


BLACKBOX = """
modules:
  http_2xx: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}
  api: {prober: http, http: {valid_status_codes: [200, 401], fail_if_body_matches_regexp: [down]}}
  tls: {prober: tcp, tcp: {tls: true, tls_config: {insecure_skip_verify: true}}}
  ping: {prober: icmp}
"""
PROMETHEUS = """
scrape_configs:
  - job_name: node
    static_configs: [{targets: ["localhost:9100"]}]
  - job_name: pages
    metrics_path: /probe
    params: {module: [http_2xx]}
    static_configs:
      - targets: ["https://www.shop.example/", "blog.example"]
      - {targets: ["https://pay.example/x"], labels: {service: payments}}
  - job_name: api
    params: {module: [api]}
    static_configs: [{targets: ["https://api.example/v1"]}]
  - job_name: mail
    params: {module: [tls]}
    static_configs: [{targets: ["mail.example:465"]}]
  - job_name: pings
    params: {module: [ping]}
    static_configs: [{targets: ["10.0.0.1"]}]
"""


def test_a_blackbox_exporters_files_are_targets(tmp_path: Path) -> None:
    blackbox, prometheus, out = tmp_path / "blackbox.yml", tmp_path / "prometheus.yml", tmp_path / "t.toml"
    blackbox.write_text(BLACKBOX)
    prometheus.write_text(PROMETHEUS)
    arguments = ["import", str(blackbox), str(prometheus), "--output", str(out)]
    outcome = CliRunner().invoke(targets.app, arguments)
    assert outcome.exit_code == 1  # something was left out, and is said
    assert "prober icmp has no counterpart" in outcome.stderr
    assert "fail_if_body_matches_regexp not heeded" in outcome.stderr
    found = {one.url: one for one in load_targets(out).target}
    assert list(found) == [
        "https://www.shop.example/",
        "http://blog.example",
        "https://pay.example/x",
        "https://api.example/v1",
        "tls://mail.example:465",
    ]
    assert [one.platform for one in found.values()] == [
        "shop.example",
        "blog.example",
        "payments",
        "api.example",
        "mail.example",
    ]
    assert found["https://api.example/v1"].statuses == {200, 401}
    assert found["http://blog.example"].timeout_seconds == 5
    assert not found["tls://mail.example:465"].verify
    assert "good; 5 targets" in CliRunner().invoke(targets.app, ["check", str(out)]).output
    prometheus.write_text("scrape_configs: []")
    nothing = CliRunner().invoke(targets.app, ["import", str(blackbox), str(prometheus)])
    assert "no target came of it" in str(nothing.exception)


ODD_BLACKBOX = """
modules:
  http_2xx: {prober: http, http: {fail_if_ssl: true}}
  slow: {prober: http, timeout: 10m}
  nobody: {prober: http, http: {valid_status_codes: [99]}}
  tcp: {prober: tcp}
"""
ODD_PROMETHEUS = """
scrape_configs:
  - 5
  - job_name: pages
    params: {module: http_2xx}
    static_configs:
      - targets: ["https://user:secret@shop.example/", "http://a.example:99999/", "", "https://[2001:db8::1]/",
                  "https://dns_name.example/", 'https://quote.example/"x', "https://xn--caf-dma.example/"]
      - {targets: ["https://pay.example/"], labels: {service: Shop API}}
      - {targets: ["https://zh.example/"], labels: {service: 店}}
  - {job_name: slow, params: {module: [slow]}, static_configs: [{targets: [slow.example]}]}
  - {job_name: nobody, params: {module: [nobody]}, static_configs: [{targets: [nobody.example]}]}
  - {job_name: ports, params: {module: [tcp]}, static_configs: [{targets: ["db.example:5432", "db.example:6379"]}]}
"""


def test_an_odd_target_is_left_out_by_itself_and_every_name_is_one_that_may_be(tmp_path: Path) -> None:
    blackbox, prometheus, out = tmp_path / "blackbox.yml", tmp_path / "prometheus.yml", tmp_path / "t.toml"
    blackbox.write_text(ODD_BLACKBOX)
    prometheus.write_text(ODD_PROMETHEUS)
    outcome = CliRunner().invoke(
        targets.app, ["import", str(blackbox), str(prometheus), "--output", str(out)]
    )
    assert outcome.exit_code == 1, outcome.exception
    assert {one.url: one.platform for one in load_targets(out).target} == {
        "https://[2001:db8::1]/": "ip6-2001-db8-1",
        "https://dns_name.example/": "dns_name.example",
        'https://quote.example/"x': "quote.example",
        "https://xn--caf-dma.example/": "xn--caf-dma.example",
        "https://pay.example/": "shop-api",
        "https://zh.example/": "zh.example",
        "tcp://db.example:5432": "db.example-5432",  # two services: one that is down is no part of the other
        "tcp://db.example:6379": "db.example-6379",
    }
    assert outcome.stderr.splitlines() == [
        "module http_2xx: fail_if_ssl not heeded",
        "job pages: url = 'https://…@shop.example/': take the user name, password or #fragment out: a probe sends none",
        "job pages: url = 'http://a.example:99999/': Port out of range 0-65535; write a URL like "
        "https://example.org/robots.txt",
        "job pages: url = 'http://': name a host, as in https://example.org/",
        "job slow: timeout_seconds = 600: can be at most 300",
        'job nobody: statuses = [99]: 99 is no HTTP status; write status codes and classes of them, like [200, "3xx"]',
    ]
    assert "secret" not in outcome.stderr


@pytest.mark.parametrize("text", ["modules: [5]", "scrape_configs: {job: 5}"])
def test_a_file_of_another_form_is_said_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "odd.yml").write_text(text)
    outcome = CliRunner().invoke(targets.app, ["import", str(tmp_path / "odd.yml")])
    assert isinstance(outcome.exception, SettingsError)
    assert "has to be a" in str(outcome.exception)


def test_the_canary_is_heard_of_only_where_its_outage_did_not_come_out() -> None:
    noon = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
    watch = CanaryWatch(noon)
    assert watch.complaint(noon + timedelta(minutes=40)) is None  # it had not sung for long enough
    canary = incident("QN", ("canary",), onset=noon + timedelta(hours=1, minutes=20), simulated=True)
    assert watch.take(canary)
    assert not watch.take(incident("PK"))
    assert watch.complaint(noon + timedelta(hours=1, minutes=33)) is None
    complaint = watch.complaint(noon + timedelta(hours=2, minutes=33))
    assert complaint is not None
    assert "14:20 UTC" in complaint
    assert watch.complaint(noon + timedelta(hours=2, minutes=34)) is None


def test_the_board_says_what_goes_on() -> None:
    board = Board("t", {}, simulated=False)
    assert board.says() == "starting"
    board.take([])
    assert board.says() == "waiting for the first result"
    board.ratios = {("x", "1"): 1.0, ("y", "1"): 1.0}
    board.warming = 2
    assert board.says().startswith("results arrive; warming up")
    board.warming = 1
    assert board.says() == "watching 2 cells; 1 of 2 still learning what is usual; all healthy"
    board.warming, board.active = 0, {"x"}
    assert board.says() == "watching 2 cells; x failing"
    del board.ratios["y", "1"]
    assert board.says() == "watching 1 cell; x failing"
