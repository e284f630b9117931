"""For each page: what its commands find, what of it is the reader's own, and which of them are not run, and why.

A command of a page is run as printed, but for the words that are its reader's own: `HOST:PORT`, an incident's id, a
port that may be taken here. What asks for a cluster, for root or for the Internet is checked otherwise (`INSTEAD`),
or named in `NOT_RUN` with its reason. A command that is in none of these is run, so it fails where it does not work.
"""

from __future__ import annotations

import gzip
import shlex
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import trustme

from monitoring.shipped import ROOT
from tests.docs.world import BIN, World, environment
from tests.monitoring.servers import wait_until
from tests.producers.sources.ooni.measurements import Measurement, reached
from tests.streams.local.test_initial import BLACKBOX, PROMETHEUS

_NOON: Final = datetime(2024, 1, 14, 12, tzinfo=UTC)
_EVENT: Final = (
    "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//example//\r\nBEGIN:VEVENT\r\nUID:exam-1\r\nSUMMARY:Mathematics\r\n"
    "DTSTART:20240610T060000\r\nDTEND:20240610T080000\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)
_TABLE: Final = "id,country,title,start,end,source\nrally,PK,A rally,2024-01-20T15:00Z,2024-01-20T18:00Z,\n"
_LABELS: Final = 'only = { job = "netdusk" }\nconstants = { country = "PK", asn = "17557" }\n'
_CITIZEN_LAB: Final = (
    "url,category_code,category_description,date_added,source,notes\n"
    "https://forum.example/,GRP,Social Networking,2024-01-01,test,\n"
    "https://chat.example/,COMT,Communication Tools,2024-01-01,test,\n"
    "https://news.example/,NEWS,News Media,2024-01-01,test,\n"
)


@dataclass(frozen=True)
class Scene:
    """What the commands of a page find.

    `world`: everything runs (`World`); `archived`: and its archive is the page's. `ends` and `says` go by the beginning
    of a command: how it ends where not with 0, and words (a regular expression) that are in its answer beside those
    which the page shows. `until`: it runs until it is stopped; it is up when it has said so, and when the command in
    `once` succeeds. `leaves`: files that the page's commands write, and words that are in each.
    """

    world: bool = False
    archived: bool = False
    settings: Mapping[str, str] = field(default_factory=dict)
    files: Callable[[Path, World | None], None] = lambda _folder, _world: None
    words: Callable[[World, Path], Mapping[str, str]] = lambda _world, _folder: {}
    ends: Mapping[str, int] = field(default_factory=dict)
    says: Mapping[str, str] = field(default_factory=dict)
    until: Mapping[str, str] = field(default_factory=dict)
    once: Mapping[str, str] = field(default_factory=dict)
    leaves: Mapping[str, str] = field(default_factory=dict)


def write(folder: Path, **texts: str) -> None:
    """Files by their names, with `_` for the dot."""
    for name, text in texts.items():
        (folder / name.replace("_", ".")).write_text(text)


def netdusk(folder: Path, *arguments: str, **settings: str) -> str:
    """Run a command of ours, to make what a page takes for given."""
    done = subprocess.run(
        [BIN / "netdusk", *arguments],
        cwd=folder,
        env=environment(folder, **settings),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def downloaded(folder: Path, _world: World | None = None) -> None:
    """A day of OONI's in Uganda: YouTube is cut on four networks for three hours, Wikipedia is not."""
    (folder / "DOWNLOADED").mkdir()
    (folder / "DOWNLOADED" / "2024-01-14.jsonl").write_bytes(_measured(15))


def _measured(hours: int) -> bytes:
    lines = []
    for step in range(0, hours * 60, 5):
        at = _NOON - timedelta(hours=9) + timedelta(minutes=step)
        for asn in (20294, 36991, 37075, 37122):
            for url in ("https://www.youtube.com/", "https://www.wikipedia.org/"):
                cut = "youtube" in url and _NOON <= at < _NOON + timedelta(hours=3)
                host = url.removeprefix("https://").rstrip("/")
                made = reached(url)
                if cut:
                    made = Measurement(url).lookup("203.0.114.10", host=host).connect()
                    made = made.handshake("connection_reset", host=host).control()
                lines.append(
                    made.json(
                        probe_cc="UG",
                        probe_asn=f"AS{asn}",
                        measurement_start_time=f"{at:%Y-%m-%d %H:%M:%S}",
                        report_id=f"{at:%Y%m%dT%H%M%S}Z_webconnectivity_UG_{asn}_{'y' if 'youtube' in url else 'w'}",
                    )
                )
    return b"\n".join(lines) + b"\n"


def ingested(folder: Path, _world: World | None) -> None:
    """What docs/ingest.md reads: a packed day, a table with its mapping, labels of Prometheus."""
    (folder / "2024-01-20").mkdir()
    (folder / "2024-01-20" / "a.jsonl.gz").write_bytes(gzip.compress(_measured(2)))
    write(folder, labels_toml=_LABELS)


def reported(folder: Path, world: World | None) -> None:
    """What docs/report.md reads: results with an incident, calendars, a publisher's key, and what was published."""
    downloaded(folder)
    netdusk(folder, "ingest", "ooni", "DOWNLOADED/", "--output", "results.jsonl")
    write(folder, events_csv=_TABLE, exams_ics=_EVENT)
    netdusk(folder, "calendar", "import", "events.csv", "--output", "events.jsonl")
    write(folder, public=netdusk(folder, "vantage", "keygen", "publisher.key"))
    assert world is not None
    wait_until(lambda: list(Path(world.demo.archive).glob("incidents/**/*.parquet")), 60, "it is archived")
    published = (
        "report",
        world.demo.incident,
        "--bundle",
        "--key",
        "publisher.key",
        "--output",
        "last.jsonl",
    )
    netdusk(folder, *published, NETDUSK_ARCHIVE__URL=world.demo.archive)


def noted(folder: Path, world: World | None) -> None:
    """The rule of docs/notify.md, with a receiver of ours in the place of its two."""
    assert world is not None
    text = (ROOT / "docs" / "notify.md").read_text()
    rule = text.partition("```toml\n")[2].partition("```")[0]
    lines = [line for line in rule.splitlines() if not line.startswith("to = ")]
    to = f'to = ["json://{world.phone.target}/desk"]'
    (folder / "netdusk.toml").write_text("\n".join([lines[0], to, *lines[1:]]) + "\n")


def backtested(folder: Path, _world: World | None) -> None:
    """Results, and what the topics of an archive would give."""
    netdusk(
        folder,
        *("simulate", "mixed", "--seed", "4", "--days", "1", "--volume", "3", "--output", "RESULTS.jsonl"),
    )


def certified(folder: Path, _world: World | None) -> None:
    """Certificates of a Kafka and of its client; the folder of systemd's units."""
    (folder / "etc" / "systemd" / "system").mkdir(parents=True)
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "ca.crt"))
    client = authority.issue_cert("netdusk.example")
    client.private_key_pem.write_to_path(str(folder / "tls.key"))
    client.cert_chain_pems[0].write_to_path(str(folder / "tls.crt"))


