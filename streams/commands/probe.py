"""`netdusk probe`: measure real targets and write down what happened."""

from __future__ import annotations

import asyncio
import sys
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import structlog
import typer

from producers.probe.attempt import Outcome
from producers.records import ProbeResult, encode
from producers.steps import STEPS
from streams.local import lean
from streams.process import OWN_PROCESS
from streams.settings import Settings, load, with_bootstrap

if TYPE_CHECKING:
    from streams.local.probing import Probing

app = typer.Typer(add_completion=False)
log = structlog.get_logger()

_WHERE: Final = "Where this vantage stands"
_WHAT: Final = "What it asks, and how"
_OUT: Final = "Where results go"

#: A paragraph has to be one line: typer keeps line breaks.
_HELP: Final = "\n\n".join(
    (
        "Ask each target over real sockets, step by step (DNS, TCP, TLS, QUIC, HTTP), and write down what happened.",
        "Without --once and --print, results go to the probes topic until SIGTERM or SIGINT; while no broker answers, "
        "they wait in the spool. What is given here goes over the environment and the settings file's table `probe`.",
        "Read docs/probing.md first: probing shows on the network, and can be a risk to whoever runs it.",
        "Try it: netdusk probe --once --country DE",
        "Exit codes: 0 good; 1 some target failed (--once alone); 2 bad usage, settings or targets file.",
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _WayOut:
    """Where results go, and how many; `own` says whether the process does nothing else."""

    once: bool
    print_only: bool
    as_json: bool
    count: int | None
    own: bool


# The options, in the order in which the help shows them.
_Country = Annotated[str | None, typer.Option(help="ISO 3166-1 code, like PK.", rich_help_panel=_WHERE)]
_Region = Annotated[str | None, typer.Option(help="ISO 3166-2 code, like PK-PB.", rich_help_panel=_WHERE)]
_Asn = Annotated[int | None, typer.Option(help="The network's number, like 17557.", rich_help_panel=_WHERE)]
_Vantage = Annotated[
    str | None, typer.Option(help="A name for it; country and ASN if not given.", rich_help_panel=_WHERE)
]
_Targets = Annotated[
    Path | None, typer.Option(help="Targets file (TOML); a good list is built in.", rich_help_panel=_WHAT)
]
_Platform = Annotated[
    list[str] | None, typer.Option(help="Only this platform; may be repeated.", rich_help_panel=_WHAT)
]
_Interval = Annotated[float | None, typer.Option(help="Seconds between rounds.", rich_help_panel=_WHAT)]
_Timeout = Annotated[
    float | None, typer.Option(help="Seconds that one attempt may take in all.", rich_help_panel=_WHAT)
]
_Concurrency = Annotated[
    int | None, typer.Option(help="Attempts under way at once, at most.", rich_help_panel=_WHAT)
]
_Resolver = Annotated[
    str | None,
    typer.Option(help="Name server, ADDRESS[:PORT]; the system's if not given.", rich_help_panel=_WHAT),
]
_Authorities = Annotated[
    Path | None,
    typer.Option(help="Certificate authorities (PEM); the system's if not given.", rich_help_panel=_WHAT),
]
_AllowPrivate = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        help="Ask targets with private = true: services of your own.",
        rich_help_panel=_WHAT,
    ),
]
_Control = Annotated[
    list[str] | None,
    typer.Option(
        help="Control outside of the country: its /v1/check, or a file or URL that a probe there writes; may be "
        "repeated.",
        rich_help_panel=_WHAT,
    ),
]
_ControlQuorum = Annotated[
    int | None, typer.Option(help="So many controls have to agree.", rich_help_panel=_WHAT)
]
_Once = Annotated[
    bool, typer.Option("--once", help="One round, printed; nothing is sent.", rich_help_panel=_OUT)
]
_PrintOnly = Annotated[
    bool,
    typer.Option("--print", help="Print results as JSON lines; nothing is sent.", rich_help_panel=_OUT),
]
_AsJson = Annotated[
    bool,
    typer.Option("--json", help="JSON lines in place of the table of --once.", rich_help_panel=_OUT),
]
_Count = Annotated[int | None, typer.Option(min=1, help="End after so many results.", rich_help_panel=_OUT)]
_Bootstrap = Annotated[
    str | None,
    typer.Option(help="Broker, host:port[,host:port]; over the settings.", rich_help_panel=_OUT),
]
_Spool = Annotated[
    Path | None,
    typer.Option(help="Folder where results wait for an absent broker.", rich_help_panel=_OUT),
]
_ControlOut = Annotated[
    Path | None, typer.Option(help="Write a control file for others.", rich_help_panel=_OUT)
]
_MetricsPort = Annotated[
    int | None,
    typer.Option(help="Serve /metrics on this port; 0 takes any free one.", rich_help_panel=_OUT),
]


