"""What `netdusk init` writes: settings, targets, rules, Prometheus and Alertmanager files, a unit or Compose file.

Plain text with reasons in it; nothing here asks, and nothing is written. Each settings file is one that `netdusk
check-config` takes.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from pathlib import PurePosixPath
from typing import Final

from producers.probe.target_text import platforms_of, target_text
from streams.profiles import Profile
from streams.release import release


class Runs(StrEnum):
    """What starts netdusk at boot."""

    SYSTEMD = "systemd"
    COMPOSE = "compose"
    NOTHING = "none"


@dataclass(frozen=True, kw_only=True)
class InitAnswers:
    """What has to be known of an installation."""

    profile: Profile
    country: str
    asn: int
    urls: tuple[str, ...]
    runs: Runs
    vantage: str | None = None


SETTINGS: Final = "netdusk.toml"
TARGETS: Final = "targets.toml"
UNIT: Final = "netdusk.service"
#: Where docs/install.md puts netdusk.
INSTALLED: Final = "/opt/netdusk/bin/netdusk"


def texts(answers: InitAnswers, program: str) -> dict[str, str]:
    """Every file by its name, relative to the folder; `program` is how netdusk is called on this machine."""
    made = {SETTINGS: _settings(answers), "prometheus.yml": _prometheus(answers), **_rules(answers)}
    if answers.urls:
        made[TARGETS] = "\n".join(
            (
                _TARGETS_HEAD,
                *(
                    target_text(name, url)
                    for name, url in zip(platforms_of(answers.urls), answers.urls, strict=True)
                ),
            )
        )
    if answers.runs is Runs.SYSTEMD:
        installed = INSTALLED if (hidden := is_hidden(program)) else program
        made[UNIT] = _UNIT.format(program=installed, install=_INSTALL if hidden else "")
    elif answers.runs is Runs.COMPOSE:
        made["compose.yaml"] = _COMPOSE.format(version=release())
    return made


#: What our unit hides from its own program: homes (ProtectHome), and what is temporary (PrivateTmp).
_HIDDEN: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108  names, no file is made


def is_hidden(program: str) -> bool:
    """Whether a program lies where our unit would not see it: somebody's home, a folder for temporary files.

    >>> [is_hidden(f"{folder}/.venv/bin/netdusk") for folder in ("/home/sam", "/tmp/x", "/opt/netdusk", "/homely")]
    [True, True, False, False]
    """
    return any(PurePosixPath(program).is_relative_to(folder) for folder in _HIDDEN)


_TARGETS_HEAD: Final = """\
# What is asked. docs/probing.md explains every key.
#   platform   the name that incidents and alerts have
#   statuses   good answers; 200 to 399 if not given: statuses = ["2xx", 401]
#   private    true where the name leads to an address of your own network
"""


def _settings(answers: InitAnswers) -> str:
    lines = [
        "# Settings of netdusk. `netdusk check-config --config netdusk.toml` says whether they are good.",
        "",
        '# "own": services of your own, from vantages of your own. "observatory": platforms of others, by country.',
        f'profile = "{answers.profile}"',
        "",
        "[probe]",
        "# Where this vantage stands: ISO 3166-1 alpha-2, and the number of its network (0: not known).",
        f'country = "{answers.country}"',
        f"asn = {answers.asn}",
    ]
    if answers.vantage is not None:
        lines += [
            "# Its name. It shows in records and to whoever reads them.",
            f'vantage = "{answers.vantage}"',
        ]
    if answers.urls:
        lines += [f'targets = "{TARGETS}"']
    lines += ["# Its own /metrics: certificates, its spool, how its attempts end.", "metrics_port = 9465", ""]
    lines += ["[http]", "# The worker's /metrics, /healthz, /readyz.", "port = 9464", ""]
    return "\n".join(lines)


def _prometheus(answers: InitAnswers) -> str:
    rules = "\n".join(f"  - {name}" for name in _rules(answers) if name.endswith(".yaml"))
    return _PROMETHEUS.format(rules=rules, seconds=5 if answers.profile == "own" else 15)


def _rules(answers: InitAnswers) -> dict[str, str]:
    shipped = files("streams.local.starting")
    own = "netdusk-own.yaml" if answers.profile == "own" else "netdusk-incidents.yaml"
    made = {
        f"rules/{name}": shipped.joinpath(name).read_text()
        for name in (own, "netdusk-self.yaml", "netdusk-canary.yaml")
    }
    made["alertmanager.yml"] = shipped.joinpath(f"alertmanager-{answers.profile}.yml").read_text()
    return made


_PROMETHEUS: Final = """\
# For Prometheus: check with `promtool check config prometheus.yml`. Put the parts into your own where you have one.
global:
  scrape_interval: {seconds}s
  evaluation_interval: {seconds}s
rule_files:
{rules}
alerting:
  alertmanagers:
    - static_configs: [{{targets: ["127.0.0.1:9093"]}}]
scrape_configs:
  - job_name: netdusk
    static_configs:
      - targets: ["127.0.0.1:9464"]  # worker
      - targets: ["127.0.0.1:9465"]  # probe
"""

_INSTALL: Final = """\
# A service sees nobody's home, and no temporary folder. So first, where netdusk's source is:
#   python3 -m venv /opt/netdusk
#   /opt/netdusk/bin/pip install --require-hashes -r requirements/run.txt && /opt/netdusk/bin/pip install --no-deps .
"""
_UNIT: Final = """\
# /etc/systemd/system/netdusk.service; the other files go to /etc/netdusk.
{install}# systemctl daemon-reload && systemctl enable --now netdusk
[Unit]
Description=netdusk: broker, worker, probe and canary on one machine
After=network-online.target
Wants=network-online.target

[Service]
ExecStart={program} up --config /etc/netdusk/netdusk.toml --folder /var/lib/netdusk/stack
WorkingDirectory=/etc/netdusk
StateDirectory=netdusk
Environment=XDG_CACHE_HOME=/var/cache/netdusk
CacheDirectory=netdusk
DynamicUser=yes
NoNewPrivileges=yes
ProtectHome=yes
PrivateTmp=yes
Restart=always
RestartSec=5
# The worker hands over before the broker goes.
TimeoutStopSec=40

[Install]
WantedBy=multi-user.target
"""

_COMPOSE: Final = """\
# Where netdusk's source is: docker build -t localhost/netdusk:{version} .
# Here: docker compose up -d. The page is then at http://127.0.0.1:8080
services:
  netdusk:
    image: localhost/netdusk:{version}
    command: [up, --config, /etc/netdusk/netdusk.toml, --folder, /var/lib/netdusk/stack]
    working_dir: /etc/netdusk
    volumes:
      - ./:/etc/netdusk:ro
      - state:/var/lib/netdusk
    # The page, the worker's figures, the probe's.
    ports: ["127.0.0.1:8080:8080", "127.0.0.1:9464:9464", "127.0.0.1:9465:9465"]
    environment:
      NETDUSK_HTTP__HOST: 0.0.0.0
      NETDUSK_PAGE__HOST: 0.0.0.0
    stop_grace_period: 40s
    restart: unless-stopped
    read_only: true
    tmpfs: [/tmp]
volumes:
  state:
"""