def own_targets(folder: Path, _world: World | None) -> None:
    """Targets files of one's own, as runbooks name them; they are the small Internet's."""
    text = '[[target]]\nplatform = "shop"\nurl = "tcp://127.0.0.1:9"\nprivate = true\n'
    write(folder, targets_toml=text, inside_toml=text)


def _exported(folder: Path, _world: World | None) -> None:
    write(folder, pk_csv=_CITIZEN_LAB)


def _runbook(world: World, _folder: Path) -> Mapping[str, str]:
    return {
        "WORKER:9464": world.demo.worker.removeprefix("http://"),
        " close ID": f" close {world.demo.open_incident}",
        " ID ": f" {world.demo.incident} ",
    }


_RUNBOOK: Final = Scene(
    world=True,
    files=own_targets,
    words=_runbook,
    ends={
        # The targets of the small Internet that fail, and those that are nobody's.
        "netdusk probe --once --country PK": 1,
        "netdusk probe --once --country DE --platform youtube": 1,
        "netdusk probe --once --country DE --targets": 1,
        "netdusk incidents": 1,  # one is open
        "netdusk incidents close": 0,
        # Nothing was set aside, so `grep` finds nothing.
        "kcat -C -b $BROKER -t netdusk.rejected.v1 -o -100 -e | grep": 1,
    },
    says={
        "netdusk report": "Reachability",
        "netdusk topics --check": r"netdusk\.alerts\.v1",
        "netdusk probe --once --country DE --platform youtube": "connection_reset",
        "amtool config routes test": "dead-mans-switch",
        "curl -sS http://WORKER:9464/readyz": "ok",
    },
)