@app.command(help=_HELP)
def probe(
    context: typer.Context,
    country: _Country = None,
    region: _Region = None,
    asn: _Asn = None,
    vantage: _Vantage = None,
    targets: _Targets = None,
    platform: _Platform = None,
    interval: _Interval = None,
    timeout: _Timeout = None,
    concurrency: _Concurrency = None,
    resolver: _Resolver = None,
    authorities: _Authorities = None,
    allow_private: _AllowPrivate = False,
    control: _Control = None,
    control_quorum: _ControlQuorum = None,
    once: _Once = False,
    print_only: _PrintOnly = False,
    as_json: _AsJson = False,
    count: _Count = None,
    bootstrap: _Bootstrap = None,
    spool: _Spool = None,
    control_out: _ControlOut = None,
    metrics_port: _MetricsPort = None,
    config: Annotated[Path | None, typer.Option(help="Settings file (TOML).")] = None,
) -> None:
    """Measure, and print or send what was measured."""
    given = {
        "country": country,
        "region": region,
        "asn": asn,
        "vantage": vantage,
        "targets": targets,
        "platforms": tuple(platform) if platform else None,
        "interval_seconds": interval,
        "timeout_seconds": timeout,
        "concurrency": concurrency,
        "resolver": resolver,
        "authorities": authorities,
        "allow_private": allow_private or None,
        "control": tuple(control) if control else None,
        "control_quorum": control_quorum,
        "control_out": control_out,
        "spool": spool,
        "metrics_port": metrics_port,
    }
    settings = with_bootstrap(load(config, probe=_overrides(given)), bootstrap)
    way_out = _WayOut(
        once=once, print_only=print_only, as_json=as_json, count=count, own=context.obj is OWN_PROCESS
    )
    _measure(settings, way_out)


def _overrides(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what was given; the rest is left to the environment and the settings file."""
    return {key: value for key, value in given.items() if value is not None}


def _measure(settings: Settings, way_out: _WayOut) -> None:
    from streams.local.probing import Probing, check_way_out, send, write_lines  # noqa: PLC0415  not for --help

    probing = Probing(settings)
    if way_out.once:
        raise typer.Exit(_once(probing, as_json=way_out.as_json or way_out.print_only))
    if not settings.probe.asn:
        log.warning("probe.asn is not set: all vantages without one count as one network")
    if not way_out.print_only:
        check_way_out(settings)
    if way_out.own and lean.possible():
        lean.begin_anew(probing, print_only=way_out.print_only, count_max=way_out.count)
    if way_out.print_only:
        asyncio.run(write_lines(probing, count_max=way_out.count))
    else:
        asyncio.run(send(probing, count_max=way_out.count))


def _once(probing: Probing, *, as_json: bool) -> int:
    from streams.local.probing import Lines  # noqa: PLC0415  not for --help

    outcomes: list[Outcome] = []
    out = Lines()
    shown = sys.stderr.isatty()

    def take(outcome: Outcome, record: ProbeResult) -> None:
        outcomes.append(outcome)
        if shown:
            sys.stderr.write(f"\r{len(outcomes)} of {_targets(len(probing.targets.target))}")
        if as_json:
            out.write(encode(record))

    asyncio.run(probing.once(take))
    if shown:
        sys.stderr.write("\r\033[K")
    if not as_json:
        order = {target.name: number for number, target in enumerate(probing.targets.target)}
        _print(sorted(outcomes, key=lambda outcome: order[outcome.target.name]))
    return 0 if all(outcome.ok for outcome in outcomes) else 1


def _print(outcomes: list[Outcome]) -> None:
    """A table, without the library for tables: a small vantage has none."""
    head = ("platform", "target", "result", *(step.timing for step in STEPS), "total ms")
    rows = [head, *(_row(outcome) for outcome in outcomes)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    colours = sys.stdout.isatty()
    for number, row in enumerate(rows):
        texts = [text.ljust(width) for text, width in zip(row[:3], widths[:3], strict=True)]
        if number and colours:
            texts[2] = f"\033[{32 if row[2] == 'ok' else 31}m{texts[2]}\033[0m"
        times = [text.rjust(width) for text, width in zip(row[3:], widths[3:], strict=True)]
        sys.stdout.write("  ".join((*texts, *times)).rstrip() + "\n")
    sys.stdout.write("\n")
    answered: dict[str, list[bool]] = defaultdict(list)
    for outcome in outcomes:
        answered[outcome.target.platform].append(outcome.ok)
    for name, oks in answered.items():
        sys.stdout.write(f"{name}: {sum(oks)} of {_targets(len(oks))} answered\n")


def _row(outcome: Outcome) -> tuple[str, ...]:
    taken = outcome.timings_ms
    return (
        outcome.target.platform,
        outcome.target.name,
        "ok" if outcome.ok else f"{outcome.stage} {outcome.failure}",
        *(_shown(getattr(taken, step.timing)) for step in STEPS),
        _shown(taken.total),
    )


def _targets(count: int) -> str:
    # Not `streams.words`: a small vantage has no Babel.
    return f"{count} target" if count == 1 else f"{count} targets"


def _shown(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{milliseconds:.0f}"