SCENES: Final[Mapping[str, Scene]] = {
    "README.md": Scene(),
    "docs/alerts.md": Scene(
        world=True,
        words=lambda world, _: {"127.0.0.1:9092": world.demo.bootstrap},
        says={"kcat": r'"status":"resolved"'},
    ),
    "docs/backup.md": Scene(
        world=True,
        words=lambda world, _: {"OLD:9092": world.demo.bootstrap, "NEW:9092": world.demo.bootstrap},
    ),
    "docs/country.md": Scene(world=True, files=own_targets, until={"netdusk control": "control answers"}),
    "docs/upgrade.md": Scene(world=True),
    "docs/detection.md": Scene(ends={"netdusk backtest": 1}, says={"netdusk backtest": "recall"}),
    "docs/history.md": Scene(
        world=True,
        files=backtested,
        until={"netdusk archive": "kept"},
        once={
            "netdusk archive": "ls state/netdusk/archive/windows/country=PK state/netdusk/archive/results/country=PK"
        },
        # The demonstration has an archiver, and one group shares the partitions.
        settings={
            "NETDUSK_ARCHIVE__FLUSH_SECONDS": "1",
            "NETDUSK_ARCHIVE__GROUP": "another",
            "NETDUSK_ARCHIVE__RESULTS": "true",
        },
        words=lambda _world, _folder: {
            "PK --archive kept": "AQ --archive kept",  # where what is simulated lies
        },
        ends={"netdusk backtest results.jsonl": 1},
        says={"netdusk history PK 2024-01 ": r"(?m)^x +\d", "netdusk history PK 2024-01-20 --by": "17557"},
    ),
    "docs/incidents.md": Scene(
        world=True, words=lambda world, _: {"pk-e54d25f6617ea5eb": world.demo.open_incident}
    ),
    "docs/index.md": Scene(
        world=True,
        words=lambda world, _: {"HOST:PORT": world.demo.bootstrap},
        says={"kcat": r"2024-01-20T13:40:00Z\tresolved\t"},
    ),
    "docs/ingest.md": Scene(
        world=True,
        files=ingested,
        words=lambda world, _: {
            "http://localhost:9090": world.prometheus.url,
            "2024-01-20T13:00:00Z": f"{datetime.now(UTC) - timedelta(minutes=5):%FT%TZ}",
            "2024-01-20T14:00:00Z": f"{datetime.now(UTC) + timedelta(seconds=30):%FT%TZ}",
        },
        until={"netdusk pull prometheus --url": r"asked.*written=[1-9]"},
        says={"curl": "results written", "netdusk ingest ooni": "results written"},
    ),
    "docs/install.md": Scene(
        files=certified,
        words=lambda _, folder: {
            "/opt/netdusk/": f"{folder}/opt/netdusk/",
            "/etc/": f"{folder}/etc/",
            "deploy/": f"{ROOT}/deploy/",
            "REGISTRY": "registry.example",
            "systemctl daemon-reload": "true",  # no systemd runs
            "my-values.yaml": "helm/netdusk/ci/page-values.yaml",
            "=…": "=secret",
        },
    ),
    "docs/mcp.md": Scene(world=True, words=lambda world, _: {"https://netdusk.example": world.demo.page}),
    "docs/notify.md": Scene(
        world=True,
        files=noted,
        settings={"NETDUSK_CONFIG": "netdusk.toml"},
        until={"netdusk notify": "telling", "netdusk notify --test": ""},
    ),
    "docs/own-services.md": Scene(
        files=lambda folder, _: write(folder, blackbox_yml=BLACKBOX, prometheus_yml=PROMETHEUS),
        ends={"netdusk targets import": 1},
        says={
            "netdusk init": "Try it: netdusk up --config here/netdusk.toml",
            "netdusk check-config": "good; fingerprint ",
            "netdusk targets check": "good; 1 target of shop.example",
        },
        leaves={"targets.toml": "payments"},
        until={"netdusk up": "waiting for the first result|warming|watching"},
    ),
    "docs/page.md": Scene(
        world=True,
        words=lambda world, _: {"8080": str(world.page_port)},
        until={"netdusk page": "serving the page"},
        once={"netdusk page": "curl -sf localhost:8080/readyz"},
        says={
            "curl 'localhost:8080/api/v1/incidents": '"country":"PK"',
            "curl 'localhost:8080/api/v1/series": "AS9541",
        },
    ),
    "docs/probing.md": Scene(
        world=True,
        files=_exported,
        words=lambda world, _: {"kafka.example.org:9093": world.demo.bootstrap},
        ends={"netdusk probe --once": 1, "netdusk targets import": 0},
        until={"netdusk probe --country PK": "measured|probing"},
    ),
    "docs/producing.md": Scene(world=True, words=lambda world, _: {"127.0.0.1:9092": world.demo.bootstrap}),
    "docs/report.md": Scene(
        world=True,
        files=reported,
        words=lambda world, folder: {
            "pk-99d9": world.demo.incident,
            "remove ID": "remove exam-1",
            "PUBLIC_KEY": (folder / "public").read_text().split()[-1],
        },
        archived=True,
        says={"netdusk verify": "is whole, signed"},
        leaves={"report.html": "SIMULATED|Uganda", "report.png": "PNG", "events.jsonl": "A rally"},
        ends={"netdusk backtest": 1},
    ),
    "docs/start-data.md": Scene(
        files=downloaded,
        ends={"netdusk backtest": 1},
        says={
            "netdusk ingest": "1,440 results written of 1 file: 1,296 ok",
            "netdusk history": r"(?m)^wikipedia +720 +100\.0%",
        },
        leaves={"report.html": "Uganda", "incidents.jsonl": '"status":"resolved"'},
    ),
    "docs/benchmarks.md": Scene(),
    "monitoring/README.md": Scene(),
    "helm/netdusk/README.md": Scene(),
    **{f"docs/runbooks/{path.name}": _RUNBOOK for path in sorted((ROOT / "docs" / "runbooks").glob("*.md"))},
}


@dataclass(frozen=True)
class Instead:
    """How what begins so is checked where it can't be run: by another command, in a folder (None: the page's)."""

    begins: str
    command: Callable[[str], str]
    why: str
    folder: Path | None = ROOT


def _extras(command: str) -> str:
    wanted = command.partition("[")[2].partition("]")[0].split(",")
    test = (
        "import tomllib; project = tomllib.load(open('pyproject.toml', 'rb'))['project']; "
        f"assert set({wanted}) <= set(project['optional-dependencies'])"
    )
    return f"python -c {shlex.quote(test)}"


def _composed(command: str) -> str:
    words = shlex.split(command)
    path = words[words.index("-f") + 1]
    profiles = [words[words.index("--profile") + 1]] if "--profile" in words else []
    test = (
        f"import yaml; services = yaml.safe_load(open({path!r}))['services'].values(); "
        f"assert set({profiles}) <= {{name for one in services for name in one.get('profiles', ())}}"
    )
    return f"python -c {shlex.quote(test)}"


INSTEAD: Final = (
    Instead("make ", lambda command: command.replace("make ", "make -n ", 1), "it takes minutes or servers"),
    Instead("helm install ", lambda command: command.replace("install", "template", 1), "no cluster"),
    Instead("kubectl create ", lambda command: f"{command} --dry-run=client -o name", "no cluster", None),
    Instead("pip install ", _extras, "the environment has them"),
    Instead("docker compose ", _composed, "no daemon; tests/deploy holds the file against Compose's schema"),
    Instead("NETDUSK_COUNTRY=DE NETDUSK_ASN=3320 docker compose ", _composed, "no daemon"),
    Instead(
        "systemd-analyze security netdusk-worker",
        lambda _: (
            "systemd-analyze security --offline=true deploy/systemd/netdusk-worker.service | grep ': 1.2 '"
        ),
        "it is not installed here; the figure is compared",
    ),
)


@dataclass(frozen=True)
class NotRun:
    """A command that nothing here runs: why, and (`test`, `words`) which test has what of it."""

    page: str
    begins: str
    why: str
    test: str = ""
    words: str = ""


NOT_RUN: Final = (
    NotRun("docs/index.md", "netdusk demo", "the pages meet what it does", "tests/docs/world.py", '"demo", '),
    NotRun(
        "docs/alerts.md", "go mod init", "run there", "tests/streams/kafka/test_examples.py", "go mod init"
    ),
    NotRun("docs/detection.md", "git clone", "from the Internet"),
    *(
        NotRun("docs/ingest.md", f"netdusk pull {source}", "from the Internet", test, "pull_once")
        for source, test in (
            ("ioda", "tests/streams/local/test_pulling.py"),
            ("ripe-atlas", "tests/streams/local/test_pulling.py"),
            ("cloudflare", "tests/streams/local/test_pulling.py"),
        )
    ),
    NotRun(
        "docs/install.md",
        "make env && .venv/bin/netdusk up",
        "docs/own-services.md starts it",
        "docs/own-services.md",
        "netdusk up",
    ),
    NotRun(
        "docs/ingest.md",
        "netdusk up",
        "docs/own-services.md starts it",
        "docs/own-services.md",
        "netdusk up",
    ),
    NotRun("docs/country.md", "netdusk pull ioda", "from the Internet"),
    NotRun("docs/install.md", "skopeo inspect", "from a registry"),
    NotRun("docs/install.md", "docker build", "no daemon", "Dockerfile", "ARG BASE"),
    NotRun("docs/install.md", "docker push", "to a registry"),
    NotRun("docs/install.md", "helm test", "no cluster", "tests/chart/e2e/installs.py", "test"),
    NotRun("helm/netdusk/README.md", "helm test", "no cluster", "tests/chart/e2e/installs.py", "test"),
    NotRun("docs/install.md", "python3 -m venv /opt", "`make env` does the same", "Makefile", "-m venv"),
    NotRun(
        "docs/install.md", "/opt/netdusk/bin/pip", "`make env` does the same", "Makefile", "--require-hashes"
    ),
    NotRun("docs/install.md", "systemctl", "no systemd runs", "tests/deploy/test_systemd.py", "verify"),
    NotRun("docs/probing.md", "netdusk targets verify", "the key is its publisher's"),
    NotRun("docs/probing.md", "scp ", "another machine"),
    NotRun("docs/probing.md", "ssh ", "another machine"),
    NotRun(
        "docs/producing.md",
        "kafka-topics.sh",
        "others read these topics",
        "tests/faults/test_topics_change.py",
        "partitions",
    ),
    NotRun("monitoring/README.md", "netdusk demo", "the pages meet it", "tests/docs/world.py", '"demo", '),
    NotRun(
        "monitoring/README.md", "prometheus ", "run there", "tests/monitoring/servers.py", "--config.file"
    ),
)
